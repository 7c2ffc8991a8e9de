"""SIP by itself, without HEP around it: what looks like it, and a TCP stream cut into its messages.

Source: RFC 3261 7.5 and 18.3. A stream may also be one of HEP: its first bytes tell.
"""

import re
from typing import Final

from capture.hep.chunks import MAGICS
from capture.hep.framing import Framer

MOST_BYTES: Final = 1024 * 1024
"""Of a message on TCP; what claims more is none."""

_START: Final = re.compile(
    rb"(?:SIP/2\.0 [1-6][0-9]{2}(?=[ \r\n])|[A-Za-z0-9.!%*_+`'~-]{1,32} [^\s]{1,4096} SIP/2\.0(?=\r?\n))"
)
_NEXT_START: Final = re.compile(rb"(?<=\n)" + _START.pattern)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_CONTENT_LENGTH: Final = re.compile(rb"^(?:Content-Length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.I | re.M)


def is_sip(datagram: bytes) -> bool:
    """Whether a datagram begins with the start line of a SIP message."""
    return _START.match(datagram) is not None


class SipFramer:
    """One direction of a connection; what stands between two messages is passed over."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole with these bytes."""
        self._held += data
        found: list[bytes] = []
        while self._held:
            length = self._message_bytes()
            if length is None:
                break
            if length:
                found.append(self._held[:length])
            else:
                length = self._rubbish_bytes()
            self._held = self._held[length:]
        return found

    def finish(self) -> None:
        """Forget what is not whole."""
        self._held = b""

    def _message_bytes(self) -> int | None:
        """How long the message is that begins here; 0: none does; None: that is still open."""
        held = self._held
        head_end = _HEAD_END.search(held)
        if not is_sip(held):
            # Without the end of its line, a start line cannot be told from anything else.
            is_open = b"\n" not in held and not held.startswith(b"\r")
            return None if is_open and len(held) < MOST_BYTES else 0
        if head_end is None:
            return None if len(held) < MOST_BYTES else 0
        length = _CONTENT_LENGTH.search(held, 0, head_end.start())
        size = head_end.end() + (int(length[1]) if length else 0)
        if size > MOST_BYTES:
            return 0
        return size if size <= len(held) else None

    def _rubbish_bytes(self) -> int:
        """How far it is to the next line that may begin a message."""
        following = _NEXT_START.search(self._held, 1)
        if following is not None:
            return following.start()
        return self._held.rfind(b"\n") + 1 or len(self._held)


class HepOrSipFramer:
    """A stream that is of the one or of the other, told by the bytes that come first."""

    def __init__(self) -> None:
        self._framer: Framer | SipFramer | None = None

    def feed(self, data: bytes) -> list[bytes]:
        if self._framer is None:
            is_hep = any(magic in data for magic in MAGICS)
            self._framer = Framer() if is_hep else SipFramer()
        return [item for item in self._framer.feed(data) if isinstance(item, bytes)]

    def finish(self) -> None:
        """What comes next may begin in the middle of a packet."""
        if self._framer is not None:
            self._framer.finish()
