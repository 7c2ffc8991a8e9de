"""ISUP as JSON."""

import pytest

from capture.errors import MediaError
from capture.media.isup import IsupMessage, parse_isup


def test_fields_are_read() -> None:
    payload = (
        b'{"cic":12,"opc":"300","dpc":20,"msg_type":1,"msg_name":"IAM","called_number":{"num":"4930","inn":0},'
        b'"calling_number":{"num":"4989"}}'
    )

    assert parse_isup(payload) == IsupMessage(12, 20, 300, "IAM", "4930", "4989")


@pytest.mark.parametrize(("opc", "dpc"), [(b"300", b"20"), (b"20", b"300"), (b'"20"', b"300.0")])
def test_session_is_the_same_in_both_directions(opc: bytes, dpc: bytes) -> None:
    message = parse_isup(b'{"cic":12,"opc":%s,"dpc":%s}' % (opc, dpc))

    assert message.session_id == "20:300:12"


def test_words_without_quotes_are_read_as_hepgen_sends_them() -> None:
    message = parse_isup(b'{"cic":haisjevm5s,"msg_type":6,"msg_name":"ACM","opc":7pwj5bzai,"dpc":vkxqw5mr}')

    assert message == IsupMessage("haisjevm5s", "vkxqw5mr", "7pwj5bzai", "ACM")
    assert message.session_id == "7pwj5bzai:vkxqw5mr:haisjevm5s"


@pytest.mark.parametrize(
    "payload", [b"{}", b'{"cic":1,"opc":2}', b'{"cic":null,"opc":2,"dpc":3}', b'{"cic":[],"opc":2,"dpc":3}']
)
def test_session_needs_circuit_and_both_points(payload: bytes) -> None:
    assert parse_isup(payload).session_id is None


def test_circuit_zero_is_a_circuit() -> None:
    assert parse_isup(b'{"cic":0,"opc":0,"dpc":3}').session_id == "0:3:0"


@pytest.mark.parametrize("payload", [b"", b"\x01\x00", b'{"cic":'])
def test_anything_else_is_an_error(payload: bytes) -> None:
    with pytest.raises(MediaError):
        parse_isup(payload)
