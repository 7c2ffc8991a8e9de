import zlib
from ipaddress import ip_address

import msgspec
import pytest

from capture.errors import HepError
from capture.hep.chunks import walk
from capture.hep.decode import decode_packet
from capture.hep.encode import encode_packet
from capture.hep.packet import Packet, Reading
from tests.support.hep_bytes import KAMAILIO, SIP, a_hep3, chunk, common_chunks, hep3, legacy

FULL = Packet(
    version=3,
    payload=SIP,
    family=10,
    ip_protocol=6,
    source=ip_address("2001:db8::1").packed,
    destination=ip_address("2001:db8::2").packed,
    source_port=5060,
    destination_port=65535,
    seconds=2**32 - 1,
    microseconds=1_000_000,
    protocol_type=1,
    capture_id=2**32 - 1,
    auth_key=b"key",
    correlation_id=b"",
    node_name=b"node",
    mos=440,
    vlan=7,
    tcp_flags=0x18,
    tos=0xB8,
    others=((0, 0x65, b"{}"), (9, 0xF, b"foreign")),
)


def refusal(packet: Packet) -> str:
    with pytest.raises(HepError) as error:
        encode_packet(packet)
    return error.value.reason


def test_hep3_is_written_as_kamailio_does() -> None:
    packet = decode_packet(a_hep3())

    assert encode_packet(packet) == a_hep3()


def test_packet_with_every_field_comes_back() -> None:
    assert decode_packet(encode_packet(FULL)) == FULL


def test_field_that_is_none_is_not_sent() -> None:
    assert [found.type for found in walk(encode_packet(Packet(3, b"x", seconds=0)))] == [0x9, 0xF]


@pytest.mark.parametrize("version", [1, 2])
def test_legacy_packet_comes_back_byte_for_byte(version: int) -> None:
    data = legacy(version, payload=SIP + bytes(8))

    assert encode_packet(decode_packet(data)) == data


def test_legacy_ipv6_packet_comes_back_byte_for_byte() -> None:
    data = legacy(2, source="2001:db8::1", destination="2001:db8::2", family=10, header_length=40)

    assert encode_packet(decode_packet(data)) == data


def test_compressed_payload_is_compressed_again() -> None:
    stream = zlib.compress(SIP)
    data = hep3(*common_chunks(KAMAILIO), chunk(0x10, stream))

    assert encode_packet(decode_packet(data)) == data


def test_what_could_not_be_inflated_goes_out_as_it_came() -> None:
    data = hep3(chunk(0x10, b"no stream"))

    assert decode_packet(data).reading == Reading.NOT_INFLATED
    assert encode_packet(decode_packet(data)) == data


@pytest.mark.parametrize("payload_bytes", [65_529, 65_530, 70_000])
def test_packet_that_sixteen_bits_cannot_measure_is_refused(payload_bytes: int) -> None:
    assert refusal(Packet(3, bytes(payload_bytes), family=2)) == "length"


def test_largest_packet_is_65535_bytes() -> None:
    packet = Packet(3, bytes(65_523))

    assert len(encode_packet(packet)) == 65_535
    assert decode_packet(encode_packet(packet)) == packet


@pytest.mark.parametrize(
    "change",
    [
        {"family": 256},
        {"source_port": 65_536},
        {"seconds": -1},
        {"seconds": 2**32},
        {"mos": 70_000},
        {"source": b"abc"},
    ],
)
def test_value_that_does_not_fit_its_chunk_is_refused(change: dict[str, object]) -> None:
    assert refusal(msgspec.structs.replace(FULL, **change)) == "chunk"


@pytest.mark.parametrize(
    "change",
    [
        {"family": None},
        {"source_port": None},
        {"source": None},
        {"seconds": None},
        {"capture_id": 65_536},
        {"auth_key": b"key"},
        {"protocol_type": 1},
        {"family": 7},
        {"destination": bytes(16)},
    ],
)
def test_hepv2_refuses_what_it_cannot_say_and_what_it_lacks(change: dict[str, object]) -> None:
    assert refusal(msgspec.structs.replace(decode_packet(legacy(2)), **change)) in ("chunk", "magic")


def test_there_is_no_fourth_version() -> None:
    assert refusal(Packet(4, b"")) == "magic"
