import gzip
import struct
import zlib
from ipaddress import ip_address

import pytest

from capture.errors import HepError
from capture.hep.chunks import MAX_CHUNKS, walk
from capture.hep.decode import decode_packet, read_any, read_common
from capture.hep.packet import Packet, Reading
from tests.support.hep_bytes import KAMAILIO, OPENSIPS, SIP, a_hep3, chunk, common_chunks, hep3, legacy

LIMIT = 1 << 20
COMMON = Packet(
    version=3,
    payload=SIP,
    family=2,
    ip_protocol=17,
    source=bytes([192, 0, 2, 1]),
    destination=bytes([192, 0, 2, 2]),
    source_port=5060,
    destination_port=5080,
    seconds=1_795_408_344,
    microseconds=775_048,
    protocol_type=1,
    capture_id=2004,
)


def refusal(data: bytes, max_payload_bytes: int = LIMIT) -> str:
    with pytest.raises(HepError) as error:
        decode_packet(data, max_payload_bytes)
    return error.value.reason


# ---- the common shapes ----


@pytest.mark.parametrize("order", [KAMAILIO, OPENSIPS, "1 2 3 4 8 7 9 a b c", "c b a 9 8 7 4 3 2 1"])
def test_order_of_chunks_makes_no_difference(order: str) -> None:
    assert decode_packet(a_hep3(order=order)) == COMMON


@pytest.mark.parametrize("order", ["1 2 5 6 7 8 9 a b c", "1 2 7 8 9 a b c 5 6", "5 1 2 7 8 9 a b c 6"])
def test_ipv6_addresses_are_sixteen_bytes(order: str) -> None:
    packet = decode_packet(a_hep3(order=order))

    assert packet.source == ip_address("2001:db8::1").packed
    assert packet.destination == ip_address("2001:db8::2").packed


@pytest.mark.parametrize("order", [KAMAILIO, OPENSIPS, "1 2 5 6 7 8 9 a b c", "1 2 7 8 9 a b c 5 6"])
def test_orders_met_in_practice_are_read_at_one_stroke(order: str) -> None:
    extra = (
        chunk(0xE, b"key"),
        chunk(0x11, b"cid"),
        chunk(0x13, b"node"),
        chunk(0x12, b"\0\x07"),
        chunk(0x20, b"\1\xb8"),
    )

    packet = read_common(a_hep3(*extra, order=order))

    assert packet is not None
    assert packet == read_any(a_hep3(*extra, order=order), LIMIT)
    assert (packet.auth_key, packet.correlation_id, packet.node_name) == (b"key", b"cid", b"node")
    assert (packet.vlan, packet.mos) == (7, 440)


def test_payload_need_not_be_last() -> None:
    packet = decode_packet(hep3(*common_chunks(OPENSIPS), chunk(0xF, SIP), chunk(0x11, b"cid")))

    assert (packet.payload, packet.correlation_id) == (SIP, b"cid")


def test_eep3_is_hep3() -> None:
    data = a_hep3()

    assert decode_packet(b"E" + data[1:]) == decode_packet(data) == COMMON


def test_capture_id_is_kept_as_sent_also_when_its_bytes_are_swapped() -> None:
    packet = decode_packet(hep3(chunk(0xC, bytes.fromhex("07d20000")), chunk(0xF, SIP)))

    assert packet.capture_id == 0x07D20000


# ---- rarer chunks ----


def test_every_chunk_with_a_field_is_read() -> None:
    packet = decode_packet(
        a_hep3(chunk(0x12, b"\x0f\xff"), chunk(0x17, b"\x18"), chunk(0x18, b"\xb8"), chunk(0x20, b"\x01\xb8"))
    )

    assert (packet.vlan, packet.tcp_flags, packet.tos, packet.mos) == (4095, 0x18, 0xB8, 440)


def test_chunks_without_a_field_are_kept_in_the_order_sent() -> None:
    packet = decode_packet(
        a_hep3(chunk(0x65, b"{}"), chunk(0, b"z"), chunk(0x26, b"t"), chunk(0x21, b"\0\x5d"))
    )

    assert packet.others == ((0, 0x65, b"{}"), (0, 0, b"z"), (0, 0x26, b"t"), (0, 0x21, b"\0\x5d"))
    assert packet.payload == SIP


