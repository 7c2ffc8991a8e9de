"""Every packet of the corpus decodes to what an independent program read in it (`data/MANIFEST.md`)."""

import hashlib
import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from capture.errors import HepError
from capture.hep.chunks import walk
from capture.hep.decode import decode_packet, read_any, read_common
from capture.hep.encode import encode_packet
from capture.hep.framing import Framer
from capture.hep.packet import Packet, Reading
from capture.pcap.packets import read_hep
from tests.support.captures import CORPUS, hep_packets

CAPTURES = sorted(CORPUS.glob("*.pcap"))
TORTURE = CORPUS / "torture" / "rfc4475.pcap"


def expectations(capture: Path) -> list[dict[str, object]]:
    lines = capture.with_name(f"{capture.stem}.expect.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def described(data: bytes) -> dict[str, object]:
    """A packet in the words of the expectations, all but `sip`."""
    packet = decode_packet(data)
    facts: dict[str, object | None] = {
        "v": packet.version,
        "family": packet.family,
        "proto": packet.ip_protocol,
        "src": _address(packet.source),
        "dst": _address(packet.destination),
        "sport": packet.source_port,
        "dport": packet.destination_port,
        "sec": packet.seconds,
        "usec": packet.microseconds,
        "type": packet.protocol_type,
        "capture_id": packet.capture_id,
        "auth_key": _text(packet.auth_key),
        "correlation_id": _text(packet.correlation_id),
        "node_name": _text(packet.node_name),
        "mos": packet.mos,
        "vlan": packet.vlan,
        "compressed": packet.compressed_bytes,
        "payload_len": len(packet.payload),
        "payload_sha256": hashlib.sha256(packet.payload).hexdigest()[:16],
    }
    if packet.version == 3:
        facts["len"] = int.from_bytes(data[4:6], "big")
        facts["chunks"] = [f"{chunk.type:x}" for chunk in walk(data)]
    else:
        facts["hdr_len_field"] = data[1]
    return {name: fact for name, fact in facts.items() if fact is not None}


def _address(packed: bytes | None) -> str | None:
    return None if packed is None else str(ip_address(packed))


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def no_warning(text: str) -> None:
    raise AssertionError(text)


def test_corpus_is_whole() -> None:
    assert sum(len(expectations(capture)) for capture in CAPTURES) == 1667


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_every_packet_decodes_to_what_is_expected(capture: Path) -> None:
    expected = [
        {name: fact for name, fact in facts.items() if name != "sip"} for facts in expectations(capture)
    ]

    assert [described(data) for data in hep_packets(capture)] == expected


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_nothing_had_to_be_forgiven_and_both_readers_agree(capture: Path) -> None:
    for data in hep_packets(capture):
        packet = decode_packet(data)

        assert packet.reading == Reading.NONE
        if packet.version == 3:
            assert read_any(data, 1 << 20) == packet


def test_nearly_all_packets_are_of_a_common_shape() -> None:
    version_3 = [data for capture in CAPTURES for data in hep_packets(capture) if data[:1] == b"H"]

    rare = [data for data in version_3 if read_common(data) is None]

    # Kamailio's hlog has its ports swapped, OpenSIPS's JSON mode adds chunk 0x65.
    assert (len(version_3), len(rare)) == (1399, 14)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_every_packet_survives_encoding(capture: Path) -> None:
    for data in hep_packets(capture):
        packet = decode_packet(data)

        assert decode_packet(encode_packet(packet)) == packet


@pytest.mark.parametrize("capture", [*CAPTURES, TORTURE], ids=lambda capture: capture.stem)
def test_reader_of_captures_finds_the_same_packets(capture: Path) -> None:
    assert list(read_hep(capture, no_warning)) == list(hep_packets(capture))


def test_torture_messages_come_out_unchanged() -> None:
    index = [json.loads(line) for line in (CORPUS / "torture" / "index.jsonl").read_text().splitlines()]

    packets = [decode_packet(data) for data in hep_packets(TORTURE)]

    assert [
        (_address(packet.source), packet.seconds, packet.microseconds, _digest(packet)) for packet in packets
    ] == [(facts["src"], facts["sec"], facts["usec"], facts["sha256"]) for facts in index]


def _digest(packet: Packet) -> str:
    return hashlib.sha256(packet.payload).hexdigest()


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_first_packets_cut_at_every_byte_are_packets_or_refused(capture: Path) -> None:
    for data in list(hep_packets(capture))[:2]:
        for cut in range(len(data)):
            try:
                packet = decode_packet(data[:cut])
            except HepError:
                continue
            assert packet.version < 3, "a HEP3 packet says how long it is"


def test_stream_of_all_hep3_packets_is_cut_as_sent_whatever_the_pieces() -> None:
    packets = [data for capture in CAPTURES for data in hep_packets(capture) if data[:1] == b"H"]
    stream = b"".join(packets)

    for size in (1, 7, 1_460, 65_536):
        framer = Framer()
        found = [item for at in range(0, len(stream), size) for item in framer.feed(stream[at : at + size])]
        assert found == packets
        assert framer.finish() == []
