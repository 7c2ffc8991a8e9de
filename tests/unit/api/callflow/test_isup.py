"""ISUP bodies made readable."""

from api.callflow.isup import with_readable_isup

HEAD = b"INVITE sip:b SIP/2.0\r\nContent-Type: "


def test_isup_body_becomes_hexadecimal():
    payload = HEAD + b"application/ISUP; version=itu-t92+\r\n\r\n\x01\xab\x00"

    assert with_readable_isup(payload) == HEAD + b"application/ISUP; version=itu-t92+\r\n\r\n01 AB 00"


def test_isup_part_ends_at_its_boundary():
    before = HEAD + b"multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
    part = b"--x\r\nContent-Type: application/isup\r\n\r\n"

    shown = with_readable_isup(before + part + b"\x01\r\n\x02\r\n--x--\r\n")

    assert shown == before + part + b"01 0D 0A 02\r\n--x--\r\n"


def test_anything_else_stays_as_it_is():
    for payload in (HEAD + b"application/sdp\r\n\r\nv=0", HEAD + b"application/isup", b""):
        assert with_readable_isup(payload) is payload
