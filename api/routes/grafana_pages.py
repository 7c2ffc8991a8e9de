"""Grafana's pages below a path of ours, for the frames of the web UI.

Only where the settings name a Grafana. See docs/decisions/0009-other-servers.md.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api.auth.page import PageUser, keep_page_login
from api.context import ApiContext, Context
from api.errors import ApiError, UpstreamError
from api.handlers import answer_to
from api.leaving import unless_gone
from api.proxies.relay import (
    METHODS,
    may_post,
    onward_headers,
    onward_path,
    onward_query,
    returned_headers,
    returned_location,
)
from api.proxies.server import Reply
from api.routes.grafana import pages_path
from api.wire import read_body

log = logging.getLogger(__name__)

STREAM_TIMEOUTS = 6
"""How many times as long as its beginning an answer may take in all: Grafana may be slow, or the browser."""
WORDS_POLICY = "default-src 'none'; frame-ancestors 'self'"


class _Framed(APIRoute):
    """A route whose errors are shown in frames too: they stand where a panel should be."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_framed(request: Request) -> Response:
            try:
                return await handle(request)
            except ApiError as error:
                answer = answer_to(error)
                answer.headers["Content-Security-Policy"] = WORDS_POLICY
                return answer

        return handle_framed


def grafana_pages(context: ApiContext) -> APIRouter:
    """The routes below the path of the settings; none without a Grafana."""
    router = APIRouter(include_in_schema=False, route_class=_Framed)
    if context.servers.grafana.is_there:
        path = pages_path(context)
        router.add_api_route(path, show_pages, methods=list(METHODS))
        router.add_api_route(f"{path}/{{rest:path}}", show_pages, methods=list(METHODS))
    return router


async def show_pages(request: Request, user: PageUser, context: Context) -> Response:
    """Pass a request on to Grafana and its answer back, as far as `relay` lets them."""
    server = context.servers.grafana.server
    base = pages_path(context)
    path = onward_path(request.scope["raw_path"], base)
    if request.method == "POST" and not may_post(path):
        words = "Grafana is shown here, and not changed"
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, words, {"Allow": "GET, HEAD"})
    body = None
    if request.method == "POST":
        body = await read_body(request, context.options.http.max_body_bytes)
    headers = onward_headers(request.headers.items())
    headers |= context.servers.grafana.credentials(is_admin=user.useradmin)
    query = onward_query(request.scope["query_string"])
    async with AsyncExitStack() as unless_handed_on:

        async def ask() -> Reply:
            reply = await server.open(request.method, path, query, headers, body)
            # At once: it may have come as nobody waits for it any more.
            unless_handed_on.push_async_callback(reply.close)
            return reply

        async with server.deadline():
            reply = await unless_gone(request, ask())
        returned = returned_headers(reply.headers)
        if (location := reply.headers.get("location")) is not None:
            own = f"{request.url.scheme}://{request.headers.get('host', '')}"
            asked = f"{server.url}{path}"
            leads_to = returned_location(location, asked, server.url.path.rstrip("/"), own, base)
            if leads_to is None:
                raise server.failed("redirects to another place, which is not followed")
            returned["location"] = leads_to
        answer = _Relayed(reply, returned, STREAM_TIMEOUTS * server.timeout_s)
        unless_handed_on.pop_all()
    keep_page_login(request, answer, user, base)
    return answer


class _Relayed(StreamingResponse):
    """An answer handed on as it comes."""

    def __init__(self, reply: Reply, headers: dict[str, str], timeout_s: float) -> None:
        super().__init__(reply.chunks(), reply.status, headers)
        self._reply = reply
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await super().__call__(scope, receive, send)
        except (UpstreamError, TimeoutError) as error:
            # Half an answer cannot be taken back: the server closes the connection.
            log.warning("an answer of Grafana's is cut off: %s", str(error) or "it takes too long")
        finally:
            await self._reply.close()
