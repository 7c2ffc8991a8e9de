"""What the web UI asks of Grafana before it shows a panel, asked by way of us."""

from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from api.auth.caller import Caller
from api.auth.dependencies import CurrentUser
from api.auth.page import keep_page_login
from api.context import ApiContext, Context
from api.errors import UpstreamError
from api.leaving import unless_gone
from api.proxies.relay import PAGE_POLICY, onward_query
from api.proxies.server import Query, segment
from api.schemas.common import ASKED_ELSEWHERE
from api.schemas.grafana import Enabled, StatusAnswer, TextAnswer, failure, refusal
from api.wire import JsonAnswer, Responses, describe_answer, describe_path

router = APIRouter(prefix="/proxy/grafana", tags=["grafana"])

SAID: Responses = {
    400: ASKED_ELSEWHERE[400],
    401: ASKED_ELSEWHERE[401],
    503: ASKED_ELSEWHERE[503],
}
ANSWERED: Responses = SAID | {
    201: describe_answer(
        dict[str, Any] | list[Any],
        "Grafana's own answer; or, with an `errorcode`, why there is none",
    )
}
PAGE: Responses = ASKED_ELSEWHERE | {200: {"description": "Grafana's page", "content": {"text/html": {}}}}

UID = describe_path(uid="The dashboard's uid")
UID_AND_NAME = describe_path(uid="The dashboard's uid", param="Its name, as in its address")


@router.get(
    "/url", status_code=201, responses=SAID | {201: describe_answer(TextAnswer, "Grafana's own address")}
)
async def show_url(user: CurrentUser, context: Context) -> JsonAnswer:
    """Where Grafana is."""
    return JsonAnswer(TextAnswer(str(context.servers.grafana.server.url)), 201)


@router.get(
    "/path", status_code=201, responses=SAID | {201: describe_answer(TextAnswer, "Without a slash before it")}
)
async def show_path(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The path below which we show Grafana's pages. The browser that asks may load them for a while."""
    grafana = context.servers.grafana
    answer = JsonAnswer(TextAnswer(grafana.path), 201)
    if grafana.is_there:
        keep_page_login(request, answer, user, pages_path(context))
    return answer


@router.get(
    "/status", status_code=201, responses=SAID | {201: describe_answer(StatusAnswer, "Whether there is one")}
)
async def show_status(user: CurrentUser, context: Context) -> JsonAnswer:
    """Whether the settings name a Grafana."""
    return JsonAnswer(StatusAnswer(Enabled(context.servers.grafana.is_there)), 201)


@router.get("/org", status_code=201, responses=ANSWERED)
async def show_organisation(request: Request, user: CurrentUser, context: Context) -> Response:
    """The organisation that the credentials belong to."""
    return await _show(request, context, user, "/api/org")


@router.get("/folders", status_code=201, responses=ANSWERED)
async def list_folders(request: Request, user: CurrentUser, context: Context) -> Response:
    """Folders, and dashboards that are in none."""
    return await _show(request, context, user, "/api/search", [("folderIds", "0")])


@router.get(
    "/search/{uid}",
    status_code=201,
    responses=ANSWERED,
    openapi_extra=describe_path(uid="The folder's id, a number"),
)
async def list_dashboards(request: Request, user: CurrentUser, context: Context) -> Response:
    """The dashboards in a folder."""
    return await _show(request, context, user, "/api/search", [("folderIds", request.path_params["uid"])])


@router.get("/dashboards/uid/{uid}", status_code=201, responses=ANSWERED, openapi_extra=UID)
async def show_dashboard(request: Request, user: CurrentUser, context: Context) -> Response:
    """A dashboard with its panels."""
    return await _show(request, context, user, f"/api/dashboards/uid/{segment(request.path_params['uid'])}")


@router.get("/request/d/{uid}/{param}", responses=PAGE, response_class=Response, openapi_extra=UID_AND_NAME)
async def show_page(request: Request, user: CurrentUser, context: Context) -> Response:
    """The page of a dashboard, as Grafana makes it."""
    query = parse_qsl(onward_query(request.scope["query_string"]), keep_blank_values=True)
    uid, slug = request.path_params["uid"], request.path_params["param"]
    asking = context.servers.grafana.page(uid, slug, query, pages_path(context), is_admin=user.useradmin)
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store"}
    return Response(await unless_gone(request, asking), headers=headers, media_type="text/html")


def pages_path(context: ApiContext) -> str:
    """The path below which we show Grafana's pages, with a slash before it."""
    return f"{context.options.http.prefix}/{context.servers.grafana.path}"


async def _show(
    request: Request, context: ApiContext, user: Caller, path: str, query: Query = ()
) -> Response:
    """Always 201: the web UI shows what Grafana refuses, and of any other status it shows nothing."""
    asking = context.servers.grafana.get(path, query, is_admin=user.useradmin)
    try:
        answer = await unless_gone(request, asking)
    except UpstreamError as error:
        return JsonAnswer(failure(str(error)), 201)
    if answer.status >= 400:
        return JsonAnswer(refusal(answer), 201)
    return Response(answer.body, 201, media_type="application/json")
