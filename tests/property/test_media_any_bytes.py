"""Any bytes give a media result or MediaError, and none costs much more than an honest one of its size."""

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.errors import MediaError
from capture.media.dns import DnsMessage, parse_dns
from capture.media.isup import IsupMessage, parse_isup
from capture.media.log import LogLine, parse_log
from capture.media.report import QualityReport, parse_report
from capture.media.rtcp import RtcpReport, parse_rtcp

PARSERS: list[Callable[[bytes], RtcpReport | QualityReport | IsupMessage | LogLine | DnsMessage]] = [
    parse_rtcp,
    parse_report,
    parse_isup,
    parse_log,
    parse_dns,
]
PIECES = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b'"',
        b"\\",
        b" ",
        b"\0",
        b"\xff",
        b"1e999",
        b"NaN",
        b"-",
        b"9" * 30,
    ),
    *(b'"cic":', b'"opc":', b'"dpc":', b'"text":', b'"MOS":', b'"CORRELATION_ID":', b'"report_blocks":'),
    *(b'"\\ud800\\u0000"', b"null", b"true", b"word", b"ID=", b"\xc2\xab", b"\xc2\xbb", b": [", b"\nCallID:"),
    b"\x80\xc8\0\6",
]
values = st.recursive(
    st.sampled_from([b"null", b"true", b"7", b"-1.5", b'"x"', b'"\\ud800\\u0000"', b"word", b"1e999"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: b"[" + b",".join(items) + b"]"),
    max_leaves=5,
)
keys = st.sampled_from(
    [
        *(
            b"cic",
            b"opc",
            b"dpc",
            b"msg_name",
            b"called_number",
            b"num",
            b"text",
            b"Event",
            b"MOS",
            b"qr",
            b"id",
        ),
        *(b"CORRELATION_ID", b"CALL_ID", b"report_blocks", b"sender_information", b"ssrc", b"questions"),
    ]
)
objects = st.lists(st.tuples(keys, values), max_size=8).map(
    lambda pairs: b"{" + b",".join(b'"%s":%s' % pair for pair in pairs) + b"}"
)
payloads = st.binary(max_size=200) | objects | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
LIMIT = 65_000


@pytest.mark.parametrize("parse", PARSERS)
@settings(max_examples=150)
@given(payload=payloads)
def test_any_bytes_give_a_result_or_a_media_error(
    parse: Callable[[bytes], RtcpReport | LogLine], payload: bytes
) -> None:
    try:
        result = parse(payload)
    except MediaError:
        return
    for text in (result.session_id, *map(str, (getattr(result, name) for name in result.__struct_fields__))):
        assert text is None or "\0" not in text
        (text or "").encode()


HOSTILE = {
    "brackets": b'{"a":' + b"[" * LIMIT,
    "braces": b"{" * LIMIT,
    "open objects": b'{"a":' * (LIMIT // 5),
    "escaped quotes": b"{" + b'\\"' * (LIMIT // 2),
    "quotes": b"{" + b'"' * LIMIT,
    "digits": b'{"cic":' + b"9" * LIMIT + b"}",
    "words": b'{"cic":' + b"a " * (LIMIT // 2) + b"}",
    "one word": b'{"cic":' + b"a" * LIMIT,
    "keys": b"{" + b",".join(b'"%d":1' % n for n in range(LIMIT // 9)) + b"}",
    "open calls": "ID=«".encode() * (LIMIT // 5),
    "open brackets": b": [" * (LIMIT // 3),
    "line of names": b"CallID" * (LIMIT // 6),
    "names and blanks": b"\nCallID   " * (LIMIT // 10),
    "blanks": b"CallID" + b" " * LIMIT,
    "NULs": b"\0" * LIMIT,
}


def cost_s(parse: Callable[[bytes], object], payload: bytes) -> float:
    """The best of several runs, because other processes share the processor."""
    best = float("inf")
    for _ in range(7):
        started = time.perf_counter()
        with contextlib.suppress(MediaError):
            parse(payload)
        best = min(best, time.perf_counter() - started)
    return best


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_payload_costs_no_more_than_a_few_honest_ones(name: str) -> None:
    block = b'{"source_ssrc":1,"fraction_lost":2,"packets_lost":3,"highest_seq_no":4,"ia_jitter":5,"lsr":"6"}'
    honest = b'{"report_blocks":[' + b",".join([block] * (LIMIT // len(block))) + b"]}"
    limit = 15 * cost_s(parse_rtcp, honest)

    for parse in PARSERS:
        assert cost_s(parse, HOSTILE[name]) < limit
