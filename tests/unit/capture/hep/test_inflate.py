import gzip
import zlib
from collections.abc import Callable

import pytest

from capture.errors import HepError
from capture.hep.inflate import inflate

TEXT = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n" * 20


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    "stream",
    [
        zlib.compress(TEXT, 1),
        zlib.compress(TEXT, 6),
        zlib.compress(TEXT, 9),
        gzip.compress(TEXT, mtime=0),
        raw_deflate(TEXT),
    ],
    ids=["zlib 78 01", "zlib 78 9c", "zlib 78 da", "gzip", "raw deflate"],
)
def test_each_wrapping_is_told_by_its_first_bytes(stream: bytes) -> None:
    assert inflate(stream, 1 << 20) == TEXT


@pytest.mark.parametrize("stream", [zlib.compress(TEXT), gzip.compress(TEXT, mtime=0), raw_deflate(TEXT)])
def test_stream_that_ends_early_is_no_stream(stream: bytes) -> None:
    assert inflate(stream[:-1], 1 << 20) is None


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x78\x9c", b"\x1f\x8b", b"INVITE sip:a SIP/2.0", b"\x03\x00rest"]
)
def test_bytes_that_are_no_stream_give_none(data: bytes) -> None:
    assert inflate(data, 1 << 20) is None


def test_bytes_after_the_end_of_a_zlib_stream_are_ignored() -> None:
    assert inflate(zlib.compress(TEXT) + b"\0\0\0", 1 << 20) == TEXT


def test_stream_with_a_wrong_checksum_is_no_stream() -> None:
    stream = bytearray(zlib.compress(TEXT))
    stream[-1] ^= 1

    assert inflate(bytes(stream), 1 << 20) is None


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, raw_deflate])
def test_limit_is_kept_to_the_byte(compress: Callable[[bytes], bytes]) -> None:
    stream = compress(bytes(10_000))

    assert inflate(stream, 10_000) == bytes(10_000)
    with pytest.raises(HepError, match="inflate to more than 9999") as error:
        inflate(stream, 9_999)
    assert error.value.reason == "inflate"
