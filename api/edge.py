"""The outermost layer of the application: the headers of every answer, clients that do not take theirs, and
the exception nobody expected.

Source: the OWASP Secure Headers project. Knows nothing of routes.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.handlers import internal_answer

log = logging.getLogger(__name__)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # An answer is data: a browser that opens it as a page may load and run nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


SLICE_BYTES: Final = 256 * 1024
"""So much of an answer is handed to the server at once, which waits with the next until it is on its way."""
STALLED_S: Final = 60.0
"""A client that takes no slice for so long is given up: its answer is held for it meanwhile."""


class _Stalled(Exception):
    pass


class Edge:
    """An ASGI middleware, inside the one for CORS, so that an answer to an exception has its headers too."""

    def __init__(self, app: ASGIApp, stalled_s: float = STALLED_S) -> None:
        self._app = app
        self._stalled_s = stalled_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            for part in _slices(message):
                try:
                    async with asyncio.timeout(self._stalled_s):
                        await send(part)
                except TimeoutError as error:
                    raise _Stalled from error

        try:
            await self._app(scope, receive, send_with_headers)
        except _Stalled:
            # Half an answer cannot be taken back: the server closes the connection.
            log.warning(
                "%s %s is cut off: nothing of the answer was taken for %g s",
                *(scope["method"], scope["path"], self._stalled_s),
            )
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            # Half an answer cannot be taken back: the server closes the connection.
            if not has_started:
                await internal_answer()(scope, receive, send_with_headers)


def _slices(message: Message) -> Iterator[Message]:
    """The message, if its body is long in several."""
    body = message.get("body", b"")
    if len(body) <= SLICE_BYTES:
        yield message
        return
    for start in range(0, len(body), SLICE_BYTES):
        is_last = start + SLICE_BYTES >= len(body)
        part = body[start : start + SLICE_BYTES]
        yield {**message, "body": part, "more_body": not is_last or message.get("more_body", False)}
