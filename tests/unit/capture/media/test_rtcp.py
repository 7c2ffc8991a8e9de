"""RTCP as JSON and as packets."""

import struct

import pytest

from capture.errors import MediaError
from capture.media.rtcp import ReportBlock, RtcpReport, is_binary_rtcp, parse_rtcp


def test_json_of_any_agent_gives_the_same_report() -> None:
    rtpengine = (
        b'{ "sender_information":{"ntp_timestamp_sec":1,"octets":8000,"packets":50},"ssrc":9,"type":200,'
        b'"report_blocks":[{"source_ssrc":4,"fraction_lost":12,"packets_lost":16777214,"highest_seq_no":65569,'
        b'"ia_jitter":7,"lsr":305419896,"dlsr":65536}] } '
    )
    asterisk = (
        b'{"type":200,"ssrc":"9","sender_information":{"octets":"8000","packets":50},"report_blocks":'
        b'[{"source_ssrc":4,"fraction_lost":12,"packets_lost":-2,"highest_seq_no":65569,"ia_jitter":7,'
        b'"lsr":"305419896","dlsr":65536}]}'
    )

    report = RtcpReport(200, 9, 50, 8000, (ReportBlock(4, 12, -2, 65569, 7, 305419896, 65536),))

    assert parse_rtcp(rtpengine) == report
    assert parse_rtcp(asterisk) == report
    assert report.session_id is None


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b'{"report_blocks": null, "sender_information": null}',
        b'{"report_blocks": [1], "sender_information": 2}',
    ],
)
def test_missing_keys_leave_nothing(payload: bytes) -> None:
    assert parse_rtcp(payload) == RtcpReport()


def a_sender_report(blocks: int = 1) -> bytes:
    block = struct.pack("!IIIIII", 4, 12 << 24 | 0xFFFFFE, 65569, 7, 305419896, 65536)
    words = 6 + 6 * blocks
    return struct.pack("!BBHIIIIII", 0x80 | blocks, 200, words, 9, 1, 2, 3, 50, 8000) + block * blocks


def test_packet_itself_is_read() -> None:
    block = ReportBlock(4, 12, -2, 65569, 7, 305419896, 65536)

    assert parse_rtcp(a_sender_report()) == RtcpReport(200, 9, 50, 8000, (block,), is_binary=True)
    assert len(parse_rtcp(a_sender_report(3)).blocks) == 3


def test_receiver_report_of_a_compound_ends_at_its_length() -> None:
    first = struct.pack("!BBHI", 0x81, 201, 1, 9)

    assert parse_rtcp(first + a_sender_report()) == RtcpReport(201, 9, is_binary=True)


def test_cut_packet_is_read_as_far_as_it_goes() -> None:
    whole = a_sender_report(2)

    assert [len(parse_rtcp(whole[:size]).blocks) for size in (8, 27, 28, 51, 52, 75, 76)] == [
        0,
        0,
        0,
        0,
        1,
        1,
        2,
    ]


@pytest.mark.parametrize("payload", [b"", b"\x80\xc8\0", b"text", b"[]"])
def test_anything_else_is_an_error(payload: bytes) -> None:
    with pytest.raises(MediaError):
        parse_rtcp(payload)


@pytest.mark.parametrize(
    ("payload", "is_rtcp"), [(b"\x80\xc8", True), (b"\x80\x08", False), (b"\x80", False), (b"{}", False)]
)
def test_binary_form_is_recognised(payload: bytes, is_rtcp: bool) -> None:
    assert is_binary_rtcp(payload) is is_rtcp
