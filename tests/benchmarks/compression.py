"""What payload dictionaries make of traffic that they were and were not trained on, and what it costs.

    python -m tests.benchmarks.compression [--sizes]

The corpus and the mix of the benchmarks, neither of which the shipped dictionary has seen; others are trained
as a trainer does it, on other calls than those they are measured by. Bytes with all of a frame: size and
checksum too. Processor time, best of five passes, in a loop that does nothing else. `--sizes`: the choice of
a trained dictionary's size instead, on traffic of very many products.
"""

import argparse
import itertools
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from capture.errors import HepError
from capture.hep.decode import decode_packet
from capture.settings import StorageSettings
from capture.sip.ids import call_hash
from capture.store.codec import PLAIN, Dictionary, PayloadCodec, shipped_dictionary
from capture.store.dictionary import train
from capture.store.sample import make_messages
from capture.store.sampling import StoredPayload, choose
from capture.store.trainer import train_on
from tests.benchmarks import mix
from tests.support.captures import CORPUS, hep_packets

PASSES = 5
TRAINED_ON, MEASURED = 5000, 4000
"""Messages of the mix: the first thousands, as an installation trains, and some of a later hour."""
LATER_CALL = 100_000
START_US = 1_790_000_000_000_000
CALLS_APART_US = 2000.0

Messages = list[bytes]


def call_id(payload: bytes) -> bytes:
    """What tells a call, for SIP and for reports that name one; else the payload itself."""
    for mark in (b"\nCall-ID: ", b"\ni: ", b'"CORRELATION_ID":"'):
        _, found, rest = payload.partition(mark)
        if found:
            return rest[:40].split(b"\r")[0].split(b'"')[0]
    return payload[:60]


def corpus() -> tuple[Messages, Messages]:
    """SIP, and all other payloads."""
    sip: Messages = []
    others: Messages = []
    for capture in sorted(CORPUS.glob("*.pcap")):
        for data in hep_packets(capture):
            try:
                packet = decode_packet(data)
            except HepError:
                continue
            if packet.payload:
                (sip if packet.protocol_type in (None, 1) else others).append(packet.payload)
    return sip, others


def mixed(first_call: int, count: int) -> Messages:
    """Payloads of the main mix, each call with ids of its own."""
    chance = random.Random(first_call)
    ids: dict[bytes, bytes] = {}
    payloads = []
    for timed in itertools.islice(mix.calls(first_call, START_US, CALLS_APART_US), count):
        payload = decode_packet(timed.packet).payload
        own = ids.setdefault(call_id(payload), b"%08x" % chance.getrandbits(32))
        payloads.append(payload.replace(mix.LOOP, own))
    return payloads


def trained_on(messages: Messages, level: int = 1) -> bytes:
    """As a trainer does it."""
    rows = [StoredPayload(call_hash(str(call_id(payload))), PLAIN, payload) for payload in messages]
    sample = choose(rows, PayloadCodec())
    return train_on([*sample.training, *sample.judging], level)


def by_call(messages: Messages) -> tuple[Messages, Messages]:
    """Two halves of different calls."""
    halves: tuple[Messages, Messages] = ([], [])
    for payload in messages:
        halves[call_hash(str(call_id(payload))) % 2].append(payload)
    return halves


def microseconds(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    best = float("inf")
    for _ in range(PASSES):
        started = time.process_time()
        for item in items:
            work(item)
        best = min(best, time.process_time() - started)
    return best / len(items) * 1e6


def report(name: str, content: bytes, messages: Messages, level: int = 1) -> None:
    codec = PayloadCodec(Dictionary(1, content), StorageSettings(zstd_level=level))
    stored = [codec.encode(message) for message in messages]
    plain, compressed = sum(map(len, messages)), sum(len(raw) for _, raw in stored)
    encode = microseconds(codec.encode, messages)
    decode = microseconds(lambda row: codec.decode(*row), stored)
    print(  # noqa: T201
        f"{name:44} level {level}: {plain / len(messages):5.0f} B → {compressed / len(messages):5.0f} B,"
        f" {plain / compressed:4.2f}×; {encode:4.1f} µs to compress, {decode:4.1f} µs to restore"
    )


def ratios() -> None:
    sip, others = corpus()
    sip_seen, sip_unseen = by_call(sip)
    others_seen, others_unseen = by_call(others)
    first, later = mixed(0, TRAINED_ON), mixed(LATER_CALL, MEASURED)
    of_corpus, of_mix = trained_on(sip_seen + others_seen), trained_on(first)
    for level in (1, 2, 3):
        report("shipped, corpus: SIP", shipped_dictionary(), sip, level)
        report("shipped, corpus: RTCP, reports, logs", shipped_dictionary(), others, level)
        report("shipped, mix", shipped_dictionary(), later, level)
    for level in (1, 2, 3):
        report("trained on the mix, later mix", trained_on(first, level), later, level)
    report("trained on the mix, corpus: SIP", of_mix, sip)
    report("trained on the mix, corpus: RTCP, reports, logs", of_mix, others)
    report("trained on corpus, other calls: SIP", of_corpus, sip_unseen)
    report("trained on corpus, other calls: RTCP …", of_corpus, others_unseen)
    report("trained on corpus, mix", of_corpus, later)


def sizes() -> None:
    chance = random.Random(1)
    sip_seen, sip_unseen = by_call([payload for part in corpus() for payload in part])
    training = make_messages(700, seed=5) + mixed(0, 4000) + sip_seen * 2
    measured = make_messages(200, seed=9) + mixed(LATER_CALL, 1000) + sip_unseen
    for messages in (training, measured):
        chance.shuffle(messages)
    for kib in (16, 32, 64, 112):
        for segment_bytes in (256, 512, 1024, 2048):
            content = train(training, kib * 1024, segment_bytes=segment_bytes, level=1)
            report(f"{kib} KiB, segments of {segment_bytes}", content, measured)


def main() -> None:
    parser = argparse.ArgumentParser(description="payload dictionaries, measured")
    parser.add_argument("--sizes", action="store_true", help="sizes of a trained dictionary")
    (sizes if parser.parse_args().sizes else ratios)()


if __name__ == "__main__":
    main()
