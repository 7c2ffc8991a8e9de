"""The start line, and CSeq, which names its method again.

Source: RFC 3261 7.1, 7.2, 20.16.
"""

import re
from functools import lru_cache

from capture.sip.address import CACHE_ENTRIES, parse_uri, remembered_uri
from capture.sip.grammar import TOKEN

REMEMBERED_CHARS = 4096
CSEQ_LIMIT = 2**31
"""RFC 3261 8.1.1.5."""

_USUAL_METHODS = frozenset(
    [
        *("INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "UPDATE"),
        *("SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "REFER", "MESSAGE"),
    ]
)

StartLine = tuple[bool, str, str, str, str, str, str | None]
"""Is it a request, method or status, reason phrase, request URI, its user, its domain, error."""


# One stroke for the requests of a call; what differs in anything is read step by step.
_USUAL = re.compile(
    f"({'|'.join(sorted(_USUAL_METHODS))})"
    r" (sips?:(?:([^@:;?\s]++)@)?+([^@:;?\s<>\[\]]++)(?::[0-9]++)?+(?:;[^?\s@]++)?+) SIP/2\.0\r?"
).fullmatch


def parse_start(line: str) -> StartLine:
    """Request-Line or Status-Line; without either the method is "" and the error says so."""
    usual = _USUAL(line)
    if usual is not None:
        method, ruri, user, domain = usual.groups("")
        return True, method, "", ruri, user, domain, None
    return read_start(line)


def read_start(line: str) -> StartLine:
    """The same, step by step, of anything."""
    line = line.rstrip("\r")
    if line.startswith("SIP/2.0 ") and _is_number(line[8:11]) and line[11:12] in (" ", ""):
        return False, line[8:11], line[12:], "", "", "", None
    method, _, rest = line.partition(" ")
    ruri, _, version = rest.rpartition(" ")
    error = None
    usual = version == "SIP/2.0" and method in _USUAL_METHODS
    if not (usual and ruri and " " not in ruri and ruri[0] != "<"):
        is_request, method, reason_phrase, ruri, error = _read_odd_start(line)
        if not is_request:
            return False, method, reason_phrase, "", "", "", error
    user, domain, _, uri_error = remembered_uri(ruri) if len(line) <= REMEMBERED_CHARS else parse_uri(ruri)
    return True, method, "", ruri, user, domain, error or uri_error


def _read_odd_start(line: str) -> tuple[bool, str, str, str, str | None]:
    """Is it a request, method or status, reason phrase, request URI, error."""
    words = line.split(None, 2)
    if words and words[0][:4].upper() == "SIP/":
        status = words[1] if len(words) > 1 else ""
        if not (_is_number(status)):
            return False, "", "", "", "no start line"
        error = "status is not three digits" if len(status) != 3 else _version_error(words[0])
        reason = words[2] if len(words) > 2 else ""
        return False, status, reason, "", error
    uri_text, _, version = line.rstrip().rpartition(" ")
    if not words or version[:4].upper() != "SIP/":
        return False, "", "", "", "no start line"
    method = words[0]
    ruri = uri_text.lstrip()[len(method) :].strip()
    return True, method, "", ruri.strip("<>"), _request_line_error(line, method, ruri, version)


def _request_line_error(line: str, method: str, ruri: str, version: str) -> str | None:
    """What is wrong with `Method SP Request-URI SP SIP-Version` (RFC 3261 7.1)."""
    if not ruri:
        return "no request URI"
    if not TOKEN.fullmatch(method):
        return "method is not a token"
    if line != f"{method} {ruri} {version}" or " " in ruri:
        return "blanks in start line"
    if ruri.startswith("<"):
        return "request URI in <>"
    return _version_error(version)


def _version_error(version: str) -> str | None:
    # RFC 3261 7.1: the version is compared without regard to case.
    return None if version.upper() == "SIP/2.0" else "version is not SIP/2.0"


def parse_cseq(cseq: str, request_method: str) -> tuple[str, str | None]:
    """Upper-case method, and an error; against the request's method unless that is ""."""
    number, _, method = cseq.partition(" ")
    if not (_is_number(number) and method in _USUAL_METHODS):
        words = cseq.split()
        number = words[0] if words else ""
        method = words[-1].lstrip("0123456789") if words else ""
        if not (len(words) == 2 and _is_number(number) and TOKEN.fullmatch(words[1])):
            return method.upper(), "CSeq is not a number and a method" if words else None
        method = words[1]
    error = None
    if len(number) > 9 and (len(number) > 100 or int(number) >= CSEQ_LIMIT):
        error = "CSeq number too large"
    elif request_method and method != request_method:
        error = "CSeq method differs from the request's"
    return method.upper(), error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


remembered_start = lru_cache(maxsize=CACHE_ENTRIES)(parse_start)
remembered_cseq = lru_cache(maxsize=CACHE_ENTRIES)(parse_cseq)
