"""What the stages of a packet's way cost the worker, one by one and together, on two kinds of traffic.

    python -m tests.benchmarks.stages

Processor time of this process in µs a packet, best of five passes, address caches warm for the corpus; calls
with new Call-IDs, numbers and tags have them mostly cold. Together costs more than the sum: stages push each
other out of the processor's caches. No socket, no journal, no database: for those see `drain`.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from capture.interpret import Interpreter
from capture.journal.record import Carrier, Record
from capture.keys import KeyMemory
from capture.pipeline import Pipeline, Rows
from capture.route import MessageClass
from capture.settings import AcceptSettings, HepSettings, SipSettings, StorageSettings
from capture.sip.ids import call_hash
from capture.sip.parse import parse_message
from capture.store.codec import Dictionary, PayloadCodec, shipped_dictionary
from capture.store.partitions import Leaf
from tests.support import sender
from tests.support.captures import CORPUS, hep_packets

PASSES = 5
BATCH = 1000
EVER = 1 << 60


def report(name: str, work: Callable[[Any], object], items: Sequence[Any], batch: int | None = None) -> None:
    given = items if batch is None else [items[at : at + batch] for at in range(0, len(items), batch)]
    best = float("inf")
    for _ in range(PASSES):
        started = time.process_time()
        for item in given:
            work(item)
        best = min(best, time.process_time() - started)
    print(f"  {name:34} {best / len(items) * 1e6:6.1f} µs")  # noqa: T201


def a_pipeline(codec: PayloadCodec) -> Pipeline:
    return Pipeline(
        hep=HepSettings(),
        accept=AcceptSettings(),
        sip=SipSettings(),
        storage=StorageSettings(),
        codec=codec,
        find_leaf=lambda message_class, _: Leaf(
            message_class, list(MessageClass).index(message_class), 0, EVER
        ),
        keys=KeyMemory(100_000),
    )


def stages(name: str, data: list[bytes]) -> None:
    print(f"{name}: {len(data)} packets of {sum(map(len, data)) // len(data)} B")  # noqa: T201
    codec = PayloadCodec(Dictionary(1, shipped_dictionary()), StorageSettings())
    packets = [decode_packet(packet) for packet in data]
    interpreter, keys = Interpreter(SipSettings()), KeyMemory(100_000)
    meanings = [(interpreter.interpret(packet, None), packet) for packet in packets]

    def remember(both: tuple[Any, Packet]) -> object:
        meaning, packet = both
        return keys.new_values(
            1,
            call_hash(meaning.sid),
            meaning.key_values,
            packet.source,
            packet.destination,
            meaning.key_extra,
        )

    report("decode HEP", decode_packet, data)
    report(
        "parse SIP", lambda p: parse_message(p.payload), [p for p in packets if p.protocol_type in (None, 1)]
    )
    report("interpret (parse, ids, class)", lambda packet: interpreter.interpret(packet, None), packets)
    report("keys (all shown before)", remember, meanings)
    report("compress", lambda packet: codec.encode(packet.payload), packets)
    now_us = time.time_ns() // 1000
    records = [
        Record(n, 1, 64, now_us, Carrier.UDP, bytes(16), 5060, packet) for n, packet in enumerate(data, 1)
    ]
    pipeline = a_pipeline(codec)
    report("all, to the encoded row", lambda part: pipeline.process(part, 0, Rows()), records, BATCH)


def main() -> None:
    corpus = [packet for capture in sorted(CORPUS.glob("*.pcap")) for packet in hep_packets(capture)]
    stages("corpus", corpus)
    stages("new calls", [sender.packet(number) for number in range(12_000)])


if __name__ == "__main__":
    main()
