"""What scripts write to the log, and their errors: a few lines, then how many more there were.

A script runs for some thousand packets a second, so a line of it that always logs must not fill a disk. Each
line of a script may write `MOST_LINES` in a minute; an error is written once for each kind at a line, and for
as long as it goes on, once a minute how often it was. Knows no Lua.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from capture.text import in_one_line

log = logging.getLogger(__name__)

MOST_LINES = 5
"""Of one line of a script, in `WINDOW_S`."""
WINDOW_S = 60.0
MOST_CHARS = 1000
"""Of a line of the log; what is longer is cut."""
MOST_BYTES = 4 * MOST_CHARS + 1
"""Of text of which no more will be seen than that, and that it is longer."""
MOST_PLACES = 1000
"""Told apart; beyond that all are one place, lest names that a script makes up fill the memory."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
"""By the names that scripts have for them; any other name is `debug`, as in heplify-server."""

Write = Callable[[int, str, str], None]
"""Level of `logging`, place in a script, words."""


def write_to_log(level: int, place: str, words: str) -> None:
    # The place is in the template, by which equal lines are told: one script's must not hold up another's.
    template = place.replace("%", "%%") + ": %s"
    log.log(level, template, words)


class _Place:
    """A line of a script, or an error there, in the current window."""

    def __init__(self, ends_s: float, left: int) -> None:
        self.ends_s = ends_s
        self.left = left
        """Lines that may still be written."""
        self.held = 0
        self.level = logging.DEBUG
        """Of the gravest that was held back."""


class Sayings:
    """One worker's. For one thread; `flush` it between batches."""

    def __init__(self, write: Write | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`write` None: to the log, at the levels that it is set to; else all levels."""
        self._write = write or write_to_log
        self._is_written = log.isEnabledFor if write is None else lambda level: True
        self._clock = clock
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext
        """What a line is written within while a script waits for it: a log may be slow."""
        self._places: dict[tuple[str, str], _Place] = {}
        """By where it is in a script, and the kind of error; "" is no error."""
        self._flush_s = 0.0

    def say(self, level: str, words: str, script: str, line: int) -> None:
        """What a script logs at a line of it, counted from 1; 0 is a line that is not known."""
        number = LEVELS.get(level, logging.DEBUG)
        if self._is_written(number):
            self._say(number, _place_of(script, line), words, "")

    def fail(self, kind: str, words: str, script: str, line: int | None) -> None:
        """An error in a script; `kind` as `ScriptError.kind`."""
        self._say(logging.ERROR, _place_of(script, line), words, kind)

    def flush(self) -> None:
        """Write what was held back in windows that are over. Costs a look at the clock."""
        now_s = self._clock()
        if now_s < self._flush_s:
            return
        self._flush_s = now_s + 1.0
        for key, place in list(self._places.items()):
            if now_s >= place.ends_s:
                self._end_window(key, place, now_s)

    def _say(self, level: int, name: str, words: str, kind: str) -> None:
        now_s = self._clock()
        key = (name, kind)
        if key not in self._places and len(self._places) >= MOST_PLACES:
            key = ("scripts, at other lines", kind)
        place = self._places.get(key)
        if place is not None and now_s >= place.ends_s:
            with self.around():
                self._end_window(key, place, now_s)
            place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(now_s + WINDOW_S, 1 if kind else MOST_LINES)
        if place.left:
            place.left -= 1
            with self.around():
                self._write(level, name, in_one_line(words, MOST_CHARS))
        else:
            place.held += 1
            place.level = max(place.level, level)

    def _end_window(self, key: tuple[str, str], place: _Place, now_s: float) -> None:
        if not place.held:
            # Quiet for a minute: what comes next is news.
            del self._places[key]
            return
        name, kind = key
        minutes = (now_s - place.ends_s + WINDOW_S) / 60
        since = "the last minute" if minutes < 1.5 else f"the last {minutes:.0f} minutes"
        self._write(place.level, name, f"… {place.held:,} more in {since}")
        place.ends_s, place.held, place.level = now_s + WINDOW_S, 0, logging.DEBUG
        place.left = 0 if kind else MOST_LINES


def _place_of(script: str, line: int | None) -> str:
    return f"{script}:{line}" if line else script
