"""What a Lua state may ask of Python about the message at hand.

The services of `lua_filters/runtime/core.lua`: scalars in, scalars out, and what cannot be is said in words,
as an exception is nothing that a script may get hold of. Knows one draft at a time, and no script.
"""

from collections.abc import Callable, Sequence
from importlib import resources

from capture.draft import Draft
from capture.errors import ScriptError
from capture.route import SIP
from capture.scripts.along import collector, to_lua
from capture.scripts.lua import Function, LuaState
from capture.scripts.lua import Value as LuaValue
from capture.text import to_text

_PREFETCH_AFTER = 50
"""A field read so often comes along with the call from then on."""
_MOST_PREFETCHED = 16
_NOT_PREFETCHED = frozenset(["body"])
"""Costs more than asking."""
_MOST_NAMES = 1000
"""Of fields whose reading is counted: scripts may ask for what is none."""
_LONGEST_NAME = 100
"""Of those, lest their names fill the memory. The longest tag has 71 characters."""
_NOTHING = b"there is no packet while a script is loaded"

Locate = Callable[[ScriptError], ScriptError]


class Host:
    """The message at hand in one state, into which it puts `core.lua`."""

    def __init__(self, state: LuaState, locate: Locate | None = None) -> None:
        """`locate`: where errors stand in people's files, if Lua does not know them by their names."""
        self.draft: Draft | None = None
        """None while a script is loaded."""
        self._reads: dict[str, int] = {}
        self._prefetched: tuple[str, ...] = ()
        self._collect = collector([])
        self._choice = 0
        """Which one of the fields that come along it is."""
        self._is_due = False
        self._seen: Draft | None = None
        self._packet = 0
        self._mark = object()
        """Stands for this host in drafts, which it keeps itself."""
        self._state = state
        self._locate = locate
        source = resources.files("lua_filters").joinpath("runtime/core.lua").read_bytes()
        services = self._read, self._write, self._drop, self._header, self._body
        self._prefetch, self._pending = state.add_library("core.lua", source, *services)

    def run(self, function: Function, draft: Draft) -> None:
        """Let a function at a message, made by `core.entry`; ScriptError when it fails or takes too much."""
        self.draft = draft
        if draft is not self._seen:
            self._seen = draft
            self._packet += 1
            given = self._values(draft)
        else:
            given = () if draft.seen_by is self._mark else self._values(draft)
        try:
            tags = self._state.call(function, self._packet, *given)
            draft.seen_by = self._mark
            if tags:
                self._set_tags(draft, tags)
        except ScriptError as error:
            # It may have been stopped before it took the values.
            draft.seen_by = None
            self._set_tags(draft, self._state.call(self._pending))
            if self._locate is None:
                raise
            raise self._locate(error) from None
        finally:
            self.draft = None
            if self._is_due:
                self._extend_prefetched()

    def _values(self, draft: Draft) -> Sequence[LuaValue]:
        """Which fields come along, and their values."""
        if draft.changes or draft.meaning.protocol_type != SIP:
            read = draft.read
            return [self._choice, *[to_lua(read(name)) for name in self._prefetched]]
        return self._collect(self._choice, draft)

    def _set_tags(self, draft: Draft, tags: Sequence[LuaValue]) -> None:
        """Names and values in turn; the names are known to be good."""
        for index in range(0, len(tags), 2):
            name, value = tags[index], tags[index + 1]
            if isinstance(name, bytes) and isinstance(value, bytes):
                draft.tag(name.decode("utf-8", "replace"), to_text(value))

    def _extend_prefetched(self) -> None:
        self._is_due = False
        # Numbered, because the call may be stopped at any place.
        self._choice += 1
        reads = self._reads
        asked = sorted(reads, key=reads.__getitem__, reverse=True)[:_MOST_PREFETCHED]
        often = [name for name in asked if reads[name] >= _PREFETCH_AFTER]
        self._prefetched = tuple(often)
        self._collect = collector(often)
        self._state.call(self._prefetch, self._choice, *[name.encode() for name in self._prefetched])

    def _read(self, name: bytes) -> LuaValue:
        draft = self.draft
        if draft is None:
            return None
        field = name.decode("utf-8", "replace")
        reads = self._reads
        count = reads.get(field, 0) + 1
        is_counted = len(field) <= _LONGEST_NAME and field not in _NOT_PREFETCHED
        if is_counted and (count > 1 or len(reads) < _MOST_NAMES):
            reads[field] = count
            if count == _PREFETCH_AFTER and len(self._prefetched) < _MOST_PREFETCHED:
                self._is_due = True
        return to_lua(draft.read(field))

    def _write(self, name: bytes, value: LuaValue = None) -> LuaValue:
        if self.draft is None:
            return _NOTHING
        refused = self.draft.write(name.decode("utf-8", "replace"), value)
        return None if refused is None else refused.encode()

    def _drop(self, reason: bytes) -> LuaValue:
        if self.draft is None:
            return _NOTHING
        self.draft.drop(reason.decode("utf-8", "replace"))
        return None

    def _header(self, name: bytes) -> tuple[LuaValue, ...]:
        if self.draft is None:
            return ()
        return tuple(value.encode() for value in self.draft.header(name.decode("utf-8", "replace")))

    def _body(self) -> LuaValue:
        return None if self.draft is None else self.draft.body()
