"""A SIP message with something taken out of it, every other byte as it was sent.

For what must not be stored: a header, a number, a body, a key. Where a message is not well-formed, more is
hidden rather than less. Nothing changes a body's length, so that Content-Length stays true. Each function
answers None where it cannot edit: SIP inside OpenSIPS's JSON, which must be unwrapped first (`lines.unwrap`).
Knows nothing of HEP, tables or scripts.
"""

import re
from collections.abc import Callable, Collection
from functools import lru_cache

from capture.sip.address import parse_address
from capture.sip.grammar import BLANKS, QUOTED_PAIR, TOKEN, header_name
from capture.sip.headers import LEARNED_CHARS, LEARNED_NAMES
from capture.sip.lines import is_wrapped
from capture.sip.start import parse_start
from capture.text import to_text

REQUEST_URI = "request-uri"
"""The start line, among the names of headers."""
CREDENTIALS = ("authorization", "proxy-authorization")
USER_HEADERS = (
    *(REQUEST_URI, "from", "to", "contact", "p-asserted-identity", "p-preferred-identity", "remote-party-id"),
    *("diversion", "history-info", "p-called-party-id", "p-associated-uri", "refer-to", "referred-by"),
    *("reply-to", "route", "record-route"),
    *CREDENTIALS,
)
"""Where the number of somebody who takes part in a call may stand."""

_MANY = 100
_READ_BYTES = 8192
"""So much of a message's headers is read address by address, at up to 3 µs a byte. In what else there is, an
attack, the user goes wherever it stands: a filter script that masks must not be held up for a second."""
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LINE_END = re.compile(rb"\r*+\n")
_BEFORE_START = b"\r\n \t\0"
_STATUS = re.compile(rb"\S++[ \t]++\S++")
_LINE = re.compile(rb"[^\n]*+\n|[^\n]++")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)
_ADDRESS_PART = re.compile(rb'<[^>]*+>?|[,;"]|[^"<,;]++')
# One stroke for what nearly every header has; what differs in anything is read step by step.
_USUAL_ADDRESS = re.compile(
    rb"""([^"<>,;:]*+|\s*+"[^"\\<>]*+"\s*+)(<sips?:)([^@:;?>\s"<,]++)(@[^@>"\s<,]++>[^<>",]*+)"""
).fullmatch
_URI = re.compile(rb"(\s*+<?\s*+([A-Za-z][A-Za-z0-9+.\-]*+)\s*+:(?://)?)([^>]*+)")
_CREDENTIAL = re.compile(
    rb'((?<![^\s,])(username|uri)\s*+=\s*+"?)((?<=")(?:[^"\\]|\\.)*+|[^\s,"]*+)', re.IGNORECASE | re.DOTALL
)

# Behind any line end, for some send a lone CR.
_KEY_LINE = re.compile(rb"(?<![^\r\n])(a=crypto:|a=key-mgmt:|k=)([^\r\n]++)", re.IGNORECASE)
_BEFORE_KEY = {
    b"a=crypto:": re.compile(rb"[^ \t]++[ \t]++[^ \t]++[ \t]++"),
    b"a=key-mgmt:": re.compile(rb"[^ \t]++[ \t]++"),
    b"k=": re.compile(rb"[^:]++:|prompt\Z"),
}
_INLINE_KEY = re.compile(rb"(?<=inline:)[^|;\s]++", re.IGNORECASE)
_TEXT = re.compile(rb"\S++")


def remove_header(payload: bytes, name: str) -> bytes | None:
    """Without any line of this header, whatever the spelling of its name; folded lines go with it."""
    wanted = header_name(name)
    if is_wrapped(payload):
        return None
    if not TOKEN.fullmatch(wanted):
        return payload
    return _edit_headers(payload, lambda header: b"" if _name_of(header) == wanted else header)


def mask_user(payload: bytes, headers: Collection[str], user: str, masked: str) -> bytes | None:
    """With `masked` instead of `user` in the addresses of these headers, and in the names before them.

    `REQUEST_URI` stands for the start line, also of a response; of credentials the user name and the URI are
    masked. Only `user` itself is found, not the same number in another spelling.
    """
    if is_wrapped(payload):
        return None
    if not user or user == masked:
        return payload
    names = _spellings(tuple(headers))
    mask = _Mask(user, masked)

    def edit(header: bytes) -> bytes:
        if not mask.may_be_in(header):
            return header
        name = _name_of(header)
        return mask.header(name, header) if name in names else header

    return _edit_headers(payload, edit, mask.start_line if REQUEST_URI in names else _as_it_is)


def redact_body(payload: bytes) -> bytes | None:
    """With an `x` for each byte behind the header; the NULs that OpenSIPS fills packets up with stay."""
    if is_wrapped(payload):
        return None
    body_at = _bounds(payload)[2]
    end = len(payload.rstrip(b"\0"))
    return payload if end <= body_at else payload[:body_at] + b"x" * (end - body_at) + payload[end:]


