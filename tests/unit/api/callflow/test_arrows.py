"""The labels of arrows."""

import pytest

from api.callflow.arrows import Label, head_of, label_of


@pytest.mark.parametrize(
    ("protocol_type", "fields", "label"),
    [
        (1, {"method": "INVITE"}, Label("INVITE", "INVITE")),
        (1, {"method": ""}, Label("Generic", "generic")),
        (5, {}, Label("RTCP", "RTCP")),
        (34, {}, Label("Report RTP", "Report RTP")),
        (54, {"msg_name": "IAM"}, Label("IAM", "IAM")),
        (54, {}, Label("ISUP", "ISUP message")),
        (100, {"event": "hangup"}, Label("hangup", "hangup")),
        (77, {}, Label("Generic", "generic")),
    ],
)
def test_last_name_that_a_message_has_is_its_label(protocol_type, fields, label):
    assert label_of(protocol_type, fields) == label


def test_head_is_cut_by_bytes_and_is_text_all_the_same():
    assert head_of(b"OPTIONS" + b"\xc3\xbc" * 40) == "OPTIONS" + "ü" * 21 + "\ufffd"
    assert head_of(b"OK\0\0") == "OK"
