"""What a session description says of the media of a call, from the bytes of a body.

Source: RFC 8866 (SDP), RFC 3551 6 (static payload types), RFC 3605 (a=rtcp), RFC 5761 (a=rtcp-mux), RFC 4568
(a=crypto), RFC 2046 5.1 (multipart). Never raises: a line that cannot be read is as if it were not there. No
default is made up but where the RFC names it. Knows no SIP header but the text of a Content-Type.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from capture.sip.grammar import BLANKS
from capture.text import to_text

MOST_BYTES = 65_536
"""Of a body that are read: the largest HEP payload. Only what was inflated can be longer."""
MOST_MEDIA = 256
MOST_FORMATS = 256
"""Twice the payload types that there are."""
_MOST_PARTS = 64
_MOST_NESTED = 4
"""A multipart in a multipart: SIP with a certificate has two levels."""

_DIRECTIONS = frozenset(["sendrecv", "sendonly", "recvonly", "inactive"])
_BOUNDARY = re.compile(r';[ \t]*+boundary[ \t]*+=[ \t]*+(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_PART_TYPE = re.compile(rb"(?:\A|\n)content-type[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"(?:\A|\n)\r?\n")


class Codec(msgspec.Struct, frozen=True, gc=False):
    """One payload type of a medium."""

    payload_type: int
    name: str = ""
    """As sent (`opus`, `PCMU`); "" of a dynamic payload type that no rtpmap explains."""
    rate: int | None = None
    """Of the RTP clock, in Hz; 8000 for G722 too (RFC 3551 4.5.2)."""
    channels: int | None = None
    """None: not said, which is one."""
    fmtp: str = ""
    """The format's parameters, as sent."""


class Crypto(msgspec.Struct, frozen=True, gc=False):
    """A key offered for SRTP: `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…|2^20`."""

    tag: str
    suite: str
    keys: str
    """Key parameters and what follows them, whole."""


class Media(msgspec.Struct, frozen=True, gc=False):
    """One m= line and what is said below it. "" is text that is not there."""

    kind: str
    """`audio`, `video`, `image`, `application` …"""
    port: int | None
    """0: the medium is refused or has ended; None: unreadable."""
    ports: int = 1
    """How many streams (`49170/2` has two)."""
    protocol: str = ""
    """`RTP/AVP`, `RTP/SAVP`, `udptl` …"""
    formats: tuple[str, ...] = ()
    connection: str = ""
    """The address to send to: the medium's own, else the session's."""
    direction: str = "sendrecv"
    """The medium's own, else the session's, else `sendrecv` (RFC 8866 6.7)."""
    codecs: tuple[Codec, ...] = ()
    """In the order of the formats, the preferred one first; of RTP only."""
    crypto: tuple[Crypto, ...] = ()
    rtcp_port: int | None = None
    """None: not said, which is the port above `port`, or `port` itself with `rtcp_mux`."""
    rtcp_address: str = ""
    rtcp_mux: bool = False
    ptime: float | None = None
    """Milliseconds of sound in a packet."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Who described the session, and in which version."""

    user: str
    session_id: str
    version: str
    address: str


class Sdp(msgspec.Struct, frozen=True, gc=False):
    """A session description. Addresses are without brackets, TTL and count, to compare with others."""

    origin: Origin | None
    name: str
    """Of the session (s=)."""
    connection: str
    """The session's address; "" when each medium has its own."""
    media: tuple[Media, ...]


