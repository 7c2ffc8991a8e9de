"""A SIP message from the bytes of one payload.

Source: RFC 3261 7 and 20. Never raises: what can be read is read, and `parse_error` names the first thing
that is not as RFC 3261 has it. Knows nothing of HEP, tables or clocks.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice

from capture.sip.address import NO_ADDRESS, Address, parse_address, remembered_address
from capture.sip.grammar import (
    BLANKS,
    COMPACT_NAMES,
    QUOTED_PAIR,
    QUOTED_STRING,
    READ_HEADERS,
    SCANNED_CHARS,
    header_name,
)
from capture.sip.headers import LEARNED_NAMES, HeaderTable, collect, header_table
from capture.sip.lines import MAX_LINES, head_text, is_wrapped, split_head
from capture.sip.message import SipHead, SipMessage
from capture.sip.start import StartLine, parse_cseq, parse_start, remembered_cseq, remembered_start

REMEMBERED_BYTES = 4096
"""Start line, CSeq and addresses of a message whose header is longer are read anew, not kept in memory."""

_TABLE = HeaderTable()
_CALL_ID, _AUTHORIZATION, _PROXY_AUTHORIZATION, _USER_AGENT = map(
    READ_HEADERS.index, ("call-id", "authorization", "proxy-authorization", "user-agent")
)

_LIST_ITEM = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"?)*+', re.DOTALL)
_BRANCH = re.compile(r";[ \t]*+branch[ \t]*+=[ \t]*+([^;,\s]*+)", re.IGNORECASE)
# Start anchored behind a separator, so that each stretch of text is tried once.
_AUTH_PARAM = re.compile(
    r"(?:^|[\s,])([^\s,=\"]++)\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\"?|([^\s,]*+))", re.DOTALL
)


def parse_message(payload: bytes) -> SipMessage:
    """The first SIP message of a payload, also inside OpenSIPS's JSON."""
    return _message(_read(payload, _TABLE))


def parse_with_headers(payload: bytes, names: Sequence[str]) -> tuple[SipMessage, dict[str, str]]:
    """The message, and the topmost value of each of `names`, as they are spelt here, that has one."""
    table = header_table(tuple(names)) if names else _TABLE
    reading = _read(payload, table)
    return _message(reading), _custom_values(reading, table)


def parse_head(payload: bytes, names: tuple[str, ...] = ()) -> SipHead:
    """What a message is stored and found by, each field as `parse_with_headers` has it, at two thirds of the
    cost."""
    table = header_table(names) if names else _TABLE
    reading = _read(payload, table)
    start, values, cseq_method, sender, recipient, contact, asserted, error = reading
    authorization, proxy_authorization = values[_AUTHORIZATION], values[_PROXY_AUTHORIZATION]
    return (
        start[1],
        values[_CALL_ID],
        cseq_method,
        (
            sender[0],
            sender[1],
            recipient[0],
            recipient[1],
            start[4],
            start[5],
            asserted[0],
            _read_auth_user(authorization, proxy_authorization)
            if authorization or proxy_authorization
            else "",
            contact[0],
            values[_USER_AGENT],
        ),
        _custom_values(reading, table) if names else {},
        error,
    )


def looks_like_sip(payload: bytes) -> bool:
    """Whether a payload without a type (HEPv1 and v2) is SIP: neither JSON nor binary RTCP."""
    if payload[:1] == b"{":
        return is_wrapped(payload)
    return not (len(payload) > 1 and 0x80 <= payload[0] <= 0xBF and 200 <= payload[1] <= 207)


def header_values(payload: bytes, name: str) -> list[str]:
    """Every value of a header, one item a header line, whatever the spelling of its name."""
    # One search over the whole header takes a fifth of what a look at each line does.
    head = "\n" + head_text(payload)
    values = islice(_header_lines(header_name(name)).finditer(head), MAX_LINES)
    return [_unfolded(value[1]) if "\n" in value[1] else value[1].strip(BLANKS) for value in values]


