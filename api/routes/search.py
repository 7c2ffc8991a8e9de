"""Searching messages."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Request
from msgspec import UNSET

from api.auth.caller import Caller
from api.auth.dependencies import CurrentUser
from api.context import ApiContext, Context
from api.errors import RequestError
from api.leaving import unless_gone
from api.routes.questions import question_warnings
from api.schemas.common import REFUSED
from api.schemas.rows import data_row, message_row, oldest_first
from api.schemas.search import (
    DATA_EXAMPLE,
    MESSAGE_EXAMPLE,
    SearchAnswer,
    SearchObject,
    answer_headers,
    classes_of,
    elements_of,
    keys_of,
    message_ids_of,
    strict_classes_of,
)
from api.search.fields import class_fields
from api.search.nodes import Answer
from api.search.query import Condition, Operator, Query
from api.search.syntax import Limits, read_elements
from api.settings import ApiOptions
from api.wire import JsonAnswer, describe_answer, describe_body, json_body

router = APIRouter(tags=["search"])

Body = Annotated[SearchObject, Depends(json_body(SearchObject))]
RESPONSES = REFUSED | {201: describe_answer(SearchAnswer, "The messages, oldest first")}


@router.post(
    "/search/call/data",
    status_code=201,
    responses=RESPONSES,
    openapi_extra=describe_body(SearchObject, DATA_EXAMPLE),
)
async def search_data(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """The newest messages that match the form, without their payload."""
    options = context.options
    nodes = context.nodes
    asked = _read(body, options, nodes.script_names)
    if asked.warnings and await nodes.refresh_script_names():
        asked = _read(body, options, nodes.script_names)
    warnings = asked.warnings + [
        f"unknown profile: {key}" for key in classes_of(body).unknown if key != "range"
    ]
    found = await unless_gone(request, nodes.newest(body.nodes, asked.queries, asked.limit))
    shape = await context.row_shape()
    rows = [data_row(each, shape) for each in oldest_first(found.page.rows)]
    return _answer(rows, found, question_warnings(context, body) + warnings)


class _Asked(NamedTuple):
    """What a form asks for."""

    queries: list[Query]
    limit: int
    warnings: list[str]
    """What is false because it names an unknown field or cannot be read."""


def _read(body: SearchObject, options: ApiOptions, script_names: tuple[str, ...]) -> _Asked:
    limits = Limits(min(options.search.limit, options.search.max_limit), options.search.max_limit)
    queries, warnings, limit = [], [], 0
    for message_class, value in classes_of(body).known.items():
        fields = class_fields(message_class, options.custom_headers, script_names)
        reading = read_elements(elements_of(value), fields, limits, any_of=bool(body.parameters.orlogic))
        queries.append(Query(message_class, *body.window, reading.limit, reading.where))
        warnings += reading.warnings
        limit = max(limit, reading.limit)
    return _Asked(queries, limit, warnings)


@router.post(
    "/search/call/message",
    status_code=201,
    responses=RESPONSES,
    openapi_extra=describe_body(SearchObject, MESSAGE_EXAMPLE),
)
async def search_message(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """Messages by their ids, with payload."""
    found = await messages_by_id(request, user, context, body)
    shape = await context.row_shape()
    rows = [message_row(each, shape) for each in oldest_first(found.page.rows)]
    return _answer(rows, found, question_warnings(context, body))


async def messages_by_id(request: Request, user: Caller, context: ApiContext, body: SearchObject) -> Answer:
    """Those that the body names, noted as seen; RequestError when it names none."""
    options = context.options
    asked = {key: message_ids_of(value) for key, value in strict_classes_of(body).items()}
    ids = sum(map(len, asked.values()))
    if not ids:
        raise RequestError("no ID or UUID has been provided")
    queries = [
        Query(message_class, *body.window, len(numbers), Condition("id", Operator.EQUAL, tuple(numbers)))
        for message_class, numbers in asked.items()
    ]
    given = body.parameters.limit
    # Homer takes a missing limit for none at all; who names ids wants them.
    limit = min(ids if given is None or given < 0 else given, options.search.max_limit)
    found = await unless_gone(request, context.nodes.newest(body.nodes, queries, limit))
    seen = [f"{each.stored.message_class.key} {each.stored.id}" for each in found.page.rows]
    if seen:
        context.audit.note(request, user, "view payload", seen)
    return found


def _answer(rows: list[dict[str, object]], found: Answer, warnings: list[str]) -> JsonAnswer:
    answer = SearchAnswer(len(rows), keys_of(rows), rows, list(found.missing) or UNSET)
    headers = answer_headers(found.page.incomplete, warnings, missing=found.missing)
    return JsonAnswer(answer, 201, headers)
