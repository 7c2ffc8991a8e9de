"""Ends the process when a script does not come back: what Lua cannot interrupt, nothing in the process can.

A thread, as Lua runs without Python's lock. It costs the scripts one assignment a call.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_STATUS = 75
"""Of a process that was ended so. EX_TEMPFAIL: it is to be started again."""
_LOOKS = 5
"""A call is too long when so many looks in a row find it, spread over the time that it may take. Looks and
not a clock: while the whole process is held, nobody looks."""


class Watchdog:
    """`call` is set by who runs scripts: a number that the call at hand has to itself, 0 for none."""

    def __init__(self, limit_s: float, end: Callable[[], None]) -> None:
        """`end` notes whose fault it is; the process ends whatever it does."""
        self.call = 0
        self._every_s = limit_s / _LOOKS
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="script watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No call is watched any more."""
        self._stopped.set()

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """While the call at hand waits for something that is not its fault. What it took before still counts
        when the pause is short."""
        call, self.call = self.call, 0
        try:
            yield
        finally:
            self.call = call

    def _watch(self) -> None:
        found, looks = 0, 0
        while not self._stopped.wait(self._every_s):
            call = self.call
            looks = looks + 1 if call and call == found else 0
            found = call
            if looks >= _LOOKS:
                try:
                    self._end()
                finally:
                    os._exit(EXIT_STATUS)