_Encoding = tuple[str, int | None, int | None]
"""Name, clock rate, channels."""
_UNKNOWN: _Encoding = ("", None, None)
# RFC 3551 tables 4 and 5.
_STATIC: dict[int, _Encoding] = {
    0: ("PCMU", 8000, None),
    3: ("GSM", 8000, None),
    4: ("G723", 8000, None),
    5: ("DVI4", 8000, None),
    6: ("DVI4", 16000, None),
    7: ("LPC", 8000, None),
    8: ("PCMA", 8000, None),
    9: ("G722", 8000, None),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, None),
    12: ("QCELP", 8000, None),
    13: ("CN", 8000, None),
    14: ("MPA", 90000, None),
    15: ("G728", 8000, None),
    16: ("DVI4", 11025, None),
    17: ("DVI4", 22050, None),
    18: ("G729", 8000, None),
    25: ("CelB", 90000, None),
    26: ("JPEG", 90000, None),
    28: ("nv", 90000, None),
    31: ("H261", 90000, None),
    32: ("MPV", 90000, None),
    33: ("MP2T", 90000, None),
    34: ("H263", 90000, None),
}


def parse_sdp(body: bytes) -> Sdp | None:
    """The session that a body describes; None when it does not begin as one (`v=`)."""
    lines = to_text(body[:MOST_BYTES].strip(b"\0 \t\r\n")).replace("\r", "\n").split("\n")
    if not lines[0].startswith("v="):
        return None
    starts = [at for at, line in enumerate(lines) if line.startswith("m=")][: MOST_MEDIA + 1]
    ends = [*starts[1:], len(lines)]
    session = _read_section(lines[: starts[0]] if starts else lines)
    media = (
        _read_media(lines[start][2:], _read_section(lines[start + 1 : end]), session)
        for start, end in zip(starts[:MOST_MEDIA], ends, strict=False)
    )
    return Sdp(session.origin, session.name, session.connection, tuple(media))


def find_sdp(content_type: str, body: bytes) -> bytes | None:
    """The part of a body that is a session description, by its Content-Type; None when there is none.

    A body whose type is not said is taken for what it may be.
    """
    return _find_sdp(content_type, body, _MOST_NESTED)


def _find_sdp(content_type: str, body: bytes, levels: int) -> bytes | None:
    kind = content_type.partition(";")[0].strip(BLANKS).lower()
    if kind in ("application/sdp", ""):
        return body
    boundary = _BOUNDARY.search(content_type)
    if not kind.startswith("multipart/") or boundary is None or not levels:
        return None
    for part in _parts(body, (boundary[1] or boundary[2]).encode()):
        head, content = _split_part(part)
        part_type = _PART_TYPE.search(head)
        if part_type is not None:
            found = _find_sdp(to_text(part_type[1]).replace("\n", " "), content, levels - 1)
            if found is not None:
                return found
    return None


def _parts(body: bytes, boundary: bytes) -> Iterable[bytes]:
    """The parts between the boundary's lines; the last one also where its end is missing."""
    # Linear: a boundary has no line end in it, so what is looked at behind one line end ends before the next.
    line = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*+\r?(?:\n|\Z)", re.MULTILINE)
    start = -1
    for number, found in enumerate(line.finditer(body)):
        if start >= 0:
            yield body[start : found.start()].removesuffix(b"\n").removesuffix(b"\r")
        start = found.end()
        if found[1] or number >= _MOST_PARTS:
            return
    if start >= 0:
        yield body[start:]


def _split_part(part: bytes) -> tuple[bytes, bytes]:
    blank = _BLANK_LINE.search(part)
    return (part[: blank.start()], part[blank.end() :]) if blank else (part, b"")


class _Section:
    """What one part of the description says: the session's lines, or those below one m= line."""

    def __init__(self) -> None:
        self.origin: Origin | None = None
        self.name = ""
        self.connection = ""
        self.direction = ""
        self.maps: dict[int, _Encoding] = {}
        self.fmtps: dict[int, str] = {}
        self.crypto: list[Crypto] = []
        self.rtcp_port: int | None = None
        self.rtcp_address = ""
        self.rtcp_mux = False
        self.ptime: float | None = None


