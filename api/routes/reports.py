"""What was reported beside calls: quality of their media, and log lines."""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth.dependencies import CurrentUser
from api.context import ApiContext, Context
from api.errors import RequestError
from api.leaving import unless_gone
from api.routes.correlated import calls_of, check_count, unreadable_warnings
from api.routes.questions import question_warnings
from api.schemas.common import REFUSED
from api.schemas.reports import QosAnswer, ReportAnswer, is_json_object, report_answer
from api.schemas.rows import oldest_first
from api.schemas.search import TRANSACTION_EXAMPLE, SearchObject, answer_headers, call_ids_of
from api.search.nodes import NOTHING, Answer
from api.search.query import Condition, Operator, Query
from api.wire import JsonAnswer, describe_answer, describe_body, json_body
from capture.route import MessageClass

router = APIRouter(tags=["search"])

Body = Annotated[SearchObject, Depends(json_body(SearchObject))]


@router.post(
    "/call/report/qos",
    status_code=201,
    responses=REFUSED | {201: describe_answer(QosAnswer, "RTCP and RTP reports of the calls")},
    openapi_extra=describe_body(SearchObject, TRANSACTION_EXAMPLE),
)
async def show_quality(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """RTCP and RTP reports of the given Call-IDs, as far as they are JSON, which the charts are made from."""
    found = await _reports(request, context, body, (MessageClass.RTCP, MessageClass.REPORT))
    page = found.page
    reports = [report for report in oldest_first(page.rows) if is_json_object(report)]
    of = calls_of(reports) or [", ".join(_call_ids(body))]
    context.audit.note(request, user, "view reports", of, {"reports": len(reports)})
    warnings = question_warnings(context, body) + unreadable_warnings(page.rows)
    if left_out := sum(report.note is None for report in page.rows) - len(reports):
        warnings.append(f"reports that are no JSON are left out: {left_out}")
    rtcp, rtp = (
        report_answer([report for report in reports if report.stored.message_class is kind], _node(context))
        for kind in (MessageClass.RTCP, MessageClass.REPORT)
    )
    return JsonAnswer(
        QosAnswer(rtcp, rtp), 201, answer_headers(page.incomplete, warnings, missing=found.missing)
    )


@router.post(
    "/call/report/log",
    status_code=201,
    responses=REFUSED | {201: describe_answer(ReportAnswer, "Log lines of the calls, oldest first")},
    openapi_extra=describe_body(SearchObject, TRANSACTION_EXAMPLE),
)
async def show_logs(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """Log lines of the given Call-IDs."""
    found = await _reports(request, context, body, (MessageClass.LOG,))
    page = found.page
    of = calls_of(page.rows) or [", ".join(_call_ids(body))]
    context.audit.note(request, user, "view logs", of, {"lines": len(page.rows)})
    answer = report_answer(oldest_first(page.rows), _node(context))
    warnings = question_warnings(context, body) + unreadable_warnings(page.rows)
    return JsonAnswer(answer, 201, answer_headers(page.incomplete, warnings, missing=found.missing))


def _node(context: ApiContext) -> str:
    return context.options.http.node_name.lower()


async def _reports(
    request: Request, context: ApiContext, body: SearchObject, classes: Sequence[MessageClass]
) -> Answer:
    call_ids = _call_ids(body)
    if not call_ids:
        return Answer(NOTHING)
    limit = context.options.search.transaction_limit
    where = Condition("sid", Operator.EQUAL, tuple(call_ids))
    queries = [Query(message_class, *body.window, limit, where) for message_class in classes]
    return await unless_gone(request, context.nodes.newest(body.nodes, queries, limit))


def _call_ids(body: SearchObject) -> list[str]:
    """All that are named, under whatever key, in the order of their characters."""
    asked = list((body.parameters.search or {}).values())
    if not all(isinstance(value, dict) for value in asked):
        raise RequestError
    call_ids = {call_id for call_id in chain.from_iterable(map(call_ids_of, asked)) if call_id}
    check_count(call_ids)
    return sorted(call_ids)