@lru_cache(maxsize=LEARNED_NAMES)
def _header_lines(name: str) -> re.Pattern[str]:
    """Each header of this long name, the value in group 1 with the lines that it is folded into."""
    compact = [short for short, long in COMPACT_NAMES.items() if long == name]
    names = "|".join(map(re.escape, [name, *compact]))
    blanks = r"(?:[ \t\r]|\n[ \t])*+"
    return re.compile(rf"\n(?:\r[ \t\r]*+)?(?:{names}){blanks}:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.I | re.A)


def _unfolded(value: str) -> str:
    return " ".join(filter(None, (line.strip(BLANKS) for line in value.split("\n"))))


def body(payload: bytes) -> bytes:
    """What follows the blank line: as much as Content-Length says, else to the end without trailing NULs."""
    lines, message, body_at = split_head(payload)
    rest = message[body_at:]
    length = collect(lines, _TABLE)[0][READ_HEADERS.index("content-length")]
    if length.isascii() and length.isdigit() and len(length) <= 10:
        return rest[: int(length)]
    return rest.rstrip(b"\0")


_Reading = tuple[StartLine, list[str], str, Address, Address, Address, Address, str | None]
"""Start line, the values of the table's places, CSeq's method, the addresses of From, To, Contact and
P-Asserted-Identity, what is wrong. A bare tuple, because a named one costs 0.3 µs on each message."""


def _read(payload: bytes, table: HeaderTable) -> _Reading:
    lines, payload, body_at = split_head(payload)
    remember = body_at <= REMEMBERED_BYTES
    address: Callable[[str], Address] = remembered_address if remember else parse_address
    line = lines[0]
    # Of request lines every call has its own.
    start = remembered_start(line) if line[:4] == "SIP/" and remember else parse_start(line)
    is_request, method, _, _, _, _, error = start
    # Without a start line the capture may begin in the middle of a message, with a header.
    values, lines_error = collect(lines if method else ["", *lines], table)
    call_id, cseq, sender_value, recipient_value, content_length, via, contact_value, asserted_value = values[
        :8
    ]
    request_method = method if is_request else ""
    cseq_method, cseq_error = (
        remembered_cseq(cseq, request_method) if remember else parse_cseq(cseq, request_method)
    )
    sender, recipient = address(sender_value), address(recipient_value)
    contact = address(contact_value) if contact_value else NO_ADDRESS
    asserted = address(asserted_value) if asserted_value else NO_ADDRESS
    if error is None:
        error = lines_error or cseq_error
        if not (call_id and cseq and sender_value and recipient_value and via):
            error = error or _missing(values)
        error = error or sender[4] or recipient[4] or contact[4] or asserted[4]
        if error is None and content_length:
            error = _length_error(content_length, len(payload) - body_at)
    return start, values, cseq_method, sender, recipient, contact, asserted, error


def _message(reading: _Reading) -> SipMessage:
    start, values, cseq_method, sender, recipient, contact, asserted, error = reading
    is_request, method, reason_phrase, ruri, ruri_user, ruri_domain, _ = start
    (call_id, cseq, _, _, _, via, _, _,
     authorization, proxy_authorization, user_agent, server,
     content_type, reason, diversion, expires, *_) = values  # fmt: skip
    if "," in via:
        via = _first_of_list(via)
    # By position, in the order of the fields: by name it takes 0.7 µs more.
    return SipMessage(
        is_request,
        method,
        reason_phrase,
        ruri,
        ruri_user,
        ruri_domain,
        call_id,
        cseq,
        cseq_method,
        sender.user,
        sender.domain,
        sender.tag,
        recipient.user,
        recipient.domain,
        recipient.tag,
        contact.user,
        contact.domain,
        contact.port,
        asserted.user,
        asserted.domain,
        _read_auth_user(authorization, proxy_authorization),
        user_agent,
        server,
        via,
        _read_branch(via),
        content_type,
        reason,
        diversion,
        expires,
        error,
    )


def _custom_values(reading: _Reading, table: HeaderTable) -> dict[str, str]:
    values = reading[1]
    return {name: values[place] for name, place in table.custom if values[place]}


def _missing(values: list[str]) -> str | None:
    """The first header that every message must carry (RFC 3261 8.1.1) and this one does not.

    Max-Forwards is not asked for: elements of RFC 2543 do not send it.
    """
    for name, value in zip(READ_HEADERS, values, strict=False):
        if not value and name in ("call-id", "cseq", "from", "to", "via"):
            return f"no {name} header"
    return None


def _length_error(length: str, body_bytes: int) -> str | None:
    """RFC 3261 18.3: less than Content-Length is an error, more is not."""
    if length == str(body_bytes):
        return None
    if not (length.isascii() and length.isdigit()):
        return "Content-Length is not a number"
    return "body shorter than Content-Length" if len(length) > 10 or int(length) > body_bytes else None


def _read_auth_user(authorization: str, proxy_authorization: str) -> str:
    if not (authorization or proxy_authorization):
        return ""
    return _read_username(authorization) or _read_username(proxy_authorization)


def _read_branch(via: str) -> str:
    _, found, rest = via.partition(";branch=")
    if found and '"' not in via:
        return rest.partition(";")[0].strip(BLANKS)
    match = _BRANCH.search(QUOTED_STRING.sub('""', via[:SCANNED_CHARS]))
    return match[1] if match else ""


def _first_of_list(value: str) -> str:
    """Up to the first comma outside quotes; in an endless item, up to the first comma."""
    match = _LIST_ITEM.match(value, 0, SCANNED_CHARS)
    if match is None:
        return ""
    item = value.partition(",")[0] if match.end() == SCANNED_CHARS else match[0]
    return item.rstrip(BLANKS)


def _read_username(credentials: str) -> str:
    """The `username` parameter, RFC 3261 20.7, quoted pairs resolved."""
    if credentials.startswith('Digest username="'):
        user = credentials[17:].partition('"')[0]
        if "\\" not in user:
            return user
    for name, quoted, bare in _AUTH_PARAM.findall(credentials[:SCANNED_CHARS]):
        if name.lower() == "username":
            return bare or QUOTED_PAIR.sub(r"\1", quoted)
    return ""