def test_chunk_of_another_vendor_is_never_read_as_a_generic_one() -> None:
    foreign = [chunk(chunk_type, b"\xff\xff", vendor=2) for chunk_type in (1, 7, 0xF, 0x10, 0x11)]

    packet = decode_packet(hep3(*common_chunks(KAMAILIO), chunk(0xF, SIP), *foreign))

    assert packet.payload == SIP
    assert (packet.family, packet.source_port, packet.correlation_id) == (2, 5060, None)
    assert packet.others == tuple((2, chunk_type, b"\xff\xff") for chunk_type in (1, 7, 0xF, 0x10, 0x11))


@pytest.mark.parametrize(
    ("chunk_type", "body"),
    [
        (1, b"\0\2"),
        (3, b"abc"),
        (5, b"abcde"),
        (7, b"\1"),
        (9, b"12345678"),
        (0xB, b""),
        (0xC, b"\0\1"),
        (0x12, b"\1"),
    ],
)
def test_known_chunk_of_a_wrong_size_is_not_read_but_kept(chunk_type: int, body: bytes) -> None:
    packet = decode_packet(hep3(chunk(chunk_type, body), chunk(0xF, SIP)))

    assert packet == Packet(3, SIP, others=((0, chunk_type, body),))


def test_hfp_ping_with_mapped_addresses_in_ipv4_chunks_is_a_packet() -> None:
    mapped = ip_address("::ffff:192.168.0.1").packed
    data = hep3(chunk(1, b"\2"), chunk(2, b"\1"), chunk(3, mapped), chunk(4, mapped), chunk(0xF, b"HEP PING"))

    assert decode_packet(data) == Packet(
        3, b"HEP PING", family=2, ip_protocol=1, source=mapped, destination=mapped
    )


def test_empty_body_is_sent_and_a_missing_chunk_is_not() -> None:
    packet = decode_packet(a_hep3(chunk(0xE, b"")))

    assert packet.auth_key == b""
    assert packet.correlation_id is None


def test_of_two_chunks_of_one_type_the_later_counts() -> None:
    packet = decode_packet(a_hep3(chunk(0x11, b"one"), chunk(0x11, b"two"), chunk(0xF, b"first payload")))

    assert (packet.correlation_id, packet.payload) == (b"two", SIP)


@pytest.mark.parametrize("data", [hep3(), hep3(*common_chunks(KAMAILIO)), a_hep3(payload=b"")])
def test_packet_without_payload_is_a_packet(data: bytes) -> None:
    assert decode_packet(data).payload == b""


@pytest.mark.parametrize("payload", [b'{"payload": "INVITE sip:a SIP/2.0"}', a_hep3(), b"\r\n\r\n"])
def test_payload_is_never_taken_out_of_what_it_is_wrapped_in(payload: bytes) -> None:
    assert decode_packet(a_hep3(payload=payload)).payload == payload


# ---- compression ----


def test_compressed_payload_is_inflated_and_its_size_kept() -> None:
    stream = zlib.compress(SIP)

    packet = decode_packet(hep3(*common_chunks(OPENSIPS), chunk(0x10, stream)))

    assert (packet.payload, packet.compressed_bytes, packet.reading) == (SIP, len(stream), Reading.NONE)
    assert packet.others == ()


def test_compressed_payload_that_is_no_stream_is_kept_as_it_came() -> None:
    packet = decode_packet(hep3(chunk(0x10, b"no stream")))

    assert (packet.payload, packet.compressed_bytes) == (b"no stream", 9)
    assert packet.reading == Reading.NOT_INFLATED


def test_chunk_0x0010_beside_a_plain_payload_is_no_payload() -> None:
    packet = decode_packet(hep3(chunk(0x10, b"\0\0\0\x2a"), chunk(0x65, b"{}"), chunk(0xF, SIP)))

    assert (packet.payload, packet.compressed_bytes) == (SIP, None)
    assert packet.others == ((0, 0x10, b"\0\0\0\x2a"), (0, 0x65, b"{}"))


def test_payload_that_inflates_past_the_limit_is_refused() -> None:
    bomb = hep3(chunk(0x10, zlib.compress(bytes(60_000_000), 9)))

    assert len(bomb) < 65_536
    assert refusal(bomb) == "inflate"
    assert refusal(hep3(chunk(0x10, zlib.compress(bytes(1001)))), 1000) == "inflate"


