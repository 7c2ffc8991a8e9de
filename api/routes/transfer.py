"""Importing settings, as the web UI does it.

Source: the web UI, which posts a file to `/TYPE/import`, with `/replace` in place of what there is. `/h2`
stands for files of another edition, which are the same here.
"""

import tempfile
from pathlib import Path

from fastapi import APIRouter, Request

from api.auth.dependencies import AdminUser
from api.context import ApiContext, Context
from api.errors import RequestError
from api.records.kinds import ADVANCED, HEPSUB, MAPPING
from api.records.store import changing
from api.records.transfer import KINDS, is_of_users, read_objects, take_over
from api.routes.mapping import mapping_defaults
from api.routes.records import Defaults, whose
from api.routes.settings import advanced_defaults_of, hepsub_defaults_of
from api.routes.users import make_users, new_users
from api.schemas.common import FORBIDDEN, REFUSED
from api.schemas.records import ChangedAnswer
from api.upload import received_file
from api.wire import JsonAnswer, JsonSchema, Responses, describe_answer, describe_path

router = APIRouter(tags=["settings"])

PART = "file"
DEFAULTS: dict[str, Defaults] = {
    MAPPING.what: mapping_defaults,
    ADVANCED.what: advanced_defaults_of,
    HEPSUB.what: hepsub_defaults_of,
}
"""What the program brings along, by the kind."""
RESPONSES: Responses = {
    **REFUSED,
    **FORBIDDEN,
    201: describe_answer(ChangedAnswer, "How many were made"),
}
FORM: JsonSchema = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {PART: {"type": "string", "format": "binary"}}}
            }
        },
    },
    **describe_path(kind=f"One of {', '.join(KINDS)}"),
}


@router.post("/{kind}/import", status_code=201, responses=RESPONSES, openapi_extra=FORM)
@router.post("/{kind}/import/h2", status_code=201, responses=RESPONSES, openapi_extra=FORM)
async def import_settings(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Make the objects of a file, all or none."""
    return await _import(request, user, context, replace=False)


@router.post("/{kind}/import/replace", status_code=201, responses=RESPONSES, openapi_extra=FORM)
@router.post("/{kind}/import/h2/replace", status_code=201, responses=RESPONSES, openapi_extra=FORM)
async def replace_settings(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """The same, in place of all objects of the kind that there are. Users are never replaced."""
    return await _import(request, user, context, replace=True)


async def _import(request: Request, user: AdminUser, context: ApiContext, *, replace: bool) -> JsonAnswer:
    kind = KINDS.get(request.path_params["kind"])
    if kind is None:
        raise RequestError(f"there is nothing to import as {request.path_params['kind'][:100]}")
    options = context.options
    directory = Path(tempfile.gettempdir())
    limit = options.http.max_body_bytes
    async with received_file(request, PART, limit, directory, options.journal) as upload:
        upload.file.seek(0)
        objects = read_objects(upload.file.read())
    defaults = await DEFAULTS[kind.what](context) if kind.what in DEFAULTS else []
    users = await new_users(context, objects) if is_of_users(objects) else None
    async with changing(context.engine, whose(request, user)) as change:
        if users is not None:
            made = await make_users(change, users)
        else:
            made = await take_over(change, kind, objects, defaults, replace=replace)
    context.settings_changed()
    context.standings.forget()
    return JsonAnswer(ChangedAnswer(str(made), "successfully imported"), 201)
