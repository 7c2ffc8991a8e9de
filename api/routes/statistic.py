"""Charts of InfluxDB, asked by way of us."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth.dependencies import CurrentUser
from api.context import Context
from api.errors import RequestError
from api.leaving import unless_gone
from api.proxies import influxdb
from api.proxies.influxdb import DEFAULT_ROWS, MAX_ROWS, Result, Source
from api.proxies.server import Server
from api.schemas.charts import (
    EXAMPLE_WINDOW,
    NOTHING,
    StatisticAnswer,
    StatisticParam,
    StatisticQuery,
    StatisticQuestion,
    statistic_answer,
    whole_window,
)
from api.schemas.common import ASKED_ELSEWHERE
from api.schemas.search import answer_headers
from api.wire import JsonAnswer, JsonSchema, describe_answer, describe_body, describe_path, json_body

router = APIRouter(prefix="/statistic", tags=["charts"])

Body = Annotated[StatisticQuestion, Depends(json_body(StatisticQuestion))]
RESPONSES = ASKED_ELSEWHERE | {201: describe_answer(StatisticAnswer, "As InfluxDB has it")}
QUERY = {"main": "heplify_method_response", "database": "homer", "retention": "60s", "type": ["counter"]}
DATA: JsonSchema = describe_body(
    StatisticQuestion, {"timestamp": EXAMPLE_WINDOW, "param": {"limit": 500, "query": [QUERY]}}
)
DATABASE: JsonSchema = describe_body(StatisticQuestion, {"param": {"search": {"database": "homer"}}})


@router.post("/data", status_code=201, responses=RESPONSES, openapi_extra=DATA)
async def show_statistic(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """Mean values over time of some fields of a measurement."""
    server = context.servers.influxdb
    param = body.param or StatisticParam()
    sources = [
        (_source(query), [influxdb.field_name(field) for field in query.type or ()])
        for query in param.query or ()
    ]
    if not sources or not sources[-1][1]:
        return JsonAnswer(NOTHING, 201)
    source, fields = sources[-1]
    limit = min(param.limit if param.limit is not None and param.limit > 0 else DEFAULT_ROWS, MAX_ROWS)
    statement = influxdb.select(source, fields, *whole_window(body.timestamp), limit)
    result = await unless_gone(request, influxdb.run(server, statement, source.database))
    return JsonAnswer(NOTHING if result.error else statistic_answer(result), 201, _headers(result))


@router.get("/_db", status_code=201, responses=RESPONSES)
async def list_databases(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The databases."""
    return await _show(request, context.servers.influxdb, "SHOW DATABASES")


@router.post("/_retentions", status_code=201, responses=RESPONSES, openapi_extra=DATABASE)
async def list_retentions(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """The retention policies of a database."""
    server = context.servers.influxdb
    search = (body.param or StatisticParam()).search
    database = influxdb.database_name((search and search.database) or "")
    return await _show(request, server, f'SHOW RETENTION POLICIES ON "{database}"', database)


@router.get(
    "/_measurements/{dbid}",
    status_code=201,
    responses=RESPONSES,
    openapi_extra=describe_path(dbid="The database's name"),
)
async def list_measurements(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The measurements of a database."""
    server = context.servers.influxdb
    database = influxdb.database_name(request.path_params["dbid"])
    return await _show(request, server, f'SHOW MEASUREMENTS ON "{database}"', database)


@router.post("/_metrics", status_code=201, responses=RESPONSES, openapi_extra=DATA)
async def list_fields(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """The fields of a measurement."""
    server = context.servers.influxdb
    source = _first_source(body)
    return await _show(request, server, f"SHOW FIELD KEYS FROM {source.quoted}", source.database)


@router.post("/_tags", status_code=201, responses=RESPONSES, openapi_extra=DATA)
async def list_tags(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """The tags of a measurement."""
    server = context.servers.influxdb
    source = _first_source(body)
    return await _show(request, server, f"SHOW TAG KEYS FROM {source.quoted}", source.database)


async def _show(request: Request, server: Server, statement: str, database: str = "") -> JsonAnswer:
    return _answer(await unless_gone(request, influxdb.run(server, statement, database)))


def _answer(result: Result) -> JsonAnswer:
    """As Homer does: nothing, unless there is exactly one table."""
    found = result.series is not None and len(result.series) == 1 and not result.error
    return JsonAnswer(statistic_answer(result) if found else NOTHING, 201, _headers(result))


def _headers(result: Result) -> dict[str, str]:
    return answer_headers("limit" if result.is_partial else None, [result.error] if result.error else [])


def _first_source(body: StatisticQuestion) -> Source:
    queries = (body.param or StatisticParam()).query
    if not queries:
        raise RequestError
    return _source(queries[0])


def _source(query: StatisticQuery) -> Source:
    return influxdb.source(query.database or "", query.retention or "", query.main or "")