def _read_section(lines: Sequence[str]) -> _Section:
    section = _Section()
    for line in lines:
        kind = line[:2]
        if kind == "a=":
            _read_attribute(line[2:], section)
        elif kind == "c=":
            section.connection = section.connection or _address(line[2:].split())
        elif kind == "o=" and section.origin is None:
            section.origin = _origin(line[2:].split())
        elif kind == "s=":
            section.name = line[2:].strip(BLANKS)
    return section


def _read_attribute(text: str, section: _Section) -> None:
    name, _, value = text.partition(":")
    if name == "rtpmap":
        payload_type, encoding = _of_payload_type(value)
        if payload_type is not None and encoding:
            section.maps.setdefault(payload_type, _encoding(encoding))
    elif name == "fmtp":
        payload_type, parameters = _of_payload_type(value)
        if payload_type is not None:
            section.fmtps.setdefault(payload_type, parameters)
    elif name == "crypto":
        tag, _, rest = value.strip(BLANKS).partition(" ")
        suite, _, keys = rest.strip(BLANKS).partition(" ")
        section.crypto.append(Crypto(tag, suite, keys.strip(BLANKS)))
    elif name == "rtcp":
        port, _, address = value.strip(BLANKS).partition(" ")
        section.rtcp_port, section.rtcp_address = _port(port), _address(address.split())
    elif name == "ptime":
        section.ptime = _milliseconds(value.strip(BLANKS))
    else:
        flag = name.strip(BLANKS)
        if flag in _DIRECTIONS:
            section.direction = flag
        elif flag == "rtcp-mux":
            section.rtcp_mux = True


def _read_media(text: str, own: _Section, session: _Section) -> Media:
    words = text.split(None, MOST_FORMATS + 3)
    kind, port, protocol = (*words[:3], "", "", "")[:3]
    port, _, ports = port.partition("/")
    formats = tuple(words[3 : 3 + MOST_FORMATS])
    return Media(
        kind,
        _port(port),
        _number(ports) or 1,
        protocol,
        formats,
        own.connection or session.connection,
        own.direction or session.direction or "sendrecv",
        tuple(_codecs(formats, own)) if "RTP/" in protocol.upper() else (),
        tuple(own.crypto),
        own.rtcp_port,
        own.rtcp_address,
        own.rtcp_mux,
        own.ptime,
    )


def _codecs(formats: Iterable[str], section: _Section) -> Iterable[Codec]:
    for text in formats:
        payload_type = _payload_type(text)
        if payload_type is not None:
            known = section.maps.get(payload_type) or _STATIC.get(payload_type, _UNKNOWN)
            yield Codec(payload_type, *known, section.fmtps.get(payload_type, ""))


def _encoding(text: str) -> _Encoding:
    """`opus/48000/2`."""
    name, _, rest = text.partition("/")
    rate, _, channels = rest.partition("/")
    return name, _number(rate.strip(BLANKS)), _number(channels.strip(BLANKS))


def _of_payload_type(value: str) -> tuple[int | None, str]:
    number, _, rest = value.strip(BLANKS).partition(" ")
    return _payload_type(number), rest.strip(BLANKS)


def _payload_type(text: str) -> int | None:
    number = _number(text)
    return number if number is not None and number <= 127 else None


def _port(text: str) -> int | None:
    number = _number(text)
    return number if number is not None and number <= 65535 else None


def _number(text: str) -> int | None:
    return int(text) if len(text) <= 9 and text.isascii() and text.isdigit() else None


def _milliseconds(text: str) -> float | None:
    whole, _, fraction = text.partition(".")
    if _number(whole) is None or (fraction and _number(fraction) is None):
        return None
    return float(text)


def _origin(words: list[str]) -> Origin | None:
    if len(words) < 3:
        return None
    return Origin(words[0], words[1], words[2], _address(words[3:]))


def _address(words: list[str]) -> str:
    """`IN IP4 224.2.1.1/127/3`; brackets around IPv6 are no SDP, but sent."""
    return words[2].partition("/")[0].strip("[]") if len(words) > 2 else ""
