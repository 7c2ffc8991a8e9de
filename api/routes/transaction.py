"""Whole calls."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from msgspec import UNSET

from api.auth.dependencies import CurrentUser
from api.context import Context
from api.routes.correlated import find_calls
from api.schemas.common import REFUSED
from api.schemas.rows import transaction_of
from api.schemas.search import (
    TRANSACTION_EXAMPLE,
    SearchObject,
    TransactionAnswer,
    keys_of,
)
from api.wire import JsonAnswer, describe_answer, describe_body, json_body

router = APIRouter(tags=["search"])

Body = Annotated[SearchObject, Depends(json_body(SearchObject))]
RESPONSES = REFUSED | {201: describe_answer(TransactionAnswer, "The calls' messages, oldest first")}


@router.post(
    "/call/transaction",
    status_code=201,
    responses=RESPONSES,
    openapi_extra=describe_body(SearchObject, TRANSACTION_EXAMPLE),
)
async def show_transaction(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """All messages of the given Call-IDs, and what the mapping's rules join to them."""
    found = await find_calls(request, context, body)
    shape = await context.row_shape()
    seen = {"messages": len(found.messages)}
    context.audit.note(request, user, "view call", found.seen, seen)
    data = transaction_of(found.messages, shape)
    missing = found.missing or UNSET
    answer = TransactionAnswer(len(data.messages), keys_of(data.messages), data, missing)
    return JsonAnswer(answer, 201, found.headers)
