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

_MAX_REMEMBERED = 4096
"""Bytes of digests kept for one call in one bucket (16 a value): a call that shows more is forgotten and
written again, so that one Call-ID used for everything cannot make each look-up longer than the last."""

_ADDRESS, _EXTRA = 1 << 16, 1 << 17
"""Seeds of these digests; those of the text columns are their indexes. One value in two columns is two."""

_digest = xxhash.xxh3_128_digest


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
    ordered one. Values are remembered as 128-bit digests: at 64 bits a collision, which would hide a message,
    is within reach.
    """

    def __init__(self, calls: int) -> None:
        self._half = max(1, calls // 2)
        self._young: dict[tuple[int, int], bytes] = {}
        self._old: dict[tuple[int, int], bytes] = {}

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
        seen = self._young.get(place)
        if seen is None:
            seen = self._old.pop(place, b"")
        # The text form has no NUL and the seed tells where the addresses part: no two messages look alike.
        parts = ["\0".join(values).encode(), source or b"", destination or b""]
        if extra:
            parts += [f"{name}\0{value}\0".encode() for name, value in extra.items()]
        whole = _digest(b"\0".join(parts), len(parts[1]) << 8 | len(parts[2]))
        if whole in seen:
            self._remember(place, seen)
            return None
        row, shown = _pick_new(seen, values, source, destination, extra)
        seen = seen + whole + shown if len(seen) < _MAX_REMEMBERED else whole + shown
        self._remember(place, seen)
        return row

    def _remember(self, place: tuple[int, int], seen: bytes) -> None:
        self._young[place] = seen
        if len(self._young) > self._half:
            self._old, self._young = self._young, {}


def _pick_new(
    seen: bytes,
    values: Sequence[str],
    source: bytes | None,
    destination: bytes | None,
    extra: Mapping[str, str] | None,
) -> tuple[KeyRow | None, bytes]:
    """The row of what is not among `seen`, and the digests of its values."""
    shown = []
    picked: list[str | None] = [None] * len(values)
    cut = False
    for index, value in enumerate(values):
        if value:
            digest = _digest(value.encode(), index)
            if digest not in seen:
                shown.append(digest)
                picked[index] = value[:KEY_VALUE_CHARS]
                cut = cut or len(value) > KEY_VALUE_CHARS
    addresses: list[bytes | None] = [None, None]
    for index, address in enumerate((source, destination)):
        if address is not None:
            digest = _digest(address, _ADDRESS)
            if digest not in seen and digest not in shown:
                shown.append(digest)
                addresses[index] = address
    others: dict[str, list[str]] = {}
    for name, value in (extra or {}).items():
        if value:
            digest = _digest(f"{name}\0{value}".encode(), _EXTRA)
            if digest not in seen:
                shown.append(digest)
                others[name] = [value[:KEY_VALUE_CHARS]]
                cut = cut or len(value) > KEY_VALUE_CHARS
    if not shown:
        return None, b""
    return KeyRow(picked, addresses[0], addresses[1], cut, others or None), b"".join(shown)
