"""Whole calls."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth.dependencies import CurrentUser
from api.context import Context
from api.leaving import unless_gone
from api.schemas.common import REFUSED
from api.schemas.rows import RowShape, oldest_first, transaction_of
from api.schemas.search import (
    TRANSACTION_EXAMPLE,
    SearchObject,
    TransactionAnswer,
    answer_headers,
    call_ids_of,
    keys_of,
    strict_classes_of,
)
from api.search.transaction import find_transaction
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
    """All messages of the given Call-IDs, over every class, as the web UI draws them."""
    options = context.options
    call_ids = [call_id for value in strict_classes_of(body).values() for call_id in call_ids_of(value)]
    if not body.asks_node(options.http.node_name):
        call_ids = []
    from_us, to_us = body.window
    finding = find_transaction(
        context.searcher,
        call_ids,
        from_us,
        to_us,
        limit=options.search.transaction_limit,
        without=body.parameters.whitelist or (),
    )
    page = await unless_gone(request, finding)
    shape = RowShape(options.http.node_name.lower(), options.custom_headers)
    data = transaction_of(oldest_first(page.rows), shape)
    answer = TransactionAnswer(len(data.messages), keys_of(data.messages), data)
    return JsonAnswer(answer, 201, answer_headers(page.incomplete))