def redact_sdp_keys(payload: bytes) -> bytes | None:
    """With an `x` for each byte of the keys in a body's session description (a=crypto, a=key-mgmt, k=)."""
    if is_wrapped(payload):
        return None
    body_at = _bounds(payload)[2]
    return payload[:body_at] + _KEY_LINE.sub(_without_key, payload[body_at:])


def _without_key(line: re.Match[bytes]) -> bytes:
    """RFC 4568 9.1, RFC 4567 3.1, RFC 4566 5.12. What cannot be read is all key."""
    before = _BEFORE_KEY[line[1].lower()].match(line[2])
    open_text = before[0] if before else b""
    key = line[2][len(open_text) :]
    hidden = _INLINE_KEY.sub(_crossed_out, key)
    return line[1] + open_text + (_TEXT.sub(_crossed_out, key) if hidden == key else hidden)


def _crossed_out(text: re.Match[bytes]) -> bytes:
    return b"x" * len(text[0])


def _cross_out(text: bytes) -> bytes:
    return _TEXT.sub(_crossed_out, text)


def _bounds(payload: bytes) -> tuple[int, int, int]:
    """Where the start line begins, the last header line ends and the body begins, as in `split_head`."""
    start = len(payload) - len(payload.lstrip(_BEFORE_START))
    blank = _BLANK_LINE.search(payload, start)
    if blank is not None:
        return start, blank.start() + 1, blank.end()
    end = max(start, len(payload.rstrip(b"\0\r\n")))
    line_end = _LINE_END.match(payload, end)
    return start, line_end.end() if line_end else end, len(payload)


def _as_it_is(line: bytes) -> bytes:
    return line


def _edit_headers(
    payload: bytes, edit: Callable[[bytes], bytes], edit_start: Callable[[bytes], bytes] = _as_it_is
) -> bytes:
    """Each header, with the lines that continue it, replaced by what `edit` makes of it.

    Before that, `edit_start` is given the first line: a capture may begin in the middle of a message, with a
    header, and what is no well-formed start line may look like either.
    """
    start, end, _ = _bounds(payload)
    headers = _headers(payload[start:end])
    headers[:1] = map(edit_start, headers[:1])
    return b"".join([payload[:start], *map(edit, headers), payload[end:]])


@lru_cache(maxsize=64)
def _spellings(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(header_name, names))


def _name_of(header: bytes) -> str:
    """In its one spelling; of a line without a colon it is ""."""
    spelling, colon, _ = header.partition(b":")
    if not colon:
        return ""
    return _remembered_name(spelling) if len(spelling) <= LEARNED_CHARS else header_name(to_text(spelling))


@lru_cache(maxsize=LEARNED_NAMES)
def _remembered_name(spelling: bytes) -> str:
    return header_name(to_text(spelling))


