"""A packet's way: decode, judge, parse, route, row and keys, outcome.

Plain functions on bytes up to the row. Everything that a pipeline remembers (keys written, duplicates) is
provisional until its batches have committed: after a rollback the worker makes a new one. Knows nothing of
asyncio, asyncpg or the journal's files.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from capture.capture_time import capture_time
from capture.duplicates import DuplicateWindow
from capture.errors import HepError, StoreError
from capture.gate import Gate
from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from capture.interpret import Interpreter, Meaning
from capture.journal.figures import WorkerFigure
from capture.journal.record import Carrier, Record
from capture.keys import KeyMemory
from capture.mark import PacketMark
from capture.route import MessageClass
from capture.row import MessageRow, encode_key, encode_message
from capture.settings import AcceptSettings, HepSettings, SipSettings, StorageSettings
from capture.sip.ids import call_hash
from capture.stats import WORKER_OUTCOMES, Outcome
from capture.store.batch import LeafRows
from capture.store.codec import PayloadCodec
from capture.store.expiry import FOR_EVER, KeptSince
from capture.store.partitions import Leaf

FindLeaf = Callable[[MessageClass, int], Leaf]
"""The leaf that covers a class and a time; made if there is none, which may wait for the database."""

GiveUp = Callable[[Record, Exception], None]
"""Set aside a packet that cannot be processed, and say so."""

STRIDE = 64
"""Packets that go from stage to stage together. 40 to 200 do equally well."""

# What goes from one stage to the next. Bare tuples, because they are made for every packet.
_Time = tuple[int, int, int | None]
_Decoded = tuple[Record, int, Packet, _Time]
_Interpreted = tuple[Record, int, Packet, _Time, Meaning]
_Item = TypeVar("_Item")

# By name, because a member looked up in its class costs 0.2 µs, and a packet asks for several.
_TCP_RUBBISH = Carrier.TCP_RUBBISH
_WRITTEN, _FILTERED, _REFUSED = int(Outcome.WRITTEN), int(Outcome.FILTERED), int(Outcome.REFUSED)
_DUPLICATE, _MALFORMED, _FAILED = int(Outcome.DUPLICATE), int(Outcome.MALFORMED), int(Outcome.FAILED)

_KEEP_ALIVES = frozenset([b"HEP PING", b"HEPPING"])
"""What HFP and hepgen.js send to keep a connection open."""
_NOTHING = b"\r\n\0 \t"
_LONGEST_KEEP_ALIVE = 16


class Rows:
    """The rows and outcomes of a batch while it is filled."""

    def __init__(self) -> None:
        self.leaves: dict[Leaf, LeafRows] = {}
        self.outcomes = [0] * len(WORKER_OUTCOMES)
        self.malformed: dict[str, int] = {}
        """By `HepError.reason`."""
        self.filtered: dict[str, int] = {}
        """By `keep_alive` or `expired`."""

    def of(self, leaf: Leaf) -> LeafRows:
        rows = self.leaves.get(leaf)
        if rows is None:
            rows = self.leaves[leaf] = LeafRows()
        return rows

    def count_malformed(self, reason: str) -> None:
        self.outcomes[_MALFORMED] += 1
        self.malformed[reason] = self.malformed.get(reason, 0) + 1

    def count_filtered(self, reason: str) -> None:
        self.outcomes[_FILTERED] += 1
        self.filtered[reason] = self.filtered.get(reason, 0) + 1


class Pipeline:
    """Turns records into rows, a few packets at a time: each stage for all of them, then the next stage.

    Packet by packet the stages push each other out of the processor's caches, which costs as
    much as a third of the whole.
    """

    def __init__(
        self,
        *,
        hep: HepSettings,
        accept: AcceptSettings,
        sip: SipSettings,
        storage: StorageSettings,
        codec: PayloadCodec,
        find_leaf: FindLeaf,
        keys: KeyMemory,
        mark: PacketMark | None = None,
        give_up: GiveUp | None = None,
    ) -> None:
        """`mark` is set to each packet while it is dealt with. `give_up` is told of a packet that cannot be
        processed, which counts as failed; without it the error is raised."""
        self._max_payload_bytes = hep.max_payload_bytes
        self._gate = Gate(accept)
        self._interpreter = Interpreter(sip)
        self._codec = codec
        self._find_leaf = find_leaf
        self._keys = keys
        self._duplicates = DuplicateWindow(storage.deduplicate_ms * 1000) if storage.deduplicate_ms else None
        self._since = FOR_EVER
        self._last_leaf: Leaf | None = None
        self._from_us = 0
        """What the last leaf may still take begins here."""
        self._mark = mark or PacketMark([0] * len(WorkerFigure))
        self._give_up = give_up

    def process(self, records: Sequence[Record], origin: int, rows: Rows) -> None:
        """Deal with records in their order: their rows, if any, and an outcome for each go to `rows`.

        `origin` names the first in `LeafRows.origins`, the others are counted from there. A StoreError of
        `find_leaf` passes through: what was given then counts for nothing, and `rows` is of no use.
        """
        for start in range(0, len(records), STRIDE):
            stride = records[start : start + STRIDE]
            numbered = list(zip(stride, range(origin + start, origin + start + len(stride)), strict=True))
            decoded = self._each(self._decode, numbered, rows)
            interpreted = self._each(self._interpret, decoded, rows)
            self._each(self._store, interpreted, rows)
        self._mark.clear()

    def _each(self, stage: Callable[[Any, Rows], _Item | None], items: list[Any], rows: Rows) -> list[_Item]:
        """Take each item through a stage; what comes of it, but for those that end there."""
        results: list[_Item] = []
        add, mark = results.append, self._mark.set
        for item in items:
            record = item[0]
            mark(record.segment, record.offset)
            try:
                result = stage(item, rows)
            except StoreError:
                raise
            except Exception as error:
                if self._give_up is None:
                    raise
                self._give_up(record, error)
                # The packet may be remembered, but was not written.
                self.forget()
                rows.outcomes[_FAILED] += 1
                continue
            if result is not None:
                add(result)
        return results

    def _decode(self, item: tuple[Record, int], rows: Rows) -> _Decoded | None:
        record, origin = item
        if record.carrier is _TCP_RUBBISH:
            rows.count_malformed("stream")
            return None
        try:
            packet = decode_packet(record.packet, self._max_payload_bytes)
        except HepError as error:
            rows.count_malformed(error.reason)
            return None
        if not self._gate.admits(packet.auth_key, record.peer):
            rows.outcomes[_REFUSED] += 1
            return None
        if _is_keep_alive(packet):
            rows.count_filtered("keep_alive")
            return None
        time = capture_time(packet.seconds, packet.microseconds, record.arrival_us)
        return record, origin, packet, time

    def _interpret(self, item: _Decoded, _: Rows) -> _Interpreted:
        record, origin, packet, time = item
        return record, origin, packet, time, self._interpreter.interpret(packet, time[2])

    def compress_with(self, codec: PayloadCodec) -> None:
        """Compress payloads otherwise from the next packet on."""
        self._codec = codec

    def forget(self) -> None:
        """Nothing counts as written or seen any more."""
        self._keys.forget()
        if self._duplicates is not None:
            self._duplicates.forget()

    def _store(self, item: _Interpreted, rows: Rows) -> None:
        record, origin, packet, (time_us, time_flag, _), meaning = item
        arrival_us = record.arrival_us
        # Only here, where the original of a copy has been written.
        if self._duplicates is not None and self._duplicates.is_duplicate(packet, time_us, arrival_us):
            rows.outcomes[_DUPLICATE] += 1
            return
        leaf = self._leaf(meaning.message_class, time_us)
        if leaf is None:
            rows.count_filtered("expired")
            return
        of_leaf = rows.of(leaf)
        call = call_hash(meaning.sid)
        codec, raw = self._codec.encode(packet.payload)
        # By position, in the order of the fields: by name it takes 0.8 µs more.
        row = MessageRow(
            time_us,
            arrival_us - time_us,
            call,
            packet.capture_id,
            packet.source_port,
            packet.destination_port,
            meaning.flags | time_flag,
            meaning.protocol_type,
            packet.ip_protocol,
            codec,
            packet.source,
            packet.destination,
            meaning.method,
            meaning.node_name,
            meaning.correlation_id,
            meaning.session_id,
            meaning.parse_error,
            meaning.extra,
            raw,
        )
        encoded = encode_message(row)
        self._add_keys(of_leaf, leaf, call, packet, meaning)
        of_leaf.messages.append(encoded)
        of_leaf.origins.append(origin)
        rows.outcomes[_WRITTEN] += 1

    def keep_since(self, since: KeptSince) -> None:
        """From now on, messages of older times are `filtered`."""
        self._since = since
        self._last_leaf = None

    def _leaf(self, message_class: MessageClass, time_us: int) -> Leaf | None:
        """Mostly that of the message before; the worker knows the others. None: not kept so long."""
        leaf = self._last_leaf
        if (
            leaf is None
            or leaf.message_class is not message_class
            or not self._from_us <= time_us < leaf.upper_us
        ):
            if time_us < self._since[message_class]:
                return None
            leaf = self._last_leaf = self._find_leaf(message_class, time_us)
            self._from_us = max(leaf.lower_us, self._since[message_class])
        return leaf

    def _add_keys(self, rows: LeafRows, leaf: Leaf, call: int, packet: Packet, meaning: Meaning) -> None:
        new = self._keys.new_values(
            leaf.number, call, meaning.key_values, packet.source, packet.destination, meaning.key_extra
        )
        if new is not None:
            rows.keys.append(
                encode_key(
                    leaf.lower_us, call, new.values, new.source, new.destination, cut=new.cut, extra=new.extra
                )
            )
            rows.key_calls.append(call)


def _is_keep_alive(packet: Packet) -> bool:
    """Packets that say only that their sender is there."""
    payload = packet.payload
    if packet.protocol_type == 0 or not payload:
        return True
    if len(payload) > _LONGEST_KEEP_ALIVE:
        return False
    said = payload.strip(_NOTHING)
    return not said or said in _KEEP_ALIVES
