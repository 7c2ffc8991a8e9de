"""Lua states in a process of their own, so that a crash or a hang of LuaJIT is an outcome like another.

Run as a module it is that process: each line of its input is a job, each line of its output what came of it.
"""

import json
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from capture.errors import ScriptError
from capture.scripts.lua import Limits, LuaState

ROOT = Path(__file__).parents[2]


class Outcome(NamedTuple):
    """Of one script, or of the process."""

    kind: str
    """`returned`, a kind of ScriptError, `crashed` or `hung`."""
    words: str
    """What was returned, the error's words, or how the process ended."""


class LuaChild:
    """The process, started when needed and again after its end."""

    def __init__(self, limits: Limits, patience_s: float) -> None:
        self._limits = limits
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, sources: list[bytes]) -> list[Outcome]:
        """What becomes of these scripts, one after the other in a new state; a crash or hang is the last."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([source.decode("latin-1") for source in sources]).encode() + b"\n")
        process.stdin.flush()
        outcomes: list[Outcome] = []
        for _ in sources:
            if not select.select([process.stdout], [], [], self._patience_s)[0]:
                self._end()
                return [*outcomes, Outcome("hung", f"no answer within {self._patience_s} s")]
            line = process.stdout.readline()
            if not line:
                return [*outcomes, Outcome("crashed", f"exit status {self._end()}")]
            outcomes.append(Outcome(*json.loads(line)))
        return outcomes

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, json.dumps(self._limits)],
                bufsize=0,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._process

    def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with process:
            process.kill()
        return process.returncode


def outcome(lua: LuaState, source: bytes) -> Outcome:
    """What becomes of a script here, in this process."""
    try:
        return Outcome("returned", repr(lua.call(lua.load("a.lua", source)))[:1000])
    except ScriptError as error:
        return Outcome(error.kind, error.words[:1000])


def a_state(limits: Limits) -> LuaState:
    """One with services as preludes have them: `echo(…)` and `many()`."""
    lua = LuaState(limits)
    hand_over = b"local environment, echo, many = ... environment.echo, environment.many = echo, many"
    lua.add_library("services.lua", hand_over, lambda *values: values, lambda: (b"v",) * 150)
    return lua


def _serve(limits: Limits) -> None:
    for line in sys.stdin:
        lua = a_state(limits)
        for source in json.loads(line):
            sys.stdout.write(json.dumps(outcome(lua, source.encode("latin-1"))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _serve(Limits(*json.loads(sys.argv[1])))
