"""Who did what, for administrators. Not Homer's, ours."""

from fastapi import APIRouter, Request

from api.audit import MOST_LISTED, newest
from api.auth.dependencies import AdminUser
from api.context import Context
from api.errors import RequestError
from api.schemas.audit import AuditAnswer, AuditRow
from api.schemas.common import FORBIDDEN, REFUSED
from api.wire import JsonAnswer, JsonSchema, describe_answer

router = APIRouter(tags=["audit"])

PARAMETERS: JsonSchema = {
    "parameters": [
        {"name": name, "in": "query", "description": words, "schema": {"type": kind}}
        for name, kind, words in (
            ("limit", "integer", f"So many at most, 100 by default, {MOST_LISTED} at most"),
            ("before", "integer", "Only those whose `id` is smaller: to go on behind the last one"),
            ("username", "string", "Of this user alone"),
            ("action", "string", "Of actions that begin so, such as `login` or `change alias`"),
        )
    ]
}


@router.get(
    "/rhapsode/audit",
    responses={
        200: describe_answer(AuditAnswer, "The newest first"),
        400: REFUSED[400],
        401: REFUSED[401],
        503: REFUSED[503],
        **FORBIDDEN,
    },
    openapi_extra=PARAMETERS,
)
async def list_audit(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Logins, changes, payloads that were looked at, exports and imports, the newest first."""
    given = request.query_params
    await context.audit.flush()
    found = await newest(
        context.engine,
        min(_whole(given.get("limit", "100")), MOST_LISTED),
        before=_whole(given["before"]) if "before" in given else None,
        username=given.get("username", "").replace("\0", "\ufffd"),
        action=given.get("action", "").replace("\0", "\ufffd"),
    )
    rows = [AuditRow(each.id, each.at.isoformat().replace("+00:00", "Z"), *each[2:]) for each in found]
    return JsonAnswer(AuditAnswer(rows, len(rows)))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise RequestError(f"{text[:30]!r} is not a whole number")
    return int(text)
