"""Start lines and CSeq."""

import pytest

from capture.sip.start import parse_cseq, parse_start


@pytest.mark.parametrize("line", ["SIP/2.0 486 Busy Here", "SIP/2.0 486 Busy Here\r"])
def test_status_line_gives_code_and_reason(line: str) -> None:
    assert parse_start(line) == (False, "486", "Busy Here", "", "", "", None)


@pytest.mark.parametrize("line", ["SIP/2.0 100 ", "SIP/2.0 100"])
def test_reason_phrase_may_be_missing(line: str) -> None:
    assert parse_start(line) == (False, "100", "", "", "", "", None)


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "NEWMETHOD", "!odd-Method_*+`.%'~"])
def test_request_line_gives_method_and_uri(method: str) -> None:
    read = parse_start(f"{method} sip:bob@example.com;lr SIP/2.0")

    assert read == (True, method, "", "sip:bob@example.com;lr", "bob", "example.com", None)


@pytest.mark.parametrize(
    ("line", "method", "ruri", "error"),
    [
        ("INVITE  sip:b@example.com  SIP/2.0", "INVITE", "sip:b@example.com", "blanks in start line"),
        ("INVITE sip:b@example.com SIP/2.0  ", "INVITE", "sip:b@example.com", "blanks in start line"),
        ("INVITE sip:b@example.com; lr SIP/2.0", "INVITE", "sip:b@example.com; lr", "blanks in start line"),
        ("INVITE <sip:b@example.com> SIP/2.0", "INVITE", "sip:b@example.com", "request URI in <>"),
        ("INVITE sip:b@example.com SIP/7.0", "INVITE", "sip:b@example.com", "version is not SIP/2.0"),
        ("INV(ITE sip:b@example.com SIP/2.0", "INV(ITE", "sip:b@example.com", "method is not a token"),
        ("INVITE SIP/2.0", "INVITE", "", "no request URI"),
    ],
)
def test_broken_request_line_is_read_and_named(line: str, method: str, ruri: str, error: str) -> None:
    is_request, read_method, _, read_uri, *_, read_error = parse_start(line)

    assert (is_request, read_method, read_uri, read_error) == (True, method, ruri, error)


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        ("SIP/2.0 4294967301 too large", "4294967301", "status is not three digits"),
        ("SIP/7.0 200 OK", "200", "version is not SIP/2.0"),
        ("sip/2.0 200 OK", "200", None),
    ],
)
def test_broken_status_line_is_read_and_named(line: str, status: str, error: str | None) -> None:
    read = parse_start(line)

    assert (read[0], read[1], read[-1]) == (False, status, error)


@pytest.mark.parametrize(
    "line",
    ["", "HEP PING", "SIP/2.0 OK", "SIP/2.0 \u0662\u0660\u0660 OK", "GET / HTTP/1.1", "Via: SIP/2.0/UDP a"],
)
def test_anything_else_is_no_start_line(line: str) -> None:
    assert parse_start(line) == (False, "", "", "", "", "", "no start line")


@pytest.mark.parametrize(
    ("cseq", "method", "error"),
    [
        ("1 INVITE", "INVITE", None),
        ("0009   INVITE", "INVITE", None),
        ("1\tINVITE", "INVITE", None),
        ("2147483647 INVITE", "INVITE", None),
        ("2147483648 INVITE", "INVITE", "CSeq number too large"),
        ("9" * 5000 + " INVITE", "INVITE", "CSeq number too large"),
        ("8 BYE", "BYE", "CSeq method differs from the request's"),
        ("8 invite", "INVITE", "CSeq method differs from the request's"),
        ("1INVITE", "INVITE", "CSeq is not a number and a method"),
        ("INVITE", "INVITE", "CSeq is not a number and a method"),
        ("1", "", "CSeq is not a number and a method"),
        ("1 INVITE x", "X", "CSeq is not a number and a method"),
        ("", "", None),
    ],
)
def test_cseq_is_a_number_and_the_method_of_the_request(cseq: str, method: str, error: str | None) -> None:
    assert parse_cseq(cseq, "INVITE") == (method, error)


def test_cseq_of_a_response_names_any_method() -> None:
    assert parse_cseq("8 BYE", "") == ("BYE", None)
