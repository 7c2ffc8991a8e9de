"""Compressed bytes back to what they were, with a limit on their size.

Source: HEP3 rev. 37 says "gzip/inflate" of chunk 0x0010, its senders (captagent, OpenSIPS) put a zlib stream
there, and heplify compresses whole packets with gzip. So the first bytes decide: RFC 1952, RFC 1950, else
RFC 1951.
"""

import zlib
from typing import Final

from capture.errors import HepError

GZIP_MAGIC: Final = b"\x1f\x8b"

_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15
"""The `wbits` of zlib that name the three wrappings."""


def inflate(data: bytes, max_bytes: int) -> bytes | None:
    """The inflated bytes, or None when `data` is no whole stream of the three kinds.

    Bytes after the end of a zlib or gzip stream are ignored. HepError "inflate" when more than `max_bytes`
    would come out: 64 KiB can hold 64 MiB.
    """
    if data[:2] == GZIP_MAGIC:
        return _inflate_as(_GZIP, data, max_bytes)
    if _has_zlib_header(data):
        inflated = _inflate_as(_ZLIB, data, max_bytes)
        if inflated is not None:
            return inflated
    return _inflate_as(_RAW, data, max_bytes)


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950 2.2: method 8, and a check that makes the first two bytes a multiple of 31."""
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _inflate_as(wbits: int, data: bytes, max_bytes: int) -> bytes | None:
    stream = zlib.decompressobj(wbits)
    try:
        inflated = stream.decompress(data, max_bytes + 1)
    except zlib.error:
        return None
    if len(inflated) > max_bytes:
        raise HepError("inflate", f"{len(data)} bytes inflate to more than {max_bytes}")
    if not stream.eof:
        return None
    # A raw stream has no checksum: with bytes left over it is something else that happens to begin like one.
    return None if wbits == _RAW and stream.unused_data else inflated
