"""Quality reports: RTP agents (types 34, 35), horaclifix (38), and vq-rtcpxr as text (35, 99).

Source: hep-protocol 13; RFC 6035 4.6 (vq-rtcpxr). Two forms, told apart by the first byte: a JSON object, or
lines `Name: KEY=value …`, alone or as the body of the PUBLISH that carried them.
"""

import re

import msgspec

from capture.errors import MediaError
from capture.media.lenient import read_number, read_object, read_text
from capture.text import to_text

_CALL_KEYS = ("CORRELATIONID", "RTPSIPCALLID", "CALLID", "SIPCALLID", "INCCALLID")
"""Keys that name a call, in capitals and without what separates their words, the best first."""
_NOT_LETTER = re.compile(r"[^A-Z]")

# The reported call: not the Call-ID of the PUBLISH, whose name has a hyphen.
_CALL_LINE = re.compile(r"^CallID[ \t]*+:[ \t]*+(\S++)", re.IGNORECASE | re.MULTILINE)
_REPORT_LINE = re.compile(r"^VQ(?:Session|Interval|Alert)Report\b", re.IGNORECASE | re.MULTILINE)
_MOS_VALUE = re.compile(r"\bMOSLQ=([0-9.]{1,8})")


class QualityReport(msgspec.Struct, frozen=True, gc=False):
    """What a report says of a call."""

    session_id: str | None = None
    """The Call-ID it reports on; RTP agents may have `_b2b-1` at its end."""
    mos: float | None = None
    """1.0 to 5.0."""
    is_json: bool = True


def parse_report(payload: bytes) -> QualityReport:
    """MediaError when the payload is neither JSON nor vq-rtcpxr."""
    if payload.lstrip()[:1] == b"{":
        return _parse_json(payload)
    text = to_text(payload.rstrip(b"\0"))
    call = _CALL_LINE.search(text)
    if call is None and _REPORT_LINE.search(text) is None:
        raise MediaError("form", "neither a JSON object nor vq-rtcpxr")
    mos = _MOS_VALUE.search(text)
    return QualityReport(call[1] if call else None, _mos(mos[1] if mos else None), is_json=False)


def _parse_json(payload: bytes) -> QualityReport:
    report = read_object(payload)
    named = {_NOT_LETTER.sub("", key.upper()): value for key, value in report.items()}
    calls = (read_text(named.get(key)) for key in _CALL_KEYS)
    return QualityReport(next(filter(None, calls), None), _mos(report.get("MOS")))


def _mos(value: object) -> float | None:
    """horaclifix and its likes send MOS × 100; anything out of 1 to 5 is no MOS."""
    mos = read_number(value)
    if mos is not None and mos >= 100:
        mos /= 100
    return mos if mos is not None and 1 <= mos <= 5 else None
