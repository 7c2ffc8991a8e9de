"""A Lua state that no script can break out of, stop or fill: the one module that names lupa.

LuaJIT, because people's scripts are written for it, with its compiler off, because compiled code cannot be
interrupted. Only numbers, booleans, None, bytes and functions go in and out: a Python object would be a way
out of the sandbox. Two things are not bounded here, so that who calls must be prepared to be ended: one call
into C (a pattern that backtracks for hours), and a loop that stays where the stack has no room for the hook
that would end it (`local function f() pcall(f) return f() end f()`). Knows no packet and no script's meaning.
"""

import re
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple, NewType

from lupa import luajit21

from capture.errors import ScriptError

Value = bool | int | float | bytes | None
Function = NewType("Function", object)
"""A function of a state, of use in that state only."""

_LOCATED = re.compile(r"(?P<file>[^\n]*?\.lua):(?P<line>[0-9]+): (?P<words>.*)", re.DOTALL)


_ROOM = 8 * 1024 * 1024
"""Beyond a state's limit: what goes in with a call, and what lupa itself needs, is asked for where to fail
would end the process."""
MOST_ARGUMENT_BYTES = _ROOM // 2


class Limits(NamedTuple):
    """What scripts may use up."""

    instructions: int = 1_000_000
    """Of Lua's virtual machine in one call: some 10 ms."""
    memory_bytes: int = 64 * 1024 * 1024
    """Of the whole state, between two calls; 8 MiB more within one."""
    subject_bytes: int = 65_536
    """Longest text given to find, match, gmatch and gsub."""


class LuaState:
    """One state with the sandbox around it; for one thread."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 (an immutable tuple)
        self._memory_bytes = limits.memory_bytes
        self._runtime = luajit21.LuaRuntime(
            encoding=None,
            source_encoding="utf-8",
            unpack_returned_tuples=False,
            register_eval=False,
            register_builtins=False,
            max_memory=limits.memory_bytes + _ROOM,
        )
        self._memory_error = luajit21.LuaMemoryError
        sandbox = resources.files("lua_filters").joinpath("sandbox.lua").read_bytes()
        self._load, self._global, self._run = self._runtime.execute(
            sandbox, limits.instructions, limits.subject_bytes
        )

    def load(self, name: str, source: bytes) -> Function:
        """Compile a script; to be called once to run its top level. ScriptError where it is not Lua.

        `name` ends in `.lua` and is what errors name.
        """
        self._make_room((source,))
        try:
            loaded = self._load(source, b"@" + name.encode())
        except self._memory_error:
            raise ScriptError("memory", "not enough memory to load it", name) from None
        except luajit21.LuaError as error:
            raise _script_error("error", str(error).encode()) from None
        if isinstance(loaded, tuple):
            raise _script_error("error", loaded[1])
        return Function(loaded)

    def function(self, name: str) -> Function | None:
        """The global function of this name that scripts have made."""
        self._make_room(())
        found = self._global(name.encode())
        return None if found is None else Function(found)

    def call(self, function: Function, *arguments: Value) -> tuple[Value, ...]:
        """What the function returns. ScriptError for an error in it, or when it takes more than its share."""
        self._make_room(arguments)
        try:
            outcome = self._run(function, *arguments)
        except self._memory_error:
            raise ScriptError("memory", "not enough memory") from None
        except luajit21.LuaError as error:
            raise _script_error("error", str(error).encode()) from None
        if isinstance(outcome, bytes):
            return ()
        kind, *results = outcome
        if kind != b"ok":
            raise _script_error(kind.decode(), results[0])
        return tuple(results)

    def _make_room(self, arguments: Sequence[Value]) -> None:
        if sum([len(value) for value in arguments if value.__class__ is bytes]) > MOST_ARGUMENT_BYTES:
            raise ScriptError("memory", f"more than {MOST_ARGUMENT_BYTES} bytes given to a script")
        if self._runtime.get_memory_used() <= self._memory_bytes:
            return
        self._runtime.gccollect()
        if self._runtime.get_memory_used() > self._memory_bytes:
            raise ScriptError("memory", f"scripts hold more than {self._memory_bytes} bytes")


def _script_error(kind: str, said: bytes) -> ScriptError:
    words = said.decode("utf-8", "replace")
    located = _LOCATED.fullmatch(words)
    if located is None:
        return ScriptError(kind, words)
    return ScriptError(kind, located["words"], located["file"], int(located["line"]))
