"""All filter scripts of one worker: which run, in which order, and what becomes of one that misbehaves.

Knows no file, no journal and no database.
"""

import time
from collections.abc import Callable, MutableSequence, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from capture.draft import Draft
from capture.errors import ScriptError
from capture.journal.figures import WorkerFigure
from capture.script_report import WorkerReport
from capture.scripts.folder import Script
from capture.scripts.message import PROTOCOL_TYPES
from capture.scripts.runner import Barrier, Runner, script_mark
from capture.scripts.watchdog import Watchdog
from capture.settings import FilterSettings

_MARK_SCRIPT = int(WorkerFigure.MARK_SCRIPT)
_STRIKES = frozenset(["instructions", "memory"])
"""What a script is switched off for when it happens again."""
ERROR_REASON = "script error"
"""Of a packet that is dropped because a script failed in it."""


class Strike(Protocol):
    """Notes that a script has taken too much; True: that was once too often, it is switched off."""

    def __call__(self, script: Script, error: ScriptError, packet: bytes) -> bool: ...


SayError = Callable[[str, str, str, int | None], None]
"""Kind, words, file and line of an error, for the log."""


class Engine:
    """Runs the loaded scripts of one worker, one after the other."""

    def __init__(
        self,
        settings: FilterSettings,
        report: WorkerReport,
        words: "memoryview[int] | MutableSequence[int]",
        strike: Strike,
        say_error: SayError,
        ended: Callable[[], None] | None = None,
    ) -> None:
        """`words` are the worker's figures; `ended` is told before the watchdog ends the process, None: no
        watchdog."""
        self.report = report
        self._running: Runner | Barrier | None = None
        self._loading: Script | None = None
        self._drops_on_error = settings.on_error == "drop"
        self._words = words
        self._strike = strike
        self._say_error = say_error
        self._calls = 0
        self._by_type: list[tuple[Runner | Barrier, ...]] = [()] * PROTOCOL_TYPES
        self._watchdog = Watchdog(settings.watchdog_s, ended or (lambda: None))
        if ended is not None:
            self._watchdog.start()

    def use(self, runners: Sequence[Runner | Barrier]) -> None:
        """Run these from the next packet on, in this order."""
        self._by_type = [
            tuple(runner for runner in runners if runner.reaches(protocol_type))
            for protocol_type in range(PROTOCOL_TYPES)
        ]

    def reach(self, protocol_type: int) -> bool:
        return protocol_type < PROTOCOL_TYPES and bool(self._by_type[protocol_type])

    def run(self, draft: Draft) -> None:
        words, watchdog = self._words, self._watchdog
        try:
            for runner in self._by_type[draft.meaning.protocol_type]:
                if runner.is_off:
                    if self._drops_on_error:
                        draft.drop(ERROR_REASON)
                        runner.report.count_drop(ERROR_REASON)
                        return
                    continue
                words[_MARK_SCRIPT] = runner.mark
                self._calls = watchdog.call = self._calls + 1
                self._running = runner
                error = runner.run(draft)
                if draft.is_refused and error is None and draft.dropped is None and self._drops_on_error:
                    draft.drop(ERROR_REASON)
                    runner.report.count_drop(ERROR_REASON)
                if error is not None:
                    # A slow disk under the strikes is not the script's fault.
                    watchdog.call = words[_MARK_SCRIPT] = 0
                    self._fail(runner, draft, error)
                if draft.dropped is not None:
                    return
        finally:
            # Whatever follows for this packet, waiting for the database among it, is not the script's.
            watchdog.call = 0
            words[_MARK_SCRIPT] = 0

    def begin(self, script: Script | None) -> None:
        """A script is being loaded, or, by None, has come back; it is watched as if it had a packet."""
        self._loading = script
        self._words[_MARK_SCRIPT] = 0 if script is None else script_mark(script)
        self._calls += 1
        self._watchdog.call = 0 if script is None else self._calls

    @property
    def running(self) -> str:
        """Name of the script that runs, or ran last."""
        if self._loading is not None:
            return self._loading.name
        return "" if self._running is None else self._running.script.name

    def unwatched(self) -> AbstractContextManager[None]:
        """While a script waits for what is not its fault."""
        return self._watchdog.pausing()

    def stop(self) -> None:
        self._watchdog.stop()

    def _fail(self, runner: Runner | Barrier, draft: Draft, error: ScriptError) -> None:
        now_us = time.time_ns() // 1000
        words = str(error)
        runner.report.count_error(error.line, error.kind, words, now_us)
        self._say_error(error.kind, error.words, error.file or runner.script.name, error.line)
        if error.kind in _STRIKES and self._strike(runner.script, error, draft.received):
            runner.is_off = True
        if self._drops_on_error and draft.dropped is None:
            draft.drop(ERROR_REASON)
            runner.report.count_drop(ERROR_REASON)
