"""Which of several journals a packet goes to, so that a call's messages meet one worker.

A guess by byte search, not a decode: correctness never rests on it, only how often a call's keys are
written and what a script remembers. A wrong guess is as good as any other journal.
"""

from collections.abc import Callable

import xxhash

_LONGEST_ID = 1024
"""Bytes searched for the end of an id; RFC 3261 sets no limit, senders stay far below."""

_CORRELATION_CHUNK = b"\0\0\0\x11"
"""Vendor 0, type 0x0011; a length that counts these six bytes follows."""

Choose = Callable[[bytes, bytes], int]


def choose_journal(journals: int) -> Choose:
    """A function of (packet, peer) to a journal's number below `journals`, the same in every run and
    process."""

    def choose(packet: bytes, peer: bytes) -> int:
        return xxhash.xxh3_64_intdigest(spread_key(packet, peer)) % journals

    return choose


def spread_key(packet: bytes, peer: bytes) -> bytes:
    """The SIP Call-ID where one is seen, else HEP's correlation id, else the sender's address.

    RTCP and logs usually carry the Call-ID as correlation id and so follow their call; a compressed payload
    shows none. Both spellings of the header are those of nearly all senders: others go by the rest.
    """
    start = packet.find(b"\nCall-ID:")
    if start >= 0:
        return _line(packet, start + 9)
    start = packet.find(b"\ni:")
    if start >= 0:
        return _line(packet, start + 3)
    start = packet.find(_CORRELATION_CHUNK)
    if start >= 0:
        end = start + int.from_bytes(packet[start + 4 : start + 6], "big")
        if start + 6 < end <= len(packet):
            return packet[start + 6 : end]
    return peer


def _line(packet: bytes, start: int) -> bytes:
    end = packet.find(b"\n", start, start + _LONGEST_ID)
    return packet[start : end if end >= 0 else start + _LONGEST_ID].strip()
