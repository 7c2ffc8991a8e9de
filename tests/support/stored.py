"""Messages stored as the worker stores them: HEP packets through the pipeline and the writer."""

from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

import msgspec

from capture.draft import Draft
from capture.hep.encode import encode_packet
from capture.hep.packet import Packet
from capture.journal.record import Carrier, Position, Record
from capture.keys import KeyMemory, keyed_rules
from capture.pipeline import Pipeline, Rows
from capture.route import MessageClass
from capture.settings import AcceptSettings, HepSettings, SipSettings, StorageSettings
from capture.stats import Outcome
from capture.store.batch import Batch
from capture.store.codec import PayloadCodec
from capture.store.partitions import Leaf
from capture.store.writer import Writer

BATCH = 97
PEER = bytes(10) + b"\xff\xff\xc0\x00\x02\x01"
ARRIVAL_DELAY_US = 1500


class _Uncovered(Exception):
    def __init__(self, message_class: MessageClass, time_us: int) -> None:
        self.place = message_class, time_us


class _Unnoted(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


class Scripts:
    """What filter scripts would do, as a function on each message."""

    def __init__(self, change: Callable[[Draft], None]) -> None:
        self._change = change

    def reach(self, protocol_type: int) -> bool:
        return True

    def run(self, draft: Draft) -> None:
        self._change(draft)


def a_packet(time_us: int, payload: bytes, **given: object) -> Packet:
    """A HEP3 packet of a SIP message over UDP."""
    packet = Packet(
        version=3,
        payload=payload,
        family=2,
        ip_protocol=17,
        source=bytes([192, 0, 2, 1]),
        destination=bytes([192, 0, 2, 2]),
        source_port=5060,
        destination_port=5060,
        seconds=time_us // 1_000_000,
        microseconds=time_us % 1_000_000,
        protocol_type=1,
        capture_id=2001,
    )
    return msgspec.structs.replace(packet, **given)


async def store(
    database_url: str,
    packets: Iterable[Packet],
    *,
    custom_headers: Sequence[str] = (),
    storage: StorageSettings | None = None,
    script: Callable[[Draft], None] | None = None,
) -> None:
    """Store packets in the order given, by a clock that stands at the newest; each must end as written.

    `script` is let at each message before.
    """
    listed = list(packets)
    storage = storage or StorageSettings()
    # By today's clock these times may be so old that a whole month shares a partition.
    now_us = max(map(_time_us, listed))
    writer = Writer(database_url, storage, clock_us=lambda: now_us)
    await writer.connect()
    try:
        await _store(writer, listed, custom_headers, storage, script)
    finally:
        await writer.close()


async def _store(
    writer: Writer,
    packets: list[Packet],
    custom_headers: Sequence[str],
    storage: StorageSettings,
    script: Callable[[Draft], None] | None,
) -> None:
    version = await writer.keying_version(keyed_rules(custom_headers))
    partitions = await writer.read_partitions()
    noted: set[int] = set()
    names = await writer.script_fields()

    def find_leaf(message_class: MessageClass, time_us: int) -> Leaf:
        leaf = partitions.find(message_class, time_us)
        if leaf is None or leaf.number not in noted:
            raise _Uncovered(message_class, time_us)
        return leaf

    def admit(name: str) -> bool:
        if name not in names:
            raise _Unnoted(name)
        return True

    pipeline = Pipeline(
        hep=HepSettings(),
        accept=AcceptSettings(),
        sip=SipSettings(custom_headers=tuple(custom_headers)),
        storage=storage,
        codec=PayloadCodec(await writer.dictionary(), storage),
        find_leaf=find_leaf,
        keys=KeyMemory(1000),
        filters=None if script is None else Scripts(script),
        admit_tag=admit,
    )
    journal, position = uuid4(), Position(1, 64, 1)
    await writer.begin_journal(journal, "test", position)
    for start in range(0, len(packets), BATCH):
        rows = Rows()
        for origin, packet in enumerate(packets[start : start + BATCH]):
            record = _record(start + origin + 1, packet)
            while True:
                try:
                    pipeline.process([record], origin, rows)
                    break
                except _Uncovered as uncovered:
                    leaf = await writer.cover(*uncovered.place)
                    await writer.note_keying(leaf, version)
                    noted.add(leaf.number)
                    partitions = partitions.with_leaf(leaf)
                except _Unnoted as unnoted:
                    names = await writer.note_script_fields([unnoted.name])
        count = len(packets[start : start + BATCH])
        assert rows.outcomes[Outcome.WRITTEN] == count
        end = Position(1, position.offset + 1000, position.number + count)
        batch = Batch(journal, position, end, rows.outcomes, rows.leaves, synchronous=False)
        assert await writer.commit(batch, lambda leaf, origin, error: None) == 0
        position = end


def _record(number: int, packet: Packet) -> Record:
    return Record(
        number=number,
        segment=1,
        offset=64 + number,
        arrival_us=_time_us(packet) + ARRIVAL_DELAY_US,
        carrier=Carrier.UDP,
        peer=PEER,
        peer_port=9060,
        packet=encode_packet(packet),
    )


def _time_us(packet: Packet) -> int:
    return (packet.seconds or 0) * 1_000_000 + (packet.microseconds or 0)
