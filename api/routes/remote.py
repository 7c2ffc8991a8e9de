"""Lines of logs from Loki, asked by way of us, and whether there is one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth.dependencies import CurrentUser
from api.context import Context
from api.errors import RequestError
from api.leaving import unless_gone
from api.proxies.loki import DEFAULT_LINES, MAX_LINES, label_names, label_values, newest_lines
from api.schemas.charts import (
    EXAMPLE_WINDOW,
    LinesAnswer,
    LinesParam,
    LinesQuestion,
    LokiStatus,
    Modules,
    ModulesAnswer,
    line_rows,
    whole_window,
)
from api.schemas.common import ASKED_ELSEWHERE
from api.schemas.search import answer_headers
from api.wire import JsonAnswer, JsonSchema, Responses, describe_answer, describe_body, json_body

router = APIRouter(tags=["logs"])

Body = Annotated[LinesQuestion, Depends(json_body(LinesQuestion))]
DEFAULT_TEMPLATE = '{job="heplify-server"} |~ "%callid%"'
"""The web UI puts Call-IDs in the place of `%callid%`."""
EXAMPLE = {
    "timestamp": EXAMPLE_WINDOW,
    "param": {"search": '{job="heplify-server"} |~ "a84b4c76e66710"', "limit": 100},
}
NAMES: Responses = ASKED_ELSEWHERE | {201: describe_answer(list[str], "As Loki has them")}
LABEL: JsonSchema = {
    "parameters": [{"name": "label", "in": "query", "required": True, "schema": {"type": "string"}}]
}


@router.post(
    "/search/remote/data",
    status_code=201,
    responses=ASKED_ELSEWHERE | {201: describe_answer(LinesAnswer, "The newest lines, newest first")},
    openapi_extra=describe_body(LinesQuestion, EXAMPLE),
)
async def search_lines(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """Lines of logs by a LogQL query."""
    server = context.servers.loki
    param = body.param or LinesParam()
    if not param.search:
        raise RequestError("there is no query")
    wanted = param.limit if param.limit is not None and param.limit > 0 else DEFAULT_LINES
    limit = min(wanted, MAX_LINES)
    asking = newest_lines(server, param.search, *whole_window(body.timestamp), limit)
    lines, warnings = await unless_gone(request, asking)
    rows = line_rows(lines)
    # What heplify-server and others put there are messages with their payload.
    context.audit.note(request, user, "view logs", param.search, {"lines": len(rows)})
    headers = answer_headers("limit" if len(rows) >= limit else None, warnings)
    return JsonAnswer(LinesAnswer(rows), 201, headers)


@router.get("/search/remote/label", status_code=201, responses=NAMES)
async def list_labels(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The labels that there are."""
    return JsonAnswer(await unless_gone(request, label_names(context.servers.loki)), 201)


@router.get("/search/remote/values", status_code=201, responses=NAMES, openapi_extra=LABEL)
async def list_values(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The values of a label."""
    asking = label_values(context.servers.loki, request.query_params.get("label", ""))
    return JsonAnswer(await unless_gone(request, asking), 201)


@router.get(
    "/modules/status",
    responses={
        200: describe_answer(ModulesAnswer, "Whether logs can be searched"),
        401: ASKED_ELSEWHERE[401],
    },
)
async def show_modules(user: CurrentUser, context: Context) -> JsonAnswer:
    """What the web UI may offer."""
    loki = context.options.loki
    template = loki.template or DEFAULT_TEMPLATE
    return JsonAnswer(ModulesAnswer(Modules(LokiStatus(loki.url is not None, template))))
