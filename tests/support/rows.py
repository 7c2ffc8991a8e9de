"""Batches for the writer, made of rows that are told apart by their time and call."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from capture.journal.record import Position
from capture.row import encode_key, encode_message
from capture.store.batch import Batch, LeafRows
from capture.store.columns import KEY_TEXT_COLUMNS
from capture.store.partitions import Leaf

START = Position(1, 64, 1)


PAYLOAD = b"INVITE sip:bob@example.com SIP/2.0\r\n\r\n"


def a_message(time_us: int, **given: Any) -> bytes:
    """An encoded row; what is not given is that of an INVITE."""
    row: dict[str, Any] = {
        "time_us": time_us,
        "delay_us": 1500,
        "call": time_us % 7,
        "capture_id": 2001,
        "source_port": 5060,
        "destination_port": 5062,
        "flags": 0,
        "protocol_type": 1,
        "ip_protocol": 17,
        "raw_codec": 0,
        "source": bytes([192, 0, 2, 1]),
        "destination": bytes([192, 0, 2, 2]),
        "method": "INVITE",
        "node_name": None,
        "correlation_id": None,
        "session_id": None,
        "parse_error": None,
        "extra": None,
        "raw": PAYLOAD,
    }
    return encode_message(**row | given)


def a_key(leaf: Leaf, call: int, sid: str = "a") -> bytes:
    values: list[str | None] = [None] * len(KEY_TEXT_COLUMNS)
    values[0] = sid
    return encode_key(leaf.lower_us, call, values, None, None)


def with_bad_text(time_us: int) -> bytes:
    """A message whose method is no UTF-8, which PostgreSQL refuses (22021)."""
    marker = "methodmethod"
    return a_message(time_us, method=marker).replace(marker.encode(), b"\xff" * len(marker))


def a_batch(
    rows: Mapping[Leaf, LeafRows],
    *,
    journal: UUID,
    start: Position = START,
    end: Position | None = None,
    synchronous: bool = False,
) -> Batch:
    """All messages of `rows` count as written."""
    count = sum(len(of_leaf.messages) for of_leaf in rows.values())
    return Batch(
        journal=journal,
        start=start,
        end=end or Position(start.segment, start.offset + 1000, start.number + count),
        outcomes=[count, 0, 0, 0, 0, 0],
        leaves=dict(rows),
        synchronous=synchronous,
    )


def leaf_rows(leaf: Leaf, messages: Sequence[bytes], keys: Sequence[bytes] = (), call: int = 1) -> LeafRows:
    """The rows of one leaf; the origin of each message is its place in `messages`."""
    return LeafRows(list(messages), list(range(len(messages))), list(keys), [call] * len(keys))


def messages(leaf: Leaf, count: int, **given: Any) -> list[bytes]:
    """So many messages, a microsecond apart from the leaf's first."""
    return [a_message(leaf.lower_us + index, **given) for index in range(count)]


def a_journal() -> UUID:
    return uuid4()
