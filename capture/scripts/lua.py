"""A Lua state that no script can break out of, stop or fill: the one module that names lupa.

LuaJIT, because people's scripts are written for it, with its compiler off, because compiled code cannot be
interrupted. Only numbers, booleans, None, bytes and functions go in and out: a Python object would be a way
out of the sandbox. One thing is not bounded here, so that who calls must be prepared to be ended: a call
into C (a pattern that backtracks for hours). Knows no packet and no script's meaning.
"""

import re
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple, NewType

from lupa import luajit21

from capture.errors import ScriptError

Value = bool | int | float | bytes | None
Service = Callable[..., Value | tuple[Value, ...]]
"""What a prelude may call: takes plain values. An error is returned as `(None, words)`, never raised."""
Modules = Callable[[str], tuple[str, bytes] | None]
"""File name and source of the module that a script requires."""
Function = NewType("Function", object)
"""A function of a state, of use in that state only."""

_PLAIN = frozenset((bool, int, float, bytes, type(None)))
_LEAST, _GREATEST = -(2**63), 2**63 - 1
_BACKSTOP_BYTES = 448 * 1024 * 1024
"""Above a state's limit: only a single huge text, made between two looks of the hook, meets it."""
_LOCATED = re.compile(r"(?P<file>[^\n]*?\.lua):(?P<line>[0-9]{1,9}): (?P<words>.*)", re.DOTALL)
_SHORTENED = "..."
_MOST_SAID = 2000
"""Bytes of an error's words: a script may make them as long as it likes."""


class Limits(NamedTuple):
    """What scripts may use up."""

    instructions: int = 1_000_000
    """Of Lua's virtual machine in one call: some 10 ms."""
    memory_bytes: int = 64 * 1024 * 1024
    """Of the whole state; looked at every 1,000 instructions, so that it may be more for a moment."""
    subject_bytes: int = 65_536
    """Longest text given to find, match, gmatch and gsub."""


class LuaState:
    """One state with the sandbox around it; for one thread."""

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 (an immutable tuple)
        modules: Modules | None = None,
    ) -> None:
        self._runtime = luajit21.LuaRuntime(
            encoding=None,
            source_encoding="utf-8",
            unpack_returned_tuples=True,
            attribute_filter=_refuse_attribute,
            register_eval=False,
            register_builtins=False,
            max_memory=limits.memory_bytes + _BACKSTOP_BYTES,
        )
        self._failure: BaseException | None = None
        self._files: set[str] = set()
        self._modules = modules
        find_module = None if modules is None else self._guarded(self._find_module)
        bounds = self._run_ours("bounds", limits.instructions, limits.memory_bytes)
        environment = self._run_ours("environment", bounds, limits.subject_bytes)
        self._load, self._library, self._global = self._run_ours("sandbox", bounds, environment, find_module)

    def add_library(self, name: str, source: bytes, *services: Service) -> tuple[Function, ...]:
        """Run a prelude of ours, which may use all of Lua; what it returns are functions to call.

        Its `...` are the table of what scripts see, and the services. ScriptError if it does not run.
        """
        guarded = [self._guarded(service) for service in services]
        try:
            found = self._library(source, name.encode(), *guarded)
        except luajit21.LuaError as error:
            raise ScriptError("error", str(error), name) from None
        if found is None:
            return ()
        return tuple(found) if isinstance(found, tuple) else (Function(found),)

    def load(self, name: str, source: bytes) -> Function:
        """Compile a script; to be called once to run its top level. ScriptError where it is not Lua.

        `name` ends in `.lua` and is what errors name.
        """
        self._files.add(name)
        try:
            loaded = self._load(source, b"@" + name.encode())
        except luajit21.LuaMemoryError:
            raise ScriptError("memory", "not enough memory to load it", name) from None
        if isinstance(loaded, tuple):
            raise self._error("error", loaded[1])
        return Function(loaded)

    def function(self, name: str) -> Function | None:
        """The global function of this name, which may be one within tables: `rules.clean`, `rules:clean`."""
        found = self._global(name.encode())
        return None if found is None else Function(found)

    def call(self, function: Function, *arguments: Value) -> tuple[Value, ...]:
        """What the function returns. ScriptError for an error in it, or when it takes more than its share.

        What a service has raised is raised again when the call has ended.
        """
        outcome: Any
        self._failure = None
        try:
            outcome = function(*arguments)  # type: ignore[operator]
        except luajit21.LuaMemoryError:
            raise ScriptError("memory", "not enough memory") from None
        except luajit21.LuaError as error:
            raise self._error("error", str(error).encode()) from None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if outcome is None:
            return ()
        if outcome[0]:
            results: tuple[Value, ...] = outcome[1:]
            return results
        raise self._error(outcome[1].decode(), outcome[2])

    @property
    def memory_bytes(self) -> int:
        """What the state holds, garbage included."""
        return int(self._runtime.get_memory_used())

    def _run_ours(self, name: str, *arguments: object) -> Any:
        source = resources.files("lua_filters").joinpath(f"runtime/{name}.lua").read_bytes()
        return self._runtime.execute(source, *arguments, name=f"=[{name}]".encode())

    def _find_module(self, name: bytes) -> tuple[bytes, bytes] | None:
        found = self._modules(name.decode()) if self._modules is not None else None
        if found is None:
            return None
        file, source = found
        self._files.add(file)
        return file.encode(), source

    def _guarded(self, service: Callable[..., object]) -> Callable[..., object]:
        """The service so that no Python object gets into Lua, be it an exception."""

        def guarded(*arguments: object) -> object:
            for value in arguments:
                if value.__class__ not in _PLAIN:
                    return None, b"only texts, numbers and booleans can be given here"
            try:
                found = service(*arguments)
                if found.__class__ is not bytes:
                    _check(found)
            except BaseException as failure:  # noqa: BLE001 (raised again by `call`)
                self._failure = failure
                return None
            return found

        return guarded

    def _error(self, kind: str, said: bytes) -> ScriptError:
        words = said[:_MOST_SAID].decode("utf-8", "replace")
        located = _LOCATED.fullmatch(words)
        if located is None:
            return ScriptError(kind, words)
        file = located["file"]
        if file.startswith(_SHORTENED):
            # Lua shows the end of a long name only.
            end = file.removeprefix(_SHORTENED)
            file = next((known for known in self._files if known.endswith(end)), file)
        if file not in self._files:
            # Words that a script made up.
            return ScriptError(kind, words)
        return ScriptError(kind, located["words"], file, int(located["line"]))


def _check(found: object) -> None:
    """TypeError for what lupa would make an object of, or an exception."""
    for value in found if isinstance(found, tuple) else (found,):
        is_whole = value.__class__ is int
        if value.__class__ not in _PLAIN or (is_whole and not _LEAST <= value <= _GREATEST):
            raise TypeError(f"a service returned {value!r:.100}")


def _refuse_attribute(_object: object, _name: object, _is_setting: bool) -> object:
    raise AttributeError("no attributes are to be had from Lua")
