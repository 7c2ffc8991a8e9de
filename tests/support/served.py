"""The application on a socket of its own in the test's loop, for what needs a real connection."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI


class _Server(uvicorn.Server):
    """Leaves the signals of the tests' process alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: FastAPI, **given: object) -> AsyncIterator[str]:
    """`HOST:PORT` while it is served, as `api.run` does it."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        ws="websockets-sansio",
        ws_max_size=256 * 1024,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
        **given,  # type: ignore[arg-type]
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([sock]))
    try:
        yield "{}:{}".format(*sock.getsockname())
    finally:
        server.should_exit = True
        await task
