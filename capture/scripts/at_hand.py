"""What scripts of our own API ask of the message at hand beyond its fields, and what is made of values.

Services of `lua_filters/runtime/message.lua`: plain values in and out, and None and words for what cannot
be, which becomes an error at the script's line. Knows no Lua state and no script.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import xxhash

from capture.errors import MediaError
from capture.media.log import parse_log
from capture.scripts.host import Host
from capture.scripts.lua import Value
from capture.sip.edit import USER_HEADERS, mask_user, redact_body, redact_sdp_keys, remove_header
from capture.sip.lines import unwrap
from capture.sip.sdp import Codec, Media, Sdp, find_sdp, parse_sdp
from capture.text import to_text

Outcome = Value | tuple[Value, ...]

_MOST_SDP_LINES = 4096
"""Of a description that a hostile sender made long; its reading must not use up a script's instructions."""
_NOT_EDITED = "the JSON around this message cannot be read"


class MessageServices:
    """What `message.lua` asks of the message at hand."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def sdp(self) -> Outcome:
        """The session description as `sdp_lines` has it; None when there is none."""
        draft = self._host.draft
        if draft is None:
            return None
        content_type = draft.read("content_type")
        described = find_sdp(content_type if isinstance(content_type, str) else "", draft.body())
        sdp = None if described is None else parse_sdp(described)
        return None if sdp is None else sdp_lines(sdp)

    def log_text(self) -> Outcome:
        draft = self._host.draft
        try:
            return None if draft is None else parse_log(draft.payload).text.encode()
        except MediaError:
            return None

    def mask(self, payload: bytes, user: bytes, keep_last: int) -> Outcome:
        """The payload and the user with stars in it."""
        text = to_text(user)
        masked = mask_text(text, keep_last)
        edited = _edited(payload, lambda sip: mask_user(sip, USER_HEADERS, text, masked))
        return (edited, masked.encode()) if isinstance(edited, bytes) else edited

    def remove_header(self, payload: bytes, name: bytes) -> Outcome:
        return _edited(payload, lambda sip: remove_header(sip, to_text(name)))

    def redact_body(self, payload: bytes) -> Outcome:
        return _edited(payload, redact_body)

    def redact_sdp_keys(self, payload: bytes) -> Outcome:
        return _edited(payload, redact_sdp_keys)


def _edited(payload: bytes, edit: Callable[[bytes], bytes | None]) -> Outcome:
    """What `edit` makes of the message, which is taken out of OpenSIPS's JSON where it stands in it."""
    edited = edit(payload)
    if edited is None:
        edited = edit(unwrap(payload))
    return (None, _NOT_EDITED.encode()) if edited is None else edited


def mask_text(text: str, keep_last: int) -> str:
    """`**********567`. What is not longer than what is to be kept becomes stars altogether."""
    kept = text[-keep_last:] if 0 < keep_last < len(text) else ""
    return "*" * (len(text) - len(kept)) + kept


def share_of(key: bytes) -> Outcome:
    """Where a key stands between 0 (included) and 1 (not), the same in every worker and after every start."""
    # 53 bits, which a float holds exactly.
    return (xxhash.xxh3_64_intdigest(key) >> 11) / (1 << 53)


def joined(*values: bytes) -> Outcome:
    """A correlation id of several values: 32 hexadecimal digits. Their order and their borders count."""
    return xxhash.xxh3_128_hexdigest(b"".join(b"%d:%s" % (len(value), value) for value in values)).encode()


def sdp_lines(sdp: Sdp) -> bytes:
    """A session description as `NAME VALUE` lines, as `message.lua` reads it, without what is not said."""
    lines = (f"{name} {value}\n" for name, value in _session(sdp) if value not in ("", None))
    return "".join(islice(lines, _MOST_SDP_LINES)).encode()


_Named = tuple[str, str | int | float | None]


def _session(sdp: Sdp) -> Iterator[_Named]:
    yield "connection", sdp.connection
    yield "session", sdp.name
    for media in sdp.media:
        yield from _media(media)


def _media(media: Media) -> Iterator[_Named]:
    yield "media", media.kind or "unknown"
    yield "port", media.port
    yield "protocol", media.protocol
    yield "connection", media.connection
    yield "direction", media.direction
    for crypto in media.crypto:
        yield "crypto", " ".join(filter(None, (crypto.tag, crypto.suite, crypto.keys)))
    for codec in media.codecs:
        yield from _codec(codec)


def _codec(codec: Codec) -> Iterator[_Named]:
    yield "codec", codec.payload_type
    yield "name", codec.name
    yield "rate", codec.rate
    yield "channels", codec.channels
    yield "fmtp", codec.fmtp
