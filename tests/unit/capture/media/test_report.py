"""Quality reports."""

import pytest

from capture.errors import MediaError
from capture.media.report import QualityReport, parse_report

VQ = (
    b"VQSessionReport: CallTerm\r\nLocalMetrics:\r\nTimestamps:START=2015-02-28T21:04:31Z STOP=x\r\n"
    b"CallID: media@192.0.2.1\r\nQualityEst:RLQ=88 MOSLQ=4.1 MOSCQ=4.0\r\n"
)


@pytest.mark.parametrize(
    ("payload", "call", "mos"),
    [
        (b'{"CORRELATION_ID":"a","RTP_SIP_CALL_ID":"b","MOS":4.409}', "a", 4.409),
        (b'{"RTP_SIP_CALL_ID":"b_b2b-1","MOS":"4.1"}', "b_b2b-1", 4.1),
        (b'{"CORRELATION_ID":"","INC_CALL_ID":"c","MOS":440}', "c", 4.4),
        (b'{"callid":"d","MOS":0}', "d", None),
        (b'{"NAME":"sbc","MOS":50000}', None, None),
        (b"{}", None, None),
    ],
)
def test_json_names_its_call(payload: bytes, call: str | None, mos: float | None) -> None:
    assert parse_report(payload) == QualityReport(call, mos)


def test_vq_rtcpxr_names_the_reported_call() -> None:
    assert parse_report(VQ) == QualityReport("media@192.0.2.1", 4.1, is_json=False)


def test_vq_rtcpxr_inside_its_publish_does_not_name_the_publish() -> None:
    publish = b"PUBLISH sip:c@example.com SIP/2.0\r\nCall-ID: publish@192.0.2.1\r\n\r\n" + VQ

    assert parse_report(publish).session_id == "media@192.0.2.1"


def test_vq_rtcpxr_may_name_no_call() -> None:
    assert parse_report(b"VQIntervalReport\r\nLocalMetrics:\r\n") == QualityReport(None, None, is_json=False)


@pytest.mark.parametrize("payload", [b"", b"text", b'{"a": [', b"\x01\x00\x06\x01"])
def test_anything_else_is_an_error(payload: bytes) -> None:
    with pytest.raises(MediaError):
        parse_report(payload)
