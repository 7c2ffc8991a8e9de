"""API tokens, for administrators.

Source: homer-app's routes and sentences. A token is told once, in the answer that makes it.
"""

from fastapi import APIRouter, Request

from api.auth.dependencies import AdminUser
from api.context import Context
from api.errors import RequestError
from api.records.kind import read_values, shown
from api.records.store import change_row, changing, delete_row, find_row, find_rows
from api.records.tokens import TOKEN, make_token
from api.routes.records import UNKNOWN, describe_record, whose
from api.schemas.common import FORBIDDEN, REFUSED
from api.schemas.records import ChangedAnswer, NewToken, NewTokenAnswer, RowsAnswer
from api.wire import JsonAnswer, JsonObject, Responses, describe_answer, describe_path

router = APIRouter(prefix="/token/auth", tags=["API tokens"])

LISTED: Responses = {
    **FORBIDDEN,
    200: describe_answer(RowsAnswer, "API tokens, without the secret"),
    400: REFUSED[400],
    401: REFUSED[401],
    503: REFUSED[503],
}
CHANGED: Responses = {**REFUSED, **FORBIDDEN, 200: describe_answer(ChangedAnswer, "Done")}
GUID = describe_path(guid="The API token's guid")
NEW, BODY = (describe_record(TOKEN, is_new=is_new) for is_new in (True, False))


@router.get("", responses=LISTED)
async def list_tokens(user: AdminUser, context: Context) -> JsonAnswer:
    """All API tokens, without the secret."""
    await context.api_tokens.flush()
    async with context.engine.connect() as connection:
        rows = await find_rows(connection, TOKEN)
    return JsonAnswer(RowsAnswer([shown(TOKEN, row) for row in rows], len(rows)))


@router.get("/{guid}", responses=LISTED, openapi_extra=GUID)
async def show_token(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """One API token, without the secret."""
    guid = request.path_params["guid"]
    await context.api_tokens.flush()
    async with context.engine.connect() as connection:
        row = await find_row(connection, TOKEN, guid)
    if row is None:
        raise RequestError(f"token has been not found for guid [{guid}]")
    return JsonAnswer(RowsAnswer([shown(TOKEN, row)], 1))


@router.post(
    "",
    status_code=201,
    responses={**REFUSED, **FORBIDDEN, 201: describe_answer(NewTokenAnswer, "The token: this once")},
    openapi_extra=NEW,
)
async def create_token(request: Request, user: AdminUser, context: Context, body: JsonObject) -> JsonAnswer:
    """Make an API token. `user_object` says for whom it is, else for oneself, but not as administrator."""
    values = read_values(TOKEN, body, is_new=True)
    async with changing(context.engine, whose(request, user)) as change:
        token = await make_token(change, user, values)
    answer = NewTokenAnswer(NewToken(token), "successfully created auth token")
    return JsonAnswer(answer, 201, {"Cache-Control": "no-store"})


@router.put("/{guid}", responses=CHANGED, openapi_extra=GUID | BODY)
async def change_token(request: Request, user: AdminUser, context: Context, body: JsonObject) -> JsonAnswer:
    """Change an API token: what the body names."""
    guid = request.path_params["guid"]
    values = read_values(TOKEN, body, is_new=False)
    async with changing(context.engine, whose(request, user)) as change:
        found = await change_row(change, TOKEN, guid, values)
    if not found:
        raise RequestError(UNKNOWN)
    context.api_tokens.forget()
    return JsonAnswer(ChangedAnswer(guid, "successfully updated auth token settings"))


@router.delete("/{guid}", responses=CHANGED, openapi_extra=GUID)
async def remove_token(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Delete an API token: it is of no more use."""
    guid = request.path_params["guid"]
    async with changing(context.engine, whose(request, user)) as change:
        found = await delete_row(change, TOKEN, guid)
    if not found:
        raise RequestError(UNKNOWN)
    context.api_tokens.forget()
    return JsonAnswer(ChangedAnswer(guid, "successfully deleted authtoken"))