def _headers(head: bytes) -> list[bytes]:
    """Lines with their ends, each header with those that continue it."""
    lines: list[bytes] = _LINE.findall(head)
    if b"\n " not in head and b"\n\t" not in head:
        return lines
    headers: list[list[bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1].append(line)
        else:
            headers.append([line])
    return [b"".join(lines) for lines in headers]


class _Mask:
    """One user and what stands for it."""

    def __init__(self, user: str, masked: str) -> None:
        self._text = user
        self._user = user.encode("utf-8", "replace")
        self._masked = masked.encode("utf-8", "replace")
        self._left = _READ_BYTES

    def may_be_in(self, header: bytes) -> bool:
        """A user that is not UTF-8 is compared as text, which shows all broken bytes alike."""
        return self._user in header or "\ufffd" in self._text

    def start_line(self, lines: bytes) -> bytes:
        if not self.may_be_in(lines):
            return lines
        line, line_end, folded = lines.partition(b"\n")
        if line[:4].upper() == b"SIP/":
            status = _STATUS.match(line)
            phrase_at = status.end() if status else 0
            return line[:phrase_at] + self._everywhere(line[phrase_at:]) + line_end + folded
        method, blank, rest = line.partition(b" ")
        uri, before_version, version = rest.rpartition(b" ")
        edited = method + blank + self._uri_or_name(uri) + before_version + version
        if parse_start(to_text(edited))[4] == self._text:
            edited = method + blank + self._everywhere(rest)
            if parse_start(to_text(edited))[4] == self._text:
                edited = method + blank + _cross_out(rest)
        _, read_method, *_, error = parse_start(to_text(edited))
        if error is not None and (read_method or not TOKEN.fullmatch(_name_of(line))):
            # No header either, with which a capture may begin.
            edited = self._everywhere(edited)
        return edited + line_end + folded

    def header(self, name: str, header: bytes) -> bytes:
        spelling, colon, value = header.partition(b":")
        self._left -= len(value)
        if self._left < 0:
            return spelling + colon + self._unread(name, value)
        if name in CREDENTIALS:
            return spelling + colon + _CREDENTIAL.sub(self._credential, value)
        usual = _USUAL_ADDRESS(value)
        if usual is not None:
            display, scheme, user, rest = usual.groups()
            return b"".join([spelling, colon, self._everywhere(display), scheme, self._user_part(user), rest])
        edited = self._addresses(value)
        address = parse_address(_unfolded(edited))
        if address.error is not None or address.user == self._text:
            edited = self._unread(name, value)
        return spelling + colon + edited

    def _unread(self, name: str, value: bytes) -> bytes:
        """What is not well-formed, or too much."""
        edited = self._everywhere(value)
        if name in CREDENTIALS:
            return edited if "\ufffd" not in self._text and b"\\" not in value else _cross_out(value)
        return edited if parse_address(_unfolded(edited)).user != self._text else _cross_out(value)

    def _addresses(self, value: bytes) -> bytes:
        """A list of addresses: what stands behind a ";" outside of <> belongs to nobody's name."""
        parts: list[bytes] = []
        at, in_params, has_quotes = 0, False, True
        while at < len(value):
            if has_quotes and value[at : at + 1] == b'"':
                quoted = _QUOTED.match(value, at)
                if quoted is not None and quoted[1]:
                    parts.append(quoted[0] if in_params else self._everywhere(quoted[0]))
                    at = quoted.end()
                    continue
                # No quote behind this one is closed either.
                has_quotes = False
            part = _ADDRESS_PART.match(value, at)
            text = part[0] if part is not None else value[at:]
            at += len(text)
            if text in (b",", b";"):
                in_params = text == b";"
            elif not in_params:
                text = self._uri_or_name(text)
            parts.append(text)
        return b"".join(parts)

    def _uri_or_name(self, text: bytes) -> bytes:
        uri = _URI.match(text)
        if uri is None:
            return self._everywhere(text)
        before, scheme, rest = uri[1], uri[2].lower(), uri[3]
        after = rest[_end_of_user(rest) :]
        user, colon, password = rest[: len(rest) - len(after)].partition(b":")
        if after.startswith(b"@") or scheme not in (b"sip", b"sips"):
            user = self._user_part(user)
        elif to_text(user) == self._text:
            # A number without a host, where the host should be.
            user = self._masked
        return before + user + colon + password + after + text[uri.end() :]

    def _user_part(self, user: bytes) -> bytes:
        return self._masked if to_text(user) == self._text else self._everywhere(user)

    def _credential(self, found: re.Match[bytes]) -> bytes:
        value = found[3]
        if found[2].lower() == b"uri":
            return found[1] + self._uri_or_name(value)
        if QUOTED_PAIR.sub(r"\1", to_text(value)) == self._text:
            return found[1] + self._masked
        return found[1] + self._everywhere(value)

    def _everywhere(self, text: bytes) -> bytes:
        """Wherever the user stands as a word of its own."""
        user = self._user
        times = text.count(user)
        if not times:
            return text
        if times > _MANY:
            # To make a pattern costs as much as to look at a hundred places one by one.
            before = rb"(?<![0-9A-Za-z])" if user[:1].isalnum() else b""
            behind = rb"(?![0-9A-Za-z])" if user[-1:].isalnum() else b""
            return re.sub(before + re.escape(user) + behind, lambda _: self._masked, text)
        parts, at = [], 0
        for _ in range(times):
            found = text.find(user, at)
            end = found + len(user)
            parts.append(text[at:found])
            parts.append(self._masked if _is_word(text, found, end) else user)
            at = end
        return b"".join([*parts, text[at:]])


def _is_word(text: bytes, start: int, end: int) -> bool:
    before, behind = text[max(0, start - 1) : start + 1], text[end - 1 : end + 1]
    return not (len(before) == 2 and before.isalnum()) and not (len(behind) == 2 and behind.isalnum())


def _end_of_user(rest: bytes) -> int:
    """Where what stands before the "@" of a URI ends; without an "@", where its first part does.

    One "@" may stand in the user, as `parse_uri` has it.
    """
    at = rest.find(b"@")
    if at < 0:
        ends = [found for mark in b";?" if (found := rest.find(bytes([mark]))) >= 0]
        return min(ends, default=len(rest))
    host = re.split(rb"[;?]", rest[at + 1 :], maxsplit=1)[0]
    return at + 1 + host.rfind(b"@") if b"@" in host else at


def _unfolded(value: bytes) -> str:
    return " ".join(line.strip(BLANKS) for line in to_text(value).split("\n")).strip(BLANKS)
