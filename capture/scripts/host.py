"""What a Lua state may ask of Python about the message at hand.

The services of `lua_filters/runtime/core.lua`: scalars in, scalars out, and never an exception, which a script
could catch and take apart. Knows the one draft that scripts are looking at, and no script.
"""

from collections.abc import Callable
from importlib import resources

from capture.draft import Draft, Value
from capture.scripts.lua import Function, LuaState

_PREFETCH_AFTER = 50
"""A field read so often comes along with the call from then on."""
_MOST_PREFETCHED = 16
_NOT_PREFETCHED = frozenset(["body"])
"""Costs more than asking."""

LuaValue = bool | int | float | bytes | None


def to_lua(value: Value) -> LuaValue:
    """A field's value as Lua has it: text as UTF-8 bytes."""
    return value.encode() if isinstance(value, str) else value


class Host:
    """The message at hand in one state."""

    def __init__(self) -> None:
        self._draft: Draft | None = None
        self._reads: dict[bytes, int] = {}
        self._prefetched: tuple[str, ...] = ()
        self._is_due = False
        self._state: LuaState | None = None
        self._prefetch: Function | None = None

    @property
    def draft(self) -> Draft:
        """The message at hand; only while a script runs."""
        assert self._draft is not None
        return self._draft

    def join(self, state: LuaState) -> None:
        """Put `core.lua` into a new state."""
        source = resources.files("lua_filters").joinpath("runtime/core.lua").read_bytes()
        self._state = state
        (self._prefetch,) = state.add_library(
            "core.lua", source, self._read, self._write, self._drop, self._header, self._body
        )

    def run(self, function: Function, draft: Draft) -> None:
        """Let a function at a message, made by `core.entry`; ScriptError when it fails or takes too much."""
        state = self._state
        assert state is not None
        self._draft = draft
        read = draft.read
        try:
            state.call(function, *[to_lua(read(name)) for name in self._prefetched])
        finally:
            self._draft = None
            if self._is_due:
                self._extend_prefetched(state)

    def _extend_prefetched(self, state: LuaState) -> None:
        self._is_due = False
        asked = sorted(self._reads, key=self._reads.__getitem__, reverse=True)
        often = [name for name in asked if self._reads[name] >= _PREFETCH_AFTER]
        self._prefetched = tuple(name.decode() for name in often[:_MOST_PREFETCHED])
        assert self._prefetch is not None
        state.call(self._prefetch, *often[:_MOST_PREFETCHED])

    def _read(self, name: bytes) -> LuaValue:
        reads = self._reads
        count = reads.get(name, 0) + 1
        if count == _PREFETCH_AFTER and len(self._prefetched) < _MOST_PREFETCHED:
            self._is_due = True
        field = name.decode("utf-8", "replace")
        if (count > 1 or len(reads) < 1000) and field not in _NOT_PREFETCHED:
            reads[name] = count
        return to_lua(self.draft.read(field))

    def _write(self, name: bytes, value: LuaValue = None) -> bytes | None:
        refused = self.draft.write(name.decode("utf-8", "replace"), value)
        return None if refused is None else refused.encode()

    def _drop(self, reason: bytes) -> None:
        self.draft.drop(reason.decode("utf-8", "replace"))

    def _header(self, name: bytes) -> tuple[bytes, ...]:
        values = self.draft.header(name.decode("utf-8", "replace"))
        return tuple(value.encode() for value in values)

    def _body(self) -> bytes:
        return self.draft.body()


Service = Callable[..., LuaValue | tuple[LuaValue, ...]]
