"""Health and metrics, for machines: no login."""

import asyncio

from fastapi import APIRouter, Response

from api.context import HEALTH_TIMEOUT_S, Context
from api.figures import read_journals
from api.filters import read_filters
from api.health import Health, judge, judge_searching
from api.metrics import CONTENT_TYPE, render_metrics
from api.wire import JsonAnswer, Responses, describe_answer

router = APIRouter(tags=["status"])

HEALTH_RESPONSES: Responses = {
    200: describe_answer(Health, "Everything works; `warnings` may say what will not for long"),
    503: describe_answer(Health, "Something does not, and the part that is not ok says what"),
}
METRICS_RESPONSES: Responses = {
    200: {"description": "The text format of Prometheus", "content": {"text/plain": {}}}
}


@router.head("/health", include_in_schema=False)
@router.get("/health", responses=HEALTH_RESPONSES)
async def show_health(context: Context) -> JsonAnswer:
    """Whether Rhapsode can receive, store and search."""
    search, away = await asyncio.gather(
        judge_searching(context.health_engine, HEALTH_TIMEOUT_S), context.presence.troubles()
    )
    data_dir = context.options.data_dir
    journals = None if data_dir is None else await asyncio.to_thread(read_journals, data_dir)
    filters = None if data_dir is None else await asyncio.to_thread(read_filters, data_dir)
    health = judge(journals, search, filters=filters, ui_trouble=context.ui_trouble, nodes_away=away)
    return JsonAnswer(health, 503 if health.status == "failing" else 200, {"Cache-Control": "no-store"})


@router.get("/metrics", responses=METRICS_RESPONSES, response_class=Response)
async def show_metrics(context: Context) -> Response:
    """The counters of intake, workers and this process, for Prometheus."""
    page = await asyncio.to_thread(render_metrics, context.options.data_dir)
    return Response(page, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