@pytest.mark.parametrize("inner", [a_hep3(), legacy(1), legacy(2)])
def test_gzip_datagram_is_the_packet_inside(inner: bytes) -> None:
    assert decode_packet(gzip.compress(inner)) == decode_packet(inner)


def test_gzip_is_taken_off_once() -> None:
    assert refusal(gzip.compress(gzip.compress(a_hep3(), mtime=0))) == "magic"


@pytest.mark.parametrize(
    "data", [b"\x1f\x8b", gzip.compress(a_hep3(), mtime=0)[:-9], gzip.compress(bytes(65_536), mtime=0)]
)
def test_gzip_datagram_that_is_broken_or_too_large_is_refused(data: bytes) -> None:
    assert refusal(data) == "inflate"


# ---- what is forgiven, what is refused ----


def test_datagram_longer_than_its_length_field_is_read_to_that_length() -> None:
    packet = decode_packet(a_hep3() + chunk(0x11, b"beyond"))

    assert packet.reading == Reading.LONGER_THAN_LENGTH
    assert (packet.payload, packet.correlation_id) == (SIP, None)


@pytest.mark.parametrize("tail", [b"\0", b"\0\0\0\x11\0\x05", b"\0\0\0\x11\0\xff", b"\0\0\0\x11\0"])
def test_chunk_that_lies_after_the_payload_costs_only_what_follows(tail: bytes) -> None:
    packet = decode_packet(hep3(*common_chunks(KAMAILIO), chunk(0x11, b"cid"), chunk(0xF, SIP), tail))

    assert (packet.payload, packet.correlation_id, packet.reading) == (SIP, b"cid", Reading.CUT_CHUNK)


@pytest.mark.parametrize("tail", [b"\0", b"\0\0\0\x0f\0\x05", b"\0\0\0\x0f\0\xff", b"\0\0\0\x0f\0"])
def test_chunk_that_lies_before_any_payload_is_refused(tail: bytes) -> None:
    assert refusal(hep3(*common_chunks(KAMAILIO), tail)) == "chunk"


def test_chunks_without_end_are_refused_unless_the_payload_came_first() -> None:
    many = chunk(0x11, b"") * (MAX_CHUNKS + 1)

    assert refusal(hep3(many)) == "chunk"
    assert decode_packet(hep3(chunk(0xF, SIP), many)).reading == Reading.CUT_CHUNK
    assert decode_packet(hep3(chunk(0x11, b"") * MAX_CHUNKS)).reading == Reading.NONE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "short"),
        (b"H", "short"),
        (b"EEP", "short"),
        (b"HEP3\0", "short"),
        (b"\x01", "short"),
        (b"\x02\x10\x02", "short"),
        (b"HEP3\0\x05", "length"),
        (a_hep3()[:-1], "length"),
        (b"HEP2\0\x06", "magic"),
        (b"HELLO HFP", "magic"),
        (b"\x08\x01\x12\x02", "magic"),
        (b"\r\n\r\n", "magic"),
        (b"REGISTER sip:a SIP/2.0\r\n\r\n", "magic"),
    ],
)
def test_what_is_not_hep_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    assert refusal(data) == reason


@pytest.mark.parametrize("order", [KAMAILIO, OPENSIPS])
def test_every_cut_of_a_packet_is_refused_for_its_length(order: str) -> None:
    data = a_hep3(chunk(0x11, b"cid"), order=order)

    assert {refusal(data[:cut]) for cut in range(6, len(data))} == {"length"}


@pytest.mark.parametrize("order", [KAMAILIO, OPENSIPS])
def test_every_cut_with_an_honest_length_is_refused_but_between_chunks(order: str) -> None:
    data = a_hep3(order=order)
    between = {found.offset - 6 for found in walk(data)}

    for cut in range(6, len(data)):
        shortened = data[:4] + struct.pack(">H", cut) + data[6:cut]
        if cut in between:
            assert decode_packet(shortened).payload == b""
        else:
            assert refusal(shortened) == "chunk"


def test_error_names_the_place() -> None:
    with pytest.raises(HepError, match="chunk of 255 bytes, but 6 are left in the packet") as error:
        decode_packet(hep3(chunk(1, b"\2"), b"\0\0\0\x0f\0\xff"))

    assert error.value.offset == 17
