"""The message classes and their fields, as people have changed them; and what can be typed into a search.

Source: homer-app's routes and sentences.
"""

from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Request, Response

from api.auth.caller import Caller
from api.auth.dependencies import CurrentUser
from api.context import ApiContext, Context
from api.errors import RequestError
from api.records.kind import Values, shown
from api.records.kinds import MAPPING
from api.records.mappings import find_mappings
from api.records.store import changing, reset_rows
from api.routes.records import Resource, Said, add_routes, whose
from api.schemas.common import REFUSED
from api.schemas.mapping import MappingAnswer, TagsAnswer
from api.search.smartinput import field_as_written
from api.wire import JsonAnswer, JsonSchema, Responses, describe_answer, describe_path

router = APIRouter(tags=["mapping"])

NO_FORM = frozenset(["multiselect", "smart-input"])
RESPONSES: Responses = {
    200: describe_answer(MappingAnswer, "One row a message class"),
    400: REFUSED[400],
    401: REFUSED[401],
    503: REFUSED[503],
}
RESET: Responses = {200: {"description": "Done"}, 400: REFUSED[400], 401: REFUSED[401], 503: REFUSED[503]}
TYPED: JsonSchema = {
    "parameters": [
        *describe_path(hepid="The HEP protocol type", profile="The profile")["parameters"],
        {
            "name": "query",
            "in": "query",
            "description": 'What was typed: `{"data": "…"}`, percent-encoded once or twice',
            "schema": {"type": "string"},
        },
    ]
}
TAGS: Responses = {
    200: describe_answer(TagsAnswer, "Fields whose name fits"),
    400: REFUSED[400],
    401: REFUSED[401],
    503: REFUSED[503],
}


@router.get("/mapping/protocol", responses=RESPONSES)
async def list_mappings(user: CurrentUser, context: Context) -> JsonAnswer:
    """Every message class with its searchable fields."""
    return _answer(await _all(context))


@router.get("/mapping/protocol/reset", response_class=Response, responses=RESET)
async def reset_mappings(request: Request, user: CurrentUser, context: Context) -> Response:
    """Take back whatever people have changed. For administrators."""
    _check_admin(user)
    async with changing(context.engine, whose(request, user)) as change:
        await reset_rows(change, MAPPING)
    context.settings_changed()
    return Response(status_code=200)


@router.get(
    "/mapping/protocol/reset/{guid}",
    response_class=Response,
    responses=RESET,
    openapi_extra=describe_path(guid="The mapping's guid"),
)
async def reset_mapping(request: Request, user: CurrentUser, context: Context) -> Response:
    """Take back what people have changed of one mapping. For administrators."""
    _check_admin(user)
    guid = request.path_params["guid"]
    rows = [row for row in await _all(context) if row["guid"] == guid]
    known = {(each["hepid"], each["profile"]) for each in context.mapping_defaults()}
    if not rows or (rows[0]["hepid"], rows[0]["profile"]) not in known:
        raise RequestError("failed to get mapping schema by uuid")
    async with changing(context.engine, whose(request, user)) as change:
        await reset_rows(change, MAPPING, {name: rows[0][name] for name in ("hepid", "profile")})
    context.settings_changed()
    return Response(status_code=200)


@router.get(
    "/mapping/protocol/{id}/{transaction}",
    responses=RESPONSES,
    openapi_extra=describe_path(id="The HEP protocol type", transaction="The profile"),
)
async def show_mapping_of(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The mapping of one message class, such as `1/call`."""
    asked = request.path_params["id"], request.path_params["transaction"]
    rows = [row for row in await _all(context) if (str(row["hepid"]), row["profile"]) == asked]
    if not rows:
        raise RequestError("failed to get mapping schema")
    return _answer(rows)


@router.get(
    "/mapping/protocol/{guid}", responses=RESPONSES, openapi_extra=describe_path(guid="The mapping's guid")
)
async def show_mapping(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """One mapping."""
    rows = [row for row in await _all(context) if row["guid"] == request.path_params["guid"]]
    if not rows:
        raise RequestError("failed to get mapping schema by uuid")
    return _answer(rows)


async def mapping_defaults(context: ApiContext) -> list[Values]:
    """The mappings that follow from the program, with all tags that scripts have set."""
    await context.nodes.refresh_script_names()
    return context.mapping_defaults()


add_routes(
    router,
    Resource(
        MAPPING,
        "/mapping/protocol",
        made=Said(201, "successfully created mappings settings"),
        changed=Said(200, "successfully updated hepsub settings"),
        deleted=Said(200, "successfully deleted mapping settings"),
        defaults=mapping_defaults,
    ),
    with_list=False,
    with_show=False,
)


@router.get(
    "/smart/search/tag/{hepid}/{profile}",
    responses=TAGS,
    openapi_extra=TYPED,
)
async def suggest_tags(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """Names of fields that have what was typed last, for the smart input. `query` is `{"data": "…"}`."""
    asked = request.path_params["hepid"], request.path_params["profile"]
    rows = [row for row in await _all(context) if (str(row["hepid"]), row["profile"]) == asked]
    if not rows:
        raise RequestError("failed to get smart hep profile")
    word = _last_word(request.query_params.get("query", ""))
    found = [tag for tag in _tags(rows[0]) if word in tag["name"].lower() or word in tag["value"].lower()]
    # Homer leaves the inner list out when it is empty, and the web UI then complains on its console.
    return JsonAnswer({"data": {"data": found}})


def _last_word(query: str) -> str:
    """Homer's clients encode it once or twice."""
    try:
        typed = msgspec.json.decode(unquote(query)) if query else {}
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RequestError from error
    said = typed.get("data") if isinstance(typed, dict) else None
    words = said.split(" ") if isinstance(said, str) else [""]
    return words[-1].lower()


def _tags(row: Values) -> list[dict[str, str]]:
    tags = []
    for field in row["fields_mapping"]:
        if not isinstance(field, dict) or field.get("skip") or field.get("form_type") in NO_FORM:
            continue
        id_ = field.get("id")
        if isinstance(id_, str) and {"form_type", "skip", "hide", "name"} <= field.keys():
            tags.append({"name": _tag_name(id_, row["hepid"]), "value": field_as_written(id_)})
    return tags


def _tag_name(id_: str, hepid: int) -> str:
    if hepid != 1:
        return id_
    return id_.replace("protocol_header.", "net.", 1).replace("data_header.", "sip.", 1)


async def _all(context: ApiContext) -> list[Values]:
    defaults = await mapping_defaults(context)
    async with context.engine.connect() as connection:
        return await find_mappings(connection, defaults)


def _answer(rows: list[Values]) -> JsonAnswer:
    return JsonAnswer({"count": len(rows), "data": [shown(MAPPING, row) for row in rows]})


def _check_admin(user: Caller) -> None:
    """As Homer's handler does it, and not with 403."""
    if not user.useradmin:
        raise RequestError("failed to recreated all mappings")
