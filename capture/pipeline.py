"""A packet's way: decode, judge, parse, route, row and keys, outcome.

Plain functions on bytes up to the row. Everything that a pipeline remembers (keys written, duplicates) is
provisional until its batches have committed: after a rollback the worker makes a new one. Knows nothing of
asyncio, asyncpg or the journal's files.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from capture.capture_time import capture_time
from capture.draft import Draft, Filters
from capture.duplicates import DuplicateWindow
from capture.errors import HepError, StoreError
from capture.gate import Gate
from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from capture.imported import LABEL, import_of
from capture.interpret import Interpreter, Meaning
from capture.journal.figures import WorkerFigure
from capture.journal.record import Carrier, Record
from capture.keys import KeyMemory
from capture.mark import MARK, PacketMark
from capture.revise import Admit, Reviser
from capture.route import MessageClass
from capture.row import encode_key, encode_message
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

LabelOf = Callable[[int], str | None]
"""What an import is called, by its number; None where that is not known any more."""

STRIDE = 64
"""Packets that go from stage to stage together. 40 to 200 do equally well."""

# What goes from one stage to the next. Bare tuples, because they are made for every packet.
_Time = tuple[int, int, int | None]
_Arrived = tuple[Record, int]
_Decoded = tuple[Record, int, Packet, _Time]
# The last one is the packet as it was received, whatever scripts make of it.
_Interpreted = tuple[Record, int, Packet, _Time, Meaning, Packet]

# By name, because a member looked up in its class costs 0.2 µs, and a packet asks for several.
_TCP_RUBBISH, _IMPORT = Carrier.TCP_RUBBISH, Carrier.IMPORT
_WRITTEN, _FILTERED, _REFUSED = int(Outcome.WRITTEN), int(Outcome.FILTERED), int(Outcome.REFUSED)
_DUPLICATE, _MALFORMED, _FAILED = int(Outcome.DUPLICATE), int(Outcome.MALFORMED), int(Outcome.FAILED)

_KEEP_ALIVES = frozenset([b"HEP PING", b"HEPPING"])
"""What HFP and hepgen.js send to keep a connection open."""
_NOTHING = b"\r\n\0 \t"
_LONGEST_KEEP_ALIVE = 16
_LABEL_TAG = f"custom:{LABEL}"


class Rows:
    """The rows and outcomes of a batch while it is filled."""

    def __init__(self) -> None:
        self.leaves: dict[Leaf, LeafRows] = {}
        self.outcomes = [0] * len(WORKER_OUTCOMES)
        self.malformed: dict[str, int] = {}
        """By `HepError.reason`."""
        self.filtered: dict[str, int] = {}
        """By `keep_alive`, `expired` or `script`."""
        self.added_bytes = 0
        """By which filters have made messages larger than what was received."""

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
        filters: Filters | None = None,
        admit_tag: Admit = lambda name: True,
        label_of: LabelOf = lambda number: None,
    ) -> None:
        """`mark` is set to each packet while it is dealt with. `give_up` is told of a packet that cannot be
        processed, which counts as failed; without it the error is raised. `admit_tag` is asked for each tag
        that `filters` have set, `label_of` for each import that a packet came by."""
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
        self._filters = filters
        self._reviser = Reviser(self._interpreter, admit_tag)
        self._label_of = label_of
        self._import = 0
        """That of the message before; 0: it was received."""
        self._label: str | None = None

    def process(self, records: Sequence[Record], origin: int, rows: Rows) -> None:
        """Deal with records in their order: their rows, if any, and an outcome for each go to `rows`.

        `origin` names the first in `LeafRows.origins`, the others are counted from there. A StoreError of
        `find_leaf` passes through: what was given then counts for nothing, and `rows` is of no use.
        """
        for start in range(0, len(records), STRIDE):
            stride = records[start : start + STRIDE]
            arrived = list(zip(stride, range(origin + start, origin + start + len(stride)), strict=True))
            decoded: list[_Decoded] = []
            self._take(self._decode, arrived, decoded, rows)
            interpreted: list[_Interpreted] = []
            self._take(self._interpret, decoded, interpreted, rows)
            if self._filters is not None:
                kept: list[_Interpreted] = []
                self._take(partial(self._filter, self._filters), interpreted, kept, rows)
                interpreted = kept
            self._take(self._store, interpreted, [], rows)
        self._mark.clear()

    def _take(
        self,
        stage: Callable[[list[Any], list[Any], Rows], None],
        items: list[Any],
        results: list[Any],
        rows: Rows,
    ) -> None:
        """Take items through a stage, which breaks off at a packet that cannot be processed: on behind it."""
        while True:
            try:
                return stage(items, results, rows)
            except StoreError:
                raise
            except Exception as error:
                if self._give_up is None:
                    raise
                at = next(at for at, item in enumerate(items) if self._mark.stands_at(item[0]))
                self._give_up(items[at][0], error)
                # The packet may be remembered, but was not written.
                self.forget()
                rows.outcomes[_FAILED] += 1
                items = items[at + 1 :]

    def _decode(self, items: list[_Arrived], results: list[_Decoded], rows: Rows) -> None:
        words, admits, limit = self._mark.words, self._gate.admits, self._max_payload_bytes
        for record, origin in items:
            words[MARK] = record.segment << 32 | record.offset
            if record.carrier is _TCP_RUBBISH:
                rows.count_malformed("stream")
                continue
            try:
                packet = decode_packet(record.packet, limit)
            except HepError as error:
                rows.count_malformed(error.reason)
                continue
            arrival_us = record.arrival_us
            if record.carrier is _IMPORT:
                # Who may import is asked elsewhere; and what the packet says is as old as its frame.
                arrival_us = import_of(record.peer)[1]
            elif not admits(packet.auth_key, record.peer):
                rows.outcomes[_REFUSED] += 1
                continue
            if is_keep_alive(packet):
                rows.count_filtered("keep_alive")
            else:
                time = capture_time(packet.seconds, packet.microseconds, arrival_us)
                results.append((record, origin, packet, time))

    def _interpret(self, items: list[_Decoded], results: list[_Interpreted], _: Rows) -> None:
        words, interpret = self._mark.words, self._interpreter.interpret
        for record, origin, packet, time in items:
            words[MARK] = record.segment << 32 | record.offset
            results.append((record, origin, packet, time, interpret(packet, time[2]), packet))

    def _filter(
        self, filters: Filters, items: list[_Interpreted], results: list[_Interpreted], rows: Rows
    ) -> None:
        words, reach, run, revise = self._mark.words, filters.reach, filters.run, self._reviser.revise
        custom_headers = self._interpreter.custom_headers
        for item in items:
            record, origin, packet, time, meaning, received = item
            if not reach(meaning.protocol_type):
                results.append(item)
                continue
            words[MARK] = record.segment << 32 | record.offset
            draft = Draft(packet, meaning, time[0], record.packet, custom_headers)
            run(draft)
            if draft.dropped is not None:
                rows.count_filtered("script")
            elif draft.changes:
                rows.added_bytes += draft.added_bytes
                packet, meaning, time_us = revise(draft, time[2])
                if time_us != time[0]:
                    time = time_us, *time[1:]
                results.append((record, origin, packet, time, meaning, received))
            else:
                results.append(item)

    def filter_with(self, filters: Filters | None) -> None:
        """Let other scripts, or none, at messages from the next packet on."""
        self._filters = filters

    def _store(self, items: list[_Interpreted], _: list[Any], rows: Rows) -> None:
        words, duplicates, outcomes = self._mark.words, self._duplicates, rows.outcomes
        for record, origin, packet, (time_us, time_flag, _sent), meaning, received in items:
            words[MARK] = record.segment << 32 | record.offset
            # Only here, where the original of a copy has been written. By what was received: scripts may make
            # different messages look the same.
            if duplicates is not None and duplicates.is_duplicate(received, time_us, record.arrival_us):
                outcomes[_DUPLICATE] += 1
                continue
            leaf = self._leaf(meaning.message_class, time_us)
            if leaf is None:
                rows.count_filtered("expired")
                continue
            if self._import or record.carrier is _IMPORT:
                meaning = self._labelled(meaning, record)
            of_leaf = rows.of(leaf)
            call = call_hash(meaning.sid)
            codec, raw = self._codec.encode(packet.payload)
            # By position, in the order of the fields: by name it takes 0.8 µs more.
            encoded = encode_message(
                time_us,
                record.arrival_us - time_us,
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
            self._add_keys(of_leaf, leaf, call, packet, meaning)
            of_leaf.messages.append(encoded)
            of_leaf.origins.append(origin)
            outcomes[_WRITTEN] += 1

    def compress_with(self, codec: PayloadCodec) -> None:
        """Compress payloads otherwise from the next packet on."""
        self._codec = codec

    def forget(self) -> None:
        """Nothing counts as written or seen any more."""
        self._keys.forget()
        if self._duplicates is not None:
            self._duplicates.forget()

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

    def _labelled(self, meaning: Meaning, record: Record) -> Meaning:
        """With the label of the import that the message came by, if it came by one.

        Whatever an import is found by stands in key rows that bear its label, so that they go with it: what
        was written for another one, or for what was received, does not count as written for this.
        """
        number = import_of(record.peer)[0] if record.carrier is _IMPORT else 0
        if number != self._import:
            self._label = self._label_of(number) if number else None
            self._keys.forget()
            self._import = number
        if self._label is None:
            return meaning
        extra = {**(meaning.extra or {})}
        fields = extra.get("fields")
        extra["fields"] = {**(fields if isinstance(fields, dict) else {}), _LABEL_TAG: self._label}
        key_extra = {**(meaning.key_extra or {}), _LABEL_TAG: self._label}
        return msgspec.structs.replace(meaning, extra=extra, key_extra=key_extra)

    def _add_keys(self, rows: LeafRows, leaf: Leaf, call: int, packet: Packet, meaning: Meaning) -> None:
        new = self._keys.new_values(
            leaf.number, call, meaning.key_values, packet.source, packet.destination, meaning.key_extra
        )
        if new is not None:
            extra = new.extra
            if self._label is not None:
                extra = {**(extra or {}), _LABEL_TAG: [self._label]}
            rows.keys.append(
                encode_key(
                    leaf.lower_us, call, new.values, new.source, new.destination, cut=new.cut, extra=extra
                )
            )
            rows.key_calls.append(call)


def is_keep_alive(packet: Packet) -> bool:
    """Packets that say only that their sender is there."""
    payload = packet.payload
    if packet.protocol_type == 0 or not payload:
        return True
    if len(payload) > _LONGEST_KEEP_ALIVE:
        return False
    said = payload.strip(_NOTHING)
    return not said or said in _KEEP_ALIVES
