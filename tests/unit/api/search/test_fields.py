"""Homer's ids against what the code that reads messages knows."""

import pytest

from api.search.fields import HOMER_FIELDS, SIP_FIELDS, class_fields
from capture.route import MessageClass
from capture.sip.message import SipMessage

FROM_TIME = {"time_seconds", "time_useconds", "create_date"}
SET_BY_SCRIPTS_ONLY = {"custom:protocol"}


def test_every_sip_field_is_one_of_a_parsed_message() -> None:
    internal = {field.internal for field in SIP_FIELDS.values()}

    assert internal - SET_BY_SCRIPTS_ONLY <= set(SipMessage.__struct_fields__)


@pytest.mark.parametrize(
    "homer_id",
    [
        "sid",
        "raw",
        "id",
        "create_date",
        "protocol_header.srcIp",
        "protocol_header.dstPort",
        "protocol_header.correlation_id",
        "protocol_header.captureId",
        "data_header.ruri_domain",
        "data_header.to_tag",
        "data_header.contact_user",
        "data_header.pid_user",
        "data_header.auth_user",
        "data_header.via",
        "data_header.proto",
        "data_header.cic",
    ],
)
def test_field_that_homer_stores_is_known(homer_id: str) -> None:
    assert homer_id in HOMER_FIELDS


def test_custom_headers_are_fields_of_sip_only() -> None:
    call = class_fields(MessageClass.CALL, ["X-CID"])

    assert call["data_header.X-CID"].internal == "custom:X-CID"
    assert "data_header.X-CID" not in class_fields(MessageClass.RTCP, ["X-CID"])


@pytest.mark.parametrize("message_class", MessageClass)
def test_what_scripts_set_is_a_field_of_every_class(message_class: MessageClass) -> None:
    fields = class_fields(message_class, ["X-CID"], ["customer", "X-CID"])

    assert fields["data_header.customer"].internal == "custom:customer"
    assert fields["data_header.X-CID"].internal == "custom:X-CID"


def test_custom_header_does_not_hide_a_standard_field() -> None:
    fields = class_fields(MessageClass.CALL, ["method"], ["from_user"])

    assert fields["data_header.method"].internal == "method"
    assert fields["data_header.from_user"].internal == "from_user"


def test_class_knows_only_its_own_fields() -> None:
    assert "data_header.cic" not in class_fields(MessageClass.CALL)
    assert "data_header.from_user" not in class_fields(MessageClass.ISUP)
    assert "data_header.proto" in class_fields(MessageClass.LOG)
