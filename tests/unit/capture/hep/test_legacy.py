from ipaddress import ip_address

import pytest

from capture.errors import HepError
from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from tests.support.hep_bytes import SIP, legacy


def test_hepv1_has_addresses_and_payload_but_no_time_type_or_id() -> None:
    assert decode_packet(legacy(1)) == Packet(
        version=1,
        payload=SIP,
        family=2,
        ip_protocol=17,
        source=bytes([192, 0, 2, 1]),
        destination=bytes([192, 0, 2, 2]),
        source_port=5060,
        destination_port=5080,
    )


def test_hepv2_time_block_is_little_endian_and_twelve_bytes_long() -> None:
    packet = decode_packet(legacy(2, padding=b"\xbf\xc1"))

    assert (packet.seconds, packet.microseconds, packet.capture_id) == (1_795_408_344, 775_048, 2004)
    assert packet.payload == SIP


def test_time_block_of_the_reference_is_read_as_it_says() -> None:
    block = bytes.fromhex("d8c1036b88d30b00d4070000")

    packet = decode_packet(legacy(1, payload=block + SIP).replace(b"\x01", b"\x02", 1))

    assert (packet.seconds, packet.microseconds, packet.capture_id) == (1_795_408_344, 775_048, 2004)


@pytest.mark.parametrize("header_length", [0, 1, 16, 28, 40, 255])
def test_header_length_byte_makes_no_difference(header_length: int) -> None:
    assert decode_packet(legacy(2, header_length=header_length)) == decode_packet(legacy(2))


@pytest.mark.parametrize("family", [10, 24, 26, 28, 30])
@pytest.mark.parametrize("version", [1, 2])
def test_ipv6_family_of_any_system_gives_sixteen_byte_addresses(version: int, family: int) -> None:
    packet = decode_packet(
        legacy(version, source="2001:db8::1", destination="2001:db8::2", family=family, header_length=40)
    )

    assert packet.family == family
    assert packet.source == ip_address("2001:db8::1").packed
    assert packet.destination == ip_address("2001:db8::2").packed
    assert packet.payload == SIP


def test_trailing_nuls_stay_in_the_payload() -> None:
    assert decode_packet(legacy(2, payload=SIP + bytes(8))).payload == SIP + bytes(8)


@pytest.mark.parametrize(("version", "header"), [(1, 16), (2, 28)])
def test_header_without_payload_is_a_packet_and_one_byte_less_is_not(version: int, header: int) -> None:
    data = legacy(version, payload=b"")

    assert len(data) == header
    assert decode_packet(data).payload == b""
    for cut in range(1, header):
        with pytest.raises(HepError) as error:
            decode_packet(data[:cut])
        assert error.value.reason == "short"


def test_unknown_address_family_is_not_hep() -> None:
    with pytest.raises(HepError, match="begins like HEPv2, but with address family 7") as error:
        decode_packet(legacy(2, family=7))

    assert error.value.reason == "magic"
