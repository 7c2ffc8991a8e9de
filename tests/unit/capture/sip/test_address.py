"""Addresses and URIs, well-formed and as they come."""

import pytest

from capture.sip.address import Address, Uri, parse_address, parse_uri


@pytest.mark.parametrize(
    ("uri", "user", "domain", "port"),
    [
        ("sip:alice@example.com", "alice", "example.com", ""),
        ("sips:alice@example.com:5061;transport=tcp", "alice", "example.com", "5061"),
        ("SIP:Alice@Example.COM", "Alice", "Example.COM", ""),
        ("sip:example.com", "", "example.com", ""),
        ("sip:example.com:5070;lr", "", "example.com", "5070"),
        ("sip:alice:secret@example.com", "alice", "example.com", ""),
        ("sip:+49301;phone-context=x@a.example;user=phone", "+49301;phone-context=x", "a.example", ""),
        ("sip:user;par=u%40example.net@example.com", "user;par=u%40example.net", "example.com", ""),
        ("sip:a%20b?c/d@example.com?subject=x", "a%20b?c/d", "example.com", ""),
        ("sip:alice@[2001:db8::1]", "alice", "[2001:db8::1]", ""),
        ("sip:alice@[2001:db8::1]:5062;lr", "alice", "[2001:db8::1]", "5062"),
        ("sip:[2001:db8::1]:5062", "", "[2001:db8::1]", "5062"),
        ("tel:+1-201-555-0123;phone-context=example.com", "+1-201-555-0123", "", ""),
        ("TEL:112", "112", "", ""),
        ("urn:service:sos", "service:sos", "", ""),
        ("im:alice@example.com", "alice", "example.com", ""),
        ("http://www.example.com/path", "", "www.example.com", ""),
        ("isbn:2983792873", "2983792873", "", ""),
    ],
)  # fmt: skip
def test_well_formed_uri_is_read_as_sent(uri: str, user: str, domain: str, port: str) -> None:
    assert parse_uri(uri) == Uri(user, domain, port)


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("sip:alice@home@example.com", Uri("alice@home", "example.com", "", "@ in user")),
        ("sip:alice@", Uri("alice", "", "", "URI without host")),
        ("sip:", Uri("", "", "", "URI without host")),
        ("alice@example.com", Uri("alice", "example.com", "", "URI without scheme")),
        ("sip:alice@example.com:port", Uri("alice", "example.com", "", "port is not a number")),
        (" sip:alice@example.com ", Uri("alice", "example.com", "", "blank in URI")),
        ("sip:alice@[2001:db8::1", Uri("alice", "[2001:db8::1", "", "unclosed [")),
    ],
)
def test_broken_uri_is_read_as_far_as_it_goes(uri: str, read: Uri) -> None:
    assert parse_uri(uri) == read


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:alice@example.com:5070>", ""),
        ("<sip:alice@example.com:5070>;tag=1", "1"),
        ("<sip:alice@example.com:5070;tag=uri>;tag=header", "header"),
        ("sip:alice@example.com:5070;tag=1", "1"),
        ("Alice<sip:alice@example.com:5070>;x=y;tag=1;z", "1"),
        ('"Alice"<sip:alice@example.com:5070> ;  TAG = 1 ; x', "1"),
        ('"A \\" <sip:evil@example.net>" <sip:alice@example.com:5070>;tag=1', "1"),
        ('<sip:alice@example.com:5070>;x="a;tag=evil\\"";tag=1', "1"),
        ("sip:alice@example.com:5070, <sip:bob@example.net>;tag=2", ""),
        ("<sip:alice@example.com:5070>;q=1, <sip:bob@example.net>;tag=2", ""),
    ],
)
def test_first_address_and_its_tag_are_read(value: str, tag: str) -> None:
    assert parse_address(value) == Address("alice", "example.com", "5070", tag)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ('"Alice <sip:alice@example.com>', "unbalanced quote"),
        ('"J. \\\\"Bob\\\\" Doe" <sip:alice@example.com>', "text behind the quoted name"),
        ('Al "x" ice <sip:alice@example.com>', "quote inside the name"),
        ("Bell, Alexander <sip:alice@example.com>", "display name without quotes"),
        ("<sip:alice@example.com", "unclosed <"),
        ("< sip:alice@example.com >", "blank in URI"),
        ("sip:alice@example.com?Route=x", "URI with ? outside <>"),
        ("<sip:alice@example.com>;;", "empty parameter"),
        ('"Alice" sip:alice@example.com', "text behind the quoted name"),
    ],
)
def test_broken_address_is_read_and_named(value: str, error: str) -> None:
    assert parse_address(value) == Address("alice", "example.com", "", "", error)


@pytest.mark.parametrize("value", ["", "*"])
def test_no_address_is_empty(value: str) -> None:
    assert parse_address(value) == Address()
