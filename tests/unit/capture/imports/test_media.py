"""RTCP out of a capture file, and the call that it is of."""

import struct
from pathlib import Path

import pytest

from capture.imports.media import MOST_ENDS, End, MediaEnds
from capture.media.rtcp import parse_rtcp
from capture.pcap.dissect import Carried
from tests.support.frames import ipv4, udp
from tests.support.importing import INVITE, a_file, import_file, packets_of

ALICE, BOB = b"\xc0\x00\x02\x0a", b"\xc0\x00\x02\x14"
RECEIVER_REPORT = struct.pack("!BBHIIIIIII", 0x81, 201, 7, 1, 2, 0, 3, 4, 5, 6)
"""One block, of a receiver 1 about a source 2."""


def with_sdp(*lines: bytes, call_id: bytes = b"import-1@192.0.2.10") -> bytes:
    head = b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    body = head + b"".join(line + b"\r\n" for line in lines)
    length = b"Content-Type: application/sdp\r\nContent-Length: %d" % len(body)
    message = INVITE.replace(b"Content-Length: 0", length).replace(b"import-1@192.0.2.10", call_id)
    return message + body


def found(source_port: int = 1, destination_port: int = 1, source: bytes = BOB) -> Carried:
    destination = ALICE if source == BOB else BOB
    return Carried(RECEIVER_REPORT, source, destination, source_port, destination_port, 17)


@pytest.mark.parametrize(
    ("lines", "ports"),
    [
        ([b"m=audio 40000 RTP/AVP 0"], [40001]),
        ([b"m=audio 40000 RTP/AVP 0", b"a=rtcp:40777"], [40777]),
        ([b"m=audio 40000 RTP/AVP 0", b"a=rtcp-mux"], [40000, 40001]),
        ([b"m=audio 40000 RTP/AVP 0", b"m=video 50000 RTP/AVP 99"], [40001, 50001]),
    ],
)
def test_end_is_where_the_description_says_that_rtcp_goes(lines: list[bytes], ports: list[int]) -> None:
    ends = MediaEnds()

    ends.note(with_sdp(*lines))

    expected = End("import-1@192.0.2.10", is_secret=False)
    assert [ends.of(found(destination_port=port)) for port in ports] == [expected] * len(ports)
    assert ends.of(found(source=ALICE, source_port=ports[0])) == expected
    assert ends.of(found(destination_port=39_999)) is None


@pytest.mark.parametrize(
    "line", [b"m=audio 0 RTP/AVP 0", b"m=audio x RTP/AVP 0", b"c=IN IP4 host.example\r\nm=audio 1 RTP/AVP 0"]
)
def test_medium_without_a_port_or_address_has_no_end(line: bytes) -> None:
    ends = MediaEnds()

    ends.note(with_sdp(line))

    assert ends.of(found(destination_port=1)) is None


def test_newest_call_has_an_end_that_two_have_named() -> None:
    ends = MediaEnds()
    ends.note(with_sdp(b"m=audio 40000 RTP/AVP 0"))
    ends.note(with_sdp(b"m=audio 40000 RTP/AVP 0", call_id=b"later"))

    end = ends.of(found(destination_port=40001))

    assert end is not None
    assert end.call_id == "later"


def test_ends_of_old_calls_are_forgotten() -> None:
    ends = MediaEnds()
    ends.note(with_sdp(b"m=audio 9 RTP/AVP 0"))
    many = [b"m=audio %d RTP/AVP 0" % port for port in range(1000, 1250)]
    for number in range(MOST_ENDS // len(many) + 1):
        address = b"c=IN IP4 10.0.%d.%d" % divmod(number, 256)
        ends.note(with_sdp(*(part for line in many for part in (line, address))))

    assert ends.of(found(destination_port=10)) is None


def test_rtcp_is_imported_as_captured_with_the_call_it_is_of(tmp_path: Path) -> None:
    frames = [
        ipv4(udp(with_sdp(b"m=audio 40000 RTP/AVP 0"))),
        ipv4(udp(RECEIVER_REPORT, 7, 40001), source="192.0.2.20", destination="192.0.2.10"),
        ipv4(udp(RECEIVER_REPORT, 7, 41111), source="192.0.2.20", destination="192.0.2.10"),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    _, of_call, of_none = packets_of(tmp_path / "data")
    assert result.report.inserted == 3
    assert (of_call.protocol_type, of_call.payload) == (5, RECEIVER_REPORT)
    assert of_call.correlation_id == b"import-1@192.0.2.10"
    assert of_none.correlation_id is None
    assert parse_rtcp(of_call.payload).blocks[0].source_ssrc == 2


def test_rtcp_of_secret_media_is_counted_and_not_imported(tmp_path: Path) -> None:
    frames = [
        ipv4(udp(with_sdp(b"m=audio 40000 RTP/SAVP 0"))),
        ipv4(udp(RECEIVER_REPORT, 7, 40001), source="192.0.2.20", destination="192.0.2.10"),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert result.report.inserted == 1
    assert result.report.passed_over == {"datagrams of SRTCP": 1}
