"""Charts of Prometheus, asked by way of us."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth.dependencies import CurrentUser
from api.context import Context
from api.leaving import unless_gone
from api.proxies.prometheus import expression_of, metric_names, ranges_of, series_of
from api.schemas.charts import (
    EXAMPLE_WINDOW,
    MetricAnswer,
    MetricsParam,
    MetricsQuestion,
    SeriesLabels,
    shown_series,
    whole_window,
)
from api.schemas.common import ASKED_ELSEWHERE
from api.schemas.search import answer_headers
from api.wire import JsonAnswer, describe_answer, describe_body, describe_path, json_body

router = APIRouter(prefix="/prometheus", tags=["charts"])

Body = Annotated[MetricsQuestion, Depends(json_body(MetricsQuestion))]
EXAMPLE = {"timestamp": EXAMPLE_WINDOW, "param": {"metrics": ["up"], "precision": 60}}


@router.post(
    "/value",
    status_code=201,
    responses=ASKED_ELSEWHERE | {201: describe_answer(list[MetricAnswer], "One for each metric")},
    openapi_extra=describe_body(MetricsQuestion, EXAMPLE),
)
async def show_values(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """The values of metrics over time."""
    server = context.servers.prometheus
    param = body.param or MetricsParam()
    expressions = [expression_of(metric) for metric in param.metrics or ()]
    from_ms, to_ms = whole_window(body.timestamp)
    asking = ranges_of(server, expressions, from_ms // 1000, to_ms // 1000, param.precision or 0)
    matrices, warnings = await unless_gone(request, asking)
    answer = [MetricAnswer(matrix) for matrix in matrices]
    return JsonAnswer(answer, 201, answer_headers(None, warnings))


@router.get(
    "/labels",
    status_code=201,
    responses=ASKED_ELSEWHERE | {201: describe_answer(list[str], "The names of all metrics")},
)
async def list_metrics(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """Every metric that there is."""
    names, warnings = await unless_gone(request, metric_names(context.servers.prometheus))
    return JsonAnswer(names, 201, answer_headers(None, warnings))


@router.get(
    "/label/{userlabel}",
    status_code=201,
    responses=ASKED_ELSEWHERE | {201: describe_answer(list[SeriesLabels], "The series of the metric")},
    openapi_extra=describe_path(userlabel="A metric's name, or a selector"),
)
async def list_series(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The series of a metric."""
    asking = series_of(context.servers.prometheus, request.path_params["userlabel"])
    series, warnings = await unless_gone(request, asking)
    return JsonAnswer(shown_series(series), 201, answer_headers(None, warnings))


@router.post(
    "/data",
    status_code=201,
    responses=ASKED_ELSEWHERE | {201: describe_answer(dict[str, str], "Always empty")},
    openapi_extra=describe_body(MetricsQuestion, EXAMPLE),
)
async def show_nothing(user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """Nothing, as with Homer: clients ask `value`."""
    _ = context.servers.prometheus
    return JsonAnswer({}, 201)
