"""Log lines for what may happen thousands of times a second: the first at once, then sums."""

import logging


class Tally:
    """Counts one kind of trouble between two reports; a quiet time makes the next one news again."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._unreported = 0
        self._active = False

    def add(self, count: int, detail: str) -> None:
        if self._active:
            self._unreported += count
            return
        self._active = True
        self._log.warning("%s: %d, %s", self._what, count, detail)

    def report(self, period_s: float) -> None:
        """To be called every `period_s` seconds."""
        if self._unreported:
            self._log.warning("%s: %d more in %g s", self._what, self._unreported, period_s)
        self._active = self._unreported > 0
        self._unreported = 0
