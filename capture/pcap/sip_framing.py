"""SIP by itself, without HEP around it: what looks like it, and a TCP stream cut into its messages.

Source: RFC 3261 7.5 and 18.3. A stream may also be one of HEP. The time is linear in the bytes fed, also one
byte at a time: what has been searched is not searched again.
"""

import re
from typing import Final, NamedTuple

from capture.hep.framing import Framer, Rubbish

MOST_BYTES: Final = 1024 * 1024
"""Of a message on TCP; what claims more is none."""
MOST_HEAD_BYTES: Final = 64 * 1024
"""Of its start line and headers; what goes on longer is none."""
_MOST_LINE_BYTES: Final = 8 * 1024
"""Of a start line, some more than the pattern below lets through."""

_STATUS: Final = rb"SIP/2\.0 [1-6][0-9]{2}(?=[ \r\n])"
_TARGET: Final = rb" [^\s]{1,4096} SIP/2\.0(?=\r?\n)"
_START: Final = re.compile(rb"(?:%b|[A-Za-z0-9.!%%*_+`'~-]{1,32}%b)" % (_STATUS, _TARGET))
_NEXT_START: Final = re.compile(rb"(?<=\n)" + _START.pattern)
_METHODS: Final = (
    rb"ACK|BYE|CANCEL|INFO|INVITE|MESSAGE|NOTIFY|OPTIONS|PRACK|PUBLISH|REFER|REGISTER|SUBSCRIBE|UPDATE"
)
_JOINED_START: Final = re.compile(rb"%b|(?:%b)%b" % (_STATUS, _METHODS, _TARGET))
"""Behind the rest of a body that ended without a line's end: no methods but these are known there."""
_ANY_START: Final = re.compile(rb"%b|%b" % (_NEXT_START.pattern, _JOINED_START.pattern))
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LONGEST_END: Final = 4
_LONGEST_LINE_END: Final = 2
_HEP_MAGIC_BYTES: Final = 4
_CONTENT_LENGTH: Final = re.compile(rb"^(?:Content-Length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.I | re.M)


def is_sip(datagram: bytes) -> bool:
    """Whether a datagram begins with the start line of a SIP message, perhaps behind empty lines."""
    return _START.match(datagram.lstrip(b"\r\n")) is not None


class SipFramer:
    """One direction of a connection; what stands between two messages is passed over."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = 1
        """With fewer bytes held there is nothing to do."""
        self._searched = 0
        """So many of them have been searched for what is open."""
        self._is_sip = False
        """Whether a message has been found."""
        self._is_in_step = True
        """Whether what comes next is no rest of a message."""
        self._is_torn = False
        """Whether what comes next may begin in the middle of a word."""

    @property
    def pending(self) -> int:
        """Bytes held."""
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole with these bytes."""
        held = self._held
        held += data
        found: list[bytes] = []
        at = 0
        while len(held) - at >= self._needed:
            length = self._message_bytes(at)
            if length is None:
                break
            if length:
                found.append(bytes(held[at : at + length]))
                self._is_sip = self._is_in_step = True
            else:
                length = self._rubbish_bytes(at)
                self._is_in_step &= not held[at : at + length].strip(b"\r\n")
            self._is_torn = False
            at += length
            self._needed, self._searched = 1, 0
        del held[:at]
        return found

    def finish(self) -> bool:
        """Forget what is not whole; whether that was a message."""
        was_message = _START.match(self._held) is not None
        self._held.clear()
        self._needed, self._searched = 1, 0
        self._is_in_step, self._is_torn = False, True
        return was_message

    def _message_bytes(self, at: int) -> int | None:
        """How long the message is that begins here; 0: none does; None: that is still open."""
        held, available = self._held, len(self._held) - at
        start = _START.match(held, at)
        if start is None:
            # Without the end of its line, a start line cannot be told from anything else.
            if held[at] in b"\r\n" or available >= _MOST_LINE_BYTES:
                return 0
            if held.find(b"\n", at + self._searched) >= 0:
                return 0
            self._searched = available
            return None
        if not self._is_in_step:
            # The rest of a body, or of a word, may stand before the method, or in its place.
            joined = _JOINED_START.search(held, at, start.end() + _LONGEST_LINE_END)
            if joined.start() > at if joined else self._is_torn:
                return 0
            self._is_in_step = True
        head_end = _HEAD_END.search(held, at + max(0, self._searched - _LONGEST_END), at + MOST_HEAD_BYTES)
        if head_end is None:
            self._searched = available
            return None if available < MOST_HEAD_BYTES else 0
        length = _CONTENT_LENGTH.search(held, at, head_end.start())
        size = head_end.end() - at + (int(length[1]) if length else 0)
        if size > MOST_BYTES:
            return 0
        self._needed = size
        return size if size <= available else None

    def _rubbish_bytes(self, at: int) -> int:
        """How far it is to what may begin a message: a line, or what stands behind the rest of a body."""
        held = self._held
        joined_too = not self._is_in_step and (self._is_sip or _START.match(held, at))
        following = (_ANY_START if joined_too else _NEXT_START).search(held, at + 1)
        if following is not None:
            return following.start() - at
        behind_line = held.rfind(b"\n", at) + 1
        return (behind_line or len(held)) - at


class Lost(NamedTuple):
    """What was begun and never became whole."""

    hep_runs: int = 0
    sip_messages: int = 0


class HepOrSipFramer:
    """A stream that is of the one or of the other, told by what is found whole in it first.

    Its first bytes do not tell: captures begin in the middle of a packet, and HEP carries SIP.
    """

    def __init__(self, is_begun: bool = True) -> None:
        """`is_begun`: what comes first is the beginning of the stream."""
        self._hep: Framer | None = Framer()
        self._sip: SipFramer | None = SipFramer()
        """Both, until it is known which one it is."""
        if not is_begun:
            self._sip.finish()
        self._runs: list[bytes | Rubbish] = []
        """Between the packets of HEP that this may be."""

    @property
    def is_known(self) -> bool:
        """Whether the stream is one of these at all."""
        return self._hep is None or self._sip is None

    @property
    def pending(self) -> int:
        """Bytes held."""
        return sum(framer.pending for framer in (self._hep, self._sip) if framer is not None)

    def feed(self, data: bytes) -> list[bytes | Rubbish]:
        """The packets or messages that are whole with these bytes."""
        packets = [] if self._hep is None else self._hep.feed(data)
        messages = [] if self._sip is None else self._sip.feed(data)
        if self._hep is None:
            return [*messages]
        if self._sip is None:
            return packets
        self._runs += packets
        if any(isinstance(item, bytes) for item in packets):
            found, self._runs, self._sip = self._runs, [], None
            return found
        if messages and not self._begins_hep:
            self._hep = None
            return [*messages]
        return []

    @property
    def _begins_hep(self) -> bool:
        """Whether what is held may become a packet of HEP: fewer bytes stay of anything else."""
        return self._hep is not None and self._hep.pending >= _HEP_MAGIC_BYTES

    def finish(self) -> Lost:
        """What comes next may begin in the middle of a packet."""
        begins_hep = self._begins_hep
        runs = [] if self._hep is None else self._hep.finish()
        was_message = self._sip is not None and self._sip.finish()
        if self._sip is None:
            return Lost(hep_runs=len(runs))
        self._runs.clear()
        return Lost(hep_runs=1) if begins_hep else Lost(sip_messages=int(was_message))
