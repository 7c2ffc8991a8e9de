"""How a worker is told to stop, and how long it may take over it."""

import logging
import os
import signal
import threading
import time

log = logging.getLogger(__name__)

_SAME_STOP_S = 0.1
"""A supervisor that dies is told of by the kernel and by a pipe: two signals, one stop."""


def obey_signals(stop: threading.Event, limit_s: float) -> None:
    """Stop by SIGTERM or SIGINT: in order if that takes no longer than `limit_s`, at once by a second one.

    Ending in the middle loses nothing: the next start goes on from the stored position.
    """
    told_at = 0.0

    def told(*_: object) -> None:
        nonlocal told_at
        if not stop.is_set():
            told_at = time.monotonic()
            stop.set()
            signal.setitimer(signal.ITIMER_REAL, limit_s)
        elif time.monotonic() - told_at > _SAME_STOP_S:
            os._exit(0)

    def give_up(*_: object) -> None:
        try:
            log.warning("the database does not answer; the rest waits in the journal for the next start")
        finally:
            os._exit(0)

    signal.signal(signal.SIGALRM, give_up)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
