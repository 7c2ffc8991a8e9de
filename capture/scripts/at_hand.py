"""What scripts of our own API ask of the message at hand beyond its fields, and what is made of values.

Services of `lua_filters/runtime/message.lua` and `changes.lua`: plain values in and out, None and words for
what cannot be, which becomes an error at the script's line. Knows no Lua state and no script.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import islice

import xxhash

from capture.errors import MediaError
from capture.media.log import parse_log
from capture.scripts.host import Host
from capture.scripts.lua import Value
from capture.sip.edit import USER_HEADERS, mask_user, redact_body, redact_sdp_keys, remove_header
from capture.sip.grammar import COMPACT_NAMES, header_name
from capture.sip.lines import is_wrapped, unwrap
from capture.sip.sdp import Codec, Media, Sdp, find_sdp, parse_sdp
from capture.text import to_text

Outcome = Value | tuple[Value, ...]

_MOST_SDP_LINES = 4096
"""Of a description that a hostile sender made long; its reading must not use up a script's instructions."""
_NOT_EDITED = (None, b"the JSON around this message cannot be read")


class MessageServices:
    """What these preludes ask of the message at hand."""

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

    def mask(self, payload: bytes, keep_last: int, *fields_and_users: bytes) -> Outcome:
        """The payload with stars in these users; then for each field its new text, where a script has set it.

        The others say by themselves what the payload says.
        """
        draft = self._host.draft
        changes = {} if draft is None else draft.changes
        users = [to_text(user) for user in fields_and_users[1::2]]
        masked = {user: mask_text(user, keep_last) for user in users}
        edited = None if is_wrapped(payload) and unwrap(payload) == payload else payload
        for user, mask in masked.items():
            if edited is not None:
                edited = _edited(edited, partial(mask_user, headers=USER_HEADERS, user=user, masked=mask))
        if edited is None:
            return _NOT_EDITED
        fields = map(to_text, fields_and_users[::2])
        return edited, *(
            masked[user].encode() if field in changes else None
            for field, user in zip(fields, users, strict=True)
        )

    def remove_headers(self, payload: bytes, *names: bytes) -> Outcome:
        texts = tuple(map(to_text, names))
        if not _may_have(texts).search(payload) and not is_wrapped(payload):
            return payload
        edited: bytes | None = payload
        for name in texts:
            if edited is not None:
                edited = _edited(edited, partial(remove_header, name=name))
        return _NOT_EDITED if edited is None else edited

    def redact_body(self, payload: bytes) -> Outcome:
        edited = _edited(payload, redact_body)
        return _NOT_EDITED if edited is None else edited

    def redact_sdp_keys(self, payload: bytes) -> Outcome:
        edited = _edited(payload, redact_sdp_keys)
        return _NOT_EDITED if edited is None else edited


def _edited(payload: bytes, edit: Callable[[bytes], bytes | None]) -> bytes | None:
    """What `edit` makes of the message, which is taken out of OpenSIPS's JSON where it stands in it."""
    edited = edit(payload)
    return edit(unwrap(payload)) if edited is None else edited


@lru_cache(maxsize=64)
def _may_have(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """Finds something in each message that has one of these headers, and in few others."""
    wanted = {header_name(name) for name in names}
    compact = {short for short, long in COMPACT_NAMES.items() if long in wanted}
    either = b"|".join(re.escape(name.encode()) for name in sorted(wanted | compact))
    return re.compile(rb"(?<![A-Za-z0-9\-.!%%*_+`'~])(?:%b)[ \t\r\n]*+:" % either, re.IGNORECASE)


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
