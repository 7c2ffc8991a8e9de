"""What a message can be found by: the key fields, and which of a message's values its call has not shown yet.

The invariant: whatever a message can be found by stands in a key row with the same call and the same bucket,
committed no later than the message. Knows nothing of PostgreSQL or of where bytes came from.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import xxhash

KEY_RULES: dict[str, int] = {
    "sid": 1,
    "correlation_id": 1,
    "from_user": 1,
    "from_domain": 1,
    "to_user": 1,
    "to_domain": 1,
    "ruri_user": 1,
    "ruri_domain": 1,
    "pai_user": 1,
    "auth_user": 1,
    "contact_user": 1,
    "user_agent": 1,
    "node": 1,
    "address": 1,
    "custom": 1,
}
"""Key column → number of the rule that fills it. Change how a value is read, and its number must rise: older
buckets are then no longer narrowed by it.

`address` is either end of a message (columns source and destination, an unordered pair). `custom` stands for
each header of `sip.custom_headers`, whose values stand in the key row's `extra` as `{"custom:NAME":
["value"]}`. A call_id is a session id unless a filter says otherwise; then it stands in `extra` as
`{"call_id": ["value"]}`, in every version.
"""

KEY_VALUE_CHARS = 200
"""Longer values are cut in a key row, and the row is marked."""

_MOST_VALUES = 64
"""Remembered of one column for one call in one bucket: a call that shows more is forgotten and written again,
so that one Call-ID used for everything cannot make each look-up longer than the last."""

_COLUMNS = 13
"""Of text; behind them in a memory stand the addresses, an unordered pair, and the named values."""
_SHARED = frozenset([3, 5, 7, 11, 12])
"""Columns whose values many calls have in common: domains, user agent, node. Held once for all."""
_MOST_SHARED = 20_000

_Known = str | tuple[str, ...]
_Shown = tuple[tuple[_Known, ...], tuple[bytes | None, ...], frozenset[tuple[str, str]]]
"""Of a call: the one or the several values of each column, the addresses, the named values."""
_NOTHING: _Shown = (("",) * _COLUMNS, (None,), frozenset())


def keyed_rules(custom_headers: Sequence[str]) -> dict[str, int]:
    """What is keyed under these settings: the rules of a keying version."""
    rules = {name: rule for name, rule in KEY_RULES.items() if name != "custom"}
    return rules | {f"custom:{header}": KEY_RULES["custom"] for header in custom_headers}


class KeyRow(NamedTuple):
    """The values of a message that its call has not shown in this bucket; None where there is nothing new."""

    values: list[str | None]
    """In the order of `store.columns.KEY_TEXT_COLUMNS`, cut."""
    source: bytes | None
    destination: bytes | None
    cut: bool
    extra: dict[str, list[str]] | None


class KeyMemory:
    """Which values have been written, by leaf and call. Provisional: `forget` it whenever a batch did not
    commit.

    Two generations of a dictionary make a bounded memory of what was used last, at a third of the cost of an
    ordered one. Values are remembered as they are, long ones by a 128-bit digest: at 64 bits a collision,
    which would hide a message, is within reach.
    """

    def __init__(self, calls: int) -> None:
        self._half = max(1, calls // 2)
        self._young: dict[tuple[int, int], _Shown] = {}
        self._old: dict[tuple[int, int], _Shown] = {}
        self._shared: dict[str, str] = {}

    def forget(self) -> None:
        """Nothing is known to be written: every value is written again, which does no harm."""
        self._young.clear()
        self._old.clear()

    def new_values(
        self,
        leaf: int,
        call: int,
        values: Sequence[str],
        source: bytes | None,
        destination: bytes | None,
        extra: Mapping[str, str] | None = None,
    ) -> KeyRow | None:
        """What must be written for a message with these values ("" is nothing to find), or None if all was
        shown."""
        place = (leaf, call)
        shown = self._young.get(place)
        if shown is None:
            shown = self._old.pop(place, _NOTHING)
            self._remember(place, shown)
        texts, ends, _ = shown
        # Most messages show what earlier ones of their call have shown, so this line is what counts.
        new = [
            index
            for index in _INDEXES
            if (value := values[index])
            and value != (known := texts[index])
            and (known.__class__ is str or value not in known)
        ]
        if new or source not in ends or destination not in ends or (extra and not extra.items() <= shown[2]):
            return self._add(place, shown, new, values, source, destination, extra)
        return None

    def _add(
        self,
        place: tuple[int, int],
        shown: _Shown,
        new: list[int],
        values: Sequence[str],
        source: bytes | None,
        destination: bytes | None,
        extra: Mapping[str, str] | None,
    ) -> KeyRow | None:
        texts, ends, named = shown
        picked: list[str | None] = [None] * _COLUMNS
        cut = False
        if new:
            all_known = list(texts)
            for index in new:
                value = values[index]
                remembered = _short(value)
                all_known[index] = known = self._join(all_known[index], remembered, index)
                if known is not texts[index]:
                    picked[index] = value[:KEY_VALUE_CHARS]
                    cut = cut or remembered is not value
            texts = tuple(all_known)
        if source in ends:
            source = None
        else:
            ends = (*ends, source)
        if destination in ends:
            destination = None
        else:
            ends = (*ends, destination)
        others: dict[str, list[str]] = {}
        for name, value in (extra or {}).items():
            item = (name, _short(value))
            if value and item not in named:
                named |= {item}
                others[name] = [value[:KEY_VALUE_CHARS]]
                cut = cut or len(value) > KEY_VALUE_CHARS
        if len(ends) > _MOST_VALUES or len(named) > _MOST_VALUES:
            ends, named = (None,), frozenset()
        self._young[place] = texts, ends, named
        if not (others or source or destination or any(picked)):
            return None
        return KeyRow(picked, source, destination, cut, others or None)

    def _join(self, known: _Known, value: str, index: int) -> _Known:
        """What is known of a column once it has shown `value`; `known` itself if it had."""
        if known == value or (isinstance(known, tuple) and value in known):
            return known
        if index in _SHARED:
            if len(self._shared) >= _MOST_SHARED:
                self._shared.clear()
            value = self._shared.setdefault(value, value)
        if isinstance(known, tuple):
            return value if len(known) >= _MOST_VALUES else (*known, value)
        return (known, value) if known else value

    def _remember(self, place: tuple[int, int], shown: _Shown) -> None:
        self._young[place] = shown
        if len(self._young) > self._half:
            self._old, self._young = self._young, {}


_INDEXES = range(_COLUMNS)


def _short(value: str) -> str:
    """A value as it is remembered. No text has a NUL, so a digest is like no value."""
    if len(value) <= KEY_VALUE_CHARS:
        return value
    return "\0" + xxhash.xxh3_128_hexdigest(value.encode())
