"""Importing capture files; the list of imports, and deleting one by its label (ours, not Homer's)."""

import asyncio
import logging

from fastapi import APIRouter, Request

from api.auth.caller import Caller
from api.auth.dependencies import AdminUser, CurrentUser
from api.context import ApiContext, Context
from api.schemas.common import DataError, PlainError
from api.schemas.imports import (
    ImportAnswer,
    ImportList,
    RemovedAnswer,
    RemovedCount,
    import_answer,
    import_row,
    import_warnings,
)
from api.schemas.search import answer_headers
from api.upload import received_file
from api.wire import JsonAnswer, JsonSchema, Responses, describe_answer, describe_path

log = logging.getLogger(__name__)

router = APIRouter(tags=["imports"])

PART = "fileKey"
FORM: JsonSchema = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [PART],
                    "properties": {
                        PART: {"type": "string", "format": "binary", "description": "pcap or pcapng"},
                        "label": {"type": "string", "description": "To find and delete it by"},
                    },
                }
            }
        },
    },
    "parameters": [
        {
            "name": "label",
            "in": "query",
            "description": "The same, where the form has none",
            "schema": {"type": "string"},
        }
    ],
}
RESPONSES: Responses = {
    201: describe_answer(ImportAnswer, "The packets are in the journal, and as a rule stored"),
    400: describe_answer(DataError, "No such form, no label, or a file that is broken: counts are in `data`"),
    401: describe_answer(PlainError, "No login, or one that has expired"),
    409: describe_answer(DataError, "Too many imports are going on"),
    413: describe_answer(DataError, "The file is larger than `imports.max_bytes`"),
    503: describe_answer(DataError, "No room, or the journal is on another machine"),
}
ADMIN_RESPONSES: Responses = {
    401: RESPONSES[401],
    403: describe_answer(PlainError, "Not an administrator"),
    503: describe_answer(DataError, "The journal is on another machine, or the database is away"),
}


@router.post("/import/data/pcap", status_code=201, responses=RESPONSES, openapi_extra=FORM)
async def import_pcap(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """Import what HEP, SIP and RTCP a capture file holds, with the times it has there."""
    return await _import(request, user, context, to_now=False)


@router.post("/import/data/pcap/now", status_code=201, responses=RESPONSES, openapi_extra=FORM)
async def import_pcap_now(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The same with all times moved, so that the newest packet is of this moment."""
    return await _import(request, user, context, to_now=True)


@router.get(
    "/rhapsode/imports",
    responses={200: describe_answer(ImportList, "Every import that was not deleted"), **ADMIN_RESPONSES},
)
async def list_imports(user: AdminUser, context: Context) -> JsonAnswer:
    """What capture files have been imported, by whom, and under which labels."""
    reports = await asyncio.to_thread(context.imports.list)
    return JsonAnswer(ImportList(len(reports), [import_row(report) for report in reports]))


@router.delete(
    "/rhapsode/imports/{label}",
    responses={
        200: describe_answer(RemovedAnswer, "How many messages there were"),
        404: describe_answer(DataError, "No import of this label"),
        409: describe_answer(DataError, "An import is going on, or this one is still to be stored"),
        **ADMIN_RESPONSES,
    },
    openapi_extra=describe_path(label="The import's label"),
)
async def delete_import(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Delete all messages that came by imports of this label."""
    label = request.path_params["label"]
    removed = await context.imports.remove(label, user.shown)
    log.warning("%d messages of the import %s deleted by %s", removed, label, user.shown)
    context.audit.note(request, user, "delete import", label, {"removed": removed})
    return JsonAnswer(RemovedAnswer(RemovedCount(label, removed), "successfully deleted"))


async def _import(request: Request, user: Caller, context: ApiContext, *, to_now: bool) -> JsonAnswer:
    options, imports = context.options, context.imports
    limit_bytes = options.imports.max_bytes
    receiving = received_file(request, PART, limit_bytes, imports.data_dir, options.journal)
    with imports.uploading():
        async with receiving as upload:
            label = upload.fields.get("label", "") or request.query_params.get("label", "")
            result = await imports.bring(upload.file.fileno(), upload.name, label, user.shown, to_now=to_now)
    report = result.report
    log.info(
        "%r imported by %s as %s: %d packets, %d rejected",
        *(report.file, user.shown, report.label, report.inserted, result.rejected),
    )
    detail = {"file": report.file, "inserted": report.inserted, "rejected": report.rejected}
    context.audit.note(request, user, "import pcap", report.label, detail)
    status = 201 if not result.error else 400 if result.is_file_broken else 503
    return JsonAnswer(import_answer(result), status, answer_headers(None, import_warnings(result)))
