"""One script as it runs: its functions, what it does to a message, and its counts.

A script of the new kind that fails has its changes to that message undone; what one of the old kind changed
before it failed stays, as in heplify-server. Knows nothing of files, switches or other scripts.
"""

from collections.abc import Collection, Mapping
from time import perf_counter_ns

import xxhash

from capture.draft import Draft
from capture.errors import ScriptError
from capture.script_report import ScriptReport
from capture.scripts.folder import Script
from capture.scripts.host import Host
from capture.scripts.lua import Function, LuaState

_NOT_RUNNING = "script not running"
_DROPPED_BY_TYPE = "ProtoType 0"
"""How scripts of heplify-server drop a packet."""


class Runner:
    """A loaded script. `run` is called for each packet that it reaches."""

    def __init__(
        self,
        script: Script,
        state: LuaState,
        host: Host,
        functions: Mapping[int, tuple[Function, ...]],
        report: ScriptReport,
        modules: object = None,
    ) -> None:
        """`functions` to run, in their order, by HEP protocol type; `modules`: what stands for those that it
        may have required."""
        self.script = script
        self.modules = modules
        self.state = state
        self.report = report
        self.mark = script_mark(script)
        self.is_off = False
        """Switched off while a batch is under way: from the next one on it is gone."""
        self._undoes = script.is_new_kind
        self._host = host
        self._functions = functions

    def reaches(self, protocol_type: int) -> bool:
        return bool(self._functions.get(protocol_type))

    def run(self, draft: Draft) -> ScriptError | None:
        """Let it at a message; why it failed, if it did."""
        changed = draft.changes
        before_it = changed.copy() if changed and self._undoes else None
        report, run = self.report, self._host.run
        error = None
        before = perf_counter_ns()
        for function in self._functions[draft.meaning.protocol_type]:
            try:
                run(function, draft)
            except ScriptError as raised:
                error = raised
            now = perf_counter_ns()
            report.count_call(now - before)
            if error is not None or draft.dropped is not None:
                break
            before = now
        if error is not None and self._undoes:
            draft.undo(before_it)
        elif draft.changes and draft.changes.get("protocol_type") == 0:
            draft.drop(_DROPPED_BY_TYPE)
        if draft.dropped is not None:
            report.count_drop(draft.dropped)
        return error


class Barrier:
    """In place of a script that does not run, where `on_error` is `drop`: what it would see does not pass."""

    def __init__(self, script: Script, types: Collection[int], report: ScriptReport) -> None:
        self.script = script
        self.report = report
        self.mark = script_mark(script)
        self.is_off = False
        self._types = types

    def reaches(self, protocol_type: int) -> bool:
        return protocol_type in self._types

    def run(self, draft: Draft) -> ScriptError | None:
        draft.drop(_NOT_RUNNING)
        self.report.count_drop(_NOT_RUNNING)
        return None


def script_mark(script: Script) -> int:
    """What stands for this version of this script in a worker's figures; never 0."""
    return xxhash.xxh3_64_intdigest(f"{script.name}\0{script.sha256}".encode()) or 1
