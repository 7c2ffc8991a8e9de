"""Serving the application with uvicorn on a socket that is already open."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from api.app import create_app
from api.database import connect
from api.errors import DatabaseError, DatabaseMismatch
from api.peer import in_both_forms
from api.request_head import BoundedProtocol
from api.settings import ApiOptions, SearchSettings
from capture.errors import SchemaMismatch

log = logging.getLogger(__name__)

STOP_S = 3
"""How long requests under way may take once the signal to stop has come."""
KEEP_ALIVE_S = 30
MOST_ASKED_BYTES = 256 * 1024
"""Of one message to the live feed: a question."""


def serve(sock: socket.socket, options: ApiOptions) -> None:
    """Answer on a bound socket until SIGTERM or SIGINT; a second signal stops at once.

    SchemaMismatch when the database is there and its schema is not one for this code. A database that is away
    is no reason not to start: every request tries it again.
    """
    sock.listen(1024)
    config = server_config(create_app(options), options)
    asyncio.run(_check_schema(options.database_url))
    _collect_rarely()
    _Server(config).run(sockets=[sock])


def server_config(app: ASGIApp, options: ApiOptions) -> uvicorn.Config:
    """How the application is served."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="websockets-sansio",
        ws_max_size=MOST_ASKED_BYTES,
        # It would cost each listener a third of a megabyte.
        ws_per_message_deflate=False,
        ssl_certfile=options.http.cert,
        ssl_keyfile=options.http.key,
        forwarded_allow_ips=in_both_forms(options.http.proxies),
    )


def _collect_rarely() -> None:
    """Take what an API always holds out of the garbage collector's sight.

    An answer of some hundred rows makes it look for garbage a dozen times, and going through all modules
    takes up to 100 ms, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class _Server(uvicorn.Server):
    """uvicorn's server, but a signal that was obeyed is done with: the process ends with status 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


async def _check_schema(database_url: str) -> None:
    engine = connect(database_url, SearchSettings(pool_size=1))
    try:
        async with engine.connect():
            pass
    except DatabaseMismatch as error:
        raise SchemaMismatch(str(error)) from error
    except DatabaseError:
        log.warning("the database is away: searches are answered once it is there")
    finally:
        await engine.dispose()
