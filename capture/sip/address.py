"""SIP addresses: a header's first address and its tag, and URIs.

Source: RFC 3261 19.1 and 25.1 (name-addr, addr-spec); RFC 3966 (tel). Everything is left as sent: escapes,
case, the brackets of an IPv6 host (`IPv6reference` has them). What is not well-formed is read all the same,
and named.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from capture.sip.grammar import BLANKS, QUOTED_STRING, SCANNED_CHARS

CACHE_ENTRIES = 4096
"""Callers limit what they have remembered: 4,096 entries of at most 4 kB are 16 MB."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*+")
_TAG = re.compile(r";\s*+tag\s*+=\s*+([^;,\s]*+)", re.IGNORECASE)


class Uri(NamedTuple):
    """`tel:` has its number as user and no domain; an opaque URI (`urn:service:sos`) is all user."""

    user: str = ""
    domain: str = ""
    port: str = ""
    error: str | None = None


class Address(NamedTuple):
    """The first address of a header."""

    user: str = ""
    domain: str = ""
    port: str = ""
    tag: str = ""
    error: str | None = None


NO_ADDRESS = Address()
"""Of a header that is not there."""

# One stroke for what nearly every message has; what differs in anything is read step by step.
_USUAL = re.compile(
    r"""(?:"[^"\\<]*+"\ ?|[A-Za-z0-9\-.!%*_+`'~\ ]*+)
    <sips?:([^@:;>?\s"<,]++)@([^@:;>?\s"<,\[\]]++)(?::([0-9]++))?(?:;[^>"?\s@]*+)?>
    (?:;tag=([^;,\s"=]++))?""",
    re.VERBOSE,
).fullmatch


def parse_address(value: str) -> Address:
    """The first address of `"Name" <uri>;params`, `Name <uri>` or `uri;params`, in a list or alone."""
    usual = _USUAL(value)
    if usual is not None:
        return Address(*usual.groups(""))
    return read_address(value)


def read_address(value: str) -> Address:
    """The same, step by step, of anything."""
    error = None
    before, bracket, rest = value.partition("<")
    if value.startswith('"'):
        quoted = QUOTED_STRING.match(value)
        if quoted and quoted[1]:
            # Searching goes on behind the name: it may hold a "<" of its own.
            value = value[quoted.end() :]
            before, bracket, rest = value.partition("<")
            if before.strip(BLANKS):
                error = "text behind the quoted name"
        else:
            error = "unbalanced quote"
    elif "," in before:
        first = before.partition(",")[0]
        if ":" in first:
            return _parse_bare(first)
        error = "display name without quotes"
    elif bracket and '"' in before:
        error = "quote inside the name"
    if not bracket:
        return _parse_bare(value, error)
    text, closed, params = rest.partition(">")
    if not closed:
        error = error or "unclosed <"
        params = ""
    uri = parse_uri(text)
    return _with_params(uri, params, error or uri.error)


def _parse_bare(value: str, error: str | None = None) -> Address:
    """An address without "<": what follows ";" belongs to the header, not to the URI (RFC 3261 20)."""
    text, semicolon, params = value.partition(";")
    text, comma, _ = text.partition(",")
    text = text.strip(BLANKS)
    if text in ("", "*"):
        return Address(error=error)
    uri = parse_uri(text)
    if "?" in text:
        error = error or "URI with ? outside <>"
    return _with_params(uri, "" if comma else semicolon + params, error or uri.error)


def _with_params(uri: Uri, params: str, error: str | None) -> Address:
    if not params:
        return Address(uri.user, uri.domain, uri.port, "", error)
    if '"' in params:
        params = QUOTED_STRING.sub('""', params[:SCANNED_CHARS])
    params = params.partition(",")[0]
    if error is None and (";;" in params or params.endswith(";")):
        error = "empty parameter"
    return Address(uri.user, uri.domain, uri.port, _tag_of(params), error)


def _tag_of(params: str) -> str:
    _, found, tag = params.partition(";tag=")
    if found and not tag.startswith((" ", "\t")):
        return tag.partition(";")[0].rstrip(BLANKS)
    match = _TAG.search(params[:SCANNED_CHARS])
    return match[1] if match else ""


def parse_uri(uri: str) -> Uri:
    """User, domain and port of a URI of any scheme."""
    error = None
    if " " in uri or "\t" in uri:
        uri = uri.strip(BLANKS)
        error = "blank in URI"
    scheme, colon, rest = uri.partition(":")
    if scheme not in ("sip", "sips"):
        kind = scheme.lower() if colon and _SCHEME.fullmatch(scheme) else ""
        if not kind:
            rest, error = uri, error or "URI without scheme"
        elif kind not in ("sip", "sips"):
            return _parse_other(kind, rest, error)
    user, at, host = rest.partition("@")
    if not at:
        user, host = "", rest
    host = host.partition(";")[0].partition("?")[0]
    if "@" in host:
        # An address as user part with its "@" unescaped: `sip:alice@home@example.com`.
        more, _, host = host.rpartition("@")
        user, error = f"{user}@{more}", error or "@ in user"
    return _with_host(user.partition(":")[0], host, error)


def _with_host(user: str, host: str, error: str | None) -> Uri:
    if host.startswith("["):
        domain, bracket, after = host.partition("]")
        domain += bracket
        port = after.removeprefix(":")
        if not bracket:
            error = error or "unclosed ["
    else:
        domain, _, port = host.partition(":")
    domain = domain.strip(BLANKS)
    port = port.strip(BLANKS)
    if not domain:
        error = error or "URI without host"
    if port and not (port.isascii() and port.isdigit()):
        port, error = "", error or "port is not a number"
    return Uri(user, domain, port, error)


def _parse_other(scheme: str, rest: str, error: str | None) -> Uri:
    """`tel:`, `im:user@host`, `http://host/…`, `urn:service:sos`."""
    if scheme == "tel":
        return Uri(rest.partition(";")[0].strip(BLANKS), error=error)
    if rest.startswith("//"):
        user, _, host = rest[2:].partition("/")[0].rpartition("@")
        return _with_host(user, host, error)
    text = rest.partition("?")[0].partition(";")[0]
    user, at, host = text.partition("@")
    return _with_host(user, host, error) if at else Uri(text, error=error)


remembered_address = lru_cache(maxsize=CACHE_ENTRIES)(parse_address)
remembered_uri = lru_cache(maxsize=CACHE_ENTRIES)(parse_uri)
