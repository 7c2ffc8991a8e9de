"""Runs the writer's coroutines on an event loop in a thread of its own.

On the decoding thread a batch of two megabytes would be sent only each time its loop turns; a thread that
mostly waits for a socket does not slow the decoder. Knows nothing of what the coroutines do.
"""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


class LoopThread:
    """An event loop in a daemon thread, for a caller that is not asynchronous."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_notice)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start it; its result or error is the future's."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end, holding up the caller."""
        return self.submit(coroutine).result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


def _notice(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A future that nobody looks at is asyncpg's: a COPY whose connection is lost raises one error to us and
    leaves another there. What our own tasks raise is always somebody's.
    """
    future = context.get("future")
    if future is not None and not isinstance(future, asyncio.Task):
        log.debug("%s: %r", context["message"], context.get("exception"))
    else:
        loop.default_exception_handler(context)
