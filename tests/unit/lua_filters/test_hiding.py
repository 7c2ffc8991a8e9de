"""What scripts hide of a message is nowhere in what is stored of it."""

from importlib import resources

import pytest

from capture.interpret import Interpreter
from capture.revise import Reviser
from capture.settings import SipSettings
from tests.support.drafts import a_draft
from tests.support.filtering import Filter

NUMBER = b"+491701234567"
HEADERS = (
    b"From: %s;tag=1\r\n" % (b'"Call %s" <sip:%s@example.org;user=phone>' % (NUMBER, NUMBER)),
    b"f: <sip:%s@example.org>;tag=1\r\n" % NUMBER,
    b"Contact: <sip:%s@192.0.2.1:5060;transport=udp>;expires=60\r\n" % NUMBER,
    b"P-Asserted-Identity: <tel:%s>, <sip:%s@example.org>\r\n" % (NUMBER, NUMBER),
    b"Remote-Party-ID:\r\n <sip:%s@example.org>;party=calling\r\n" % NUMBER,
    b"Diversion: <sip:%s@example.org>;reason=unconditional\r\n" % NUMBER,
    b'Authorization: Digest username="%s", uri="sip:%s@example.com"\r\n' % (NUMBER, NUMBER),
    b"History-Info: <sip:%s@example.com>;index=1\r\n" % NUMBER,
)


def message(*headers: bytes, ruri: bytes = b"sip:bob@example.com") -> bytes:
    return (
        b"INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" % ruri
        + b"".join(headers)
        + b"To: <sip:bob@example.com>\r\nCall-ID: abc\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )


def stored(payload: bytes) -> str:
    """Everything that is stored of a message after mask_numbers.lua, tags and keys among it."""
    sip = SipSettings(custom_headers=("Diversion", "P-Asserted-Identity"), correlation_headers=())
    source = resources.files("lua_filters").joinpath("examples", "mask_numbers.lua").read_text()
    draft = Filter(source).run(a_draft(payload, sip=sip))
    packet, meaning, _ = Reviser(Interpreter(sip), lambda name: True).revise(draft, None)
    return f"{packet} {meaning}"


@pytest.mark.parametrize("header", HEADERS)
def test_number_is_nowhere_whichever_header_carries_it(header: bytes) -> None:
    sender = b"" if header.lower().startswith(b"f") else b"From: <sip:%s@example.org>;tag=1\r\n" % NUMBER

    text = stored(message(sender, header))

    assert NUMBER.decode().lstrip("+") not in text
    assert "567" in text


@pytest.mark.parametrize("ruri", [b"sip:%s@example.com;user=phone" % NUMBER, b"tel:%s" % NUMBER])
def test_number_is_nowhere_when_it_is_called(ruri: bytes) -> None:
    text = stored(message(HEADERS[1], ruri=ruri).replace(b"To: <sip:bob@", b"To: <sip:%s@" % NUMBER))

    assert NUMBER.decode().lstrip("+") not in text
