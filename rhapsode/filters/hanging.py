"""For calls of Lua that may never come back, and that nothing in the process can interrupt."""

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from capture.scripts.folder import Begin, Script
from capture.scripts.watchdog import Watchdog
from rhapsode.terminal import plain_console, printable


@contextmanager
def ended_after(limit_s: float, say: Callable[[], None]) -> Iterator[Watchdog]:
    """Watch calls made within, each with a number in `call` of its own; `say` says why the process ends, with
    status 1."""

    def end() -> None:
        try:
            say()
        finally:
            sys.stdout.flush()
            os._exit(1)

    watchdog = Watchdog(limit_s, end)
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


@contextmanager
def ended_while_loading(limit_s: float) -> Iterator[Begin]:
    """What `Loader` is to tell of each script; one that does not come back from its top level is named."""
    at_hand = ""

    def say() -> None:
        words = f"{at_hand}: does not come back within {limit_s:g} s while it is loaded"
        plain_console().print(printable(words))

    with ended_after(limit_s, say) as watchdog:
        numbers = itertools.count(1)

        def begin(script: Script | None) -> None:
            nonlocal at_hand
            at_hand = "" if script is None else script.name
            watchdog.call = 0 if script is None else next(numbers)

        yield begin
