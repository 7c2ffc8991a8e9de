"""Payloads compressed and restored, and what is not one is refused."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from capture.errors import PayloadCorrupt
from capture.settings import StorageSettings
from capture.store.codec import PLAIN, Dictionary, PayloadCodec, shipped_dictionary
from capture.store.dictionary import train
from capture.store.sample import make_messages

SHIPPED = Dictionary(3, shipped_dictionary())
INVITE = next(message for message in make_messages(20) if message.startswith(b"INVITE"))


def a_reader(dictionary: Dictionary = SHIPPED) -> PayloadCodec:
    reader = PayloadCodec()
    reader.add(*dictionary)
    return reader


def test_payload_comes_back_exactly() -> None:
    codec, raw = PayloadCodec(SHIPPED).encode(INVITE)

    assert codec == SHIPPED.id
    assert len(raw) < len(INVITE) / 2
    assert a_reader().decode(codec, raw) == INVITE


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)), random.Random(1).randbytes(900)])
def test_payload_that_does_not_shrink_is_stored_plain(payload: bytes) -> None:
    codec, raw = PayloadCodec(SHIPPED).encode(payload)

    assert (codec, raw) == (PLAIN, payload)
    assert PayloadCodec().decode(codec, raw) == payload


def test_plain_setting_compresses_nothing_and_still_reads_what_was() -> None:
    plain = PayloadCodec(SHIPPED, StorageSettings(payload="plain"))

    assert plain.encode(INVITE) == (PLAIN, INVITE)
    assert plain.decode(*PayloadCodec(SHIPPED).encode(INVITE)) == INVITE


@pytest.mark.parametrize("flipped", [0x01, 0x08, 0x80])
def test_damaged_byte_never_gives_another_payload(flipped: int) -> None:
    codec, raw = PayloadCodec(SHIPPED).encode(INVITE)
    reader = a_reader()
    noticed = 0

    for place in range(len(raw)):
        damaged = raw[:place] + bytes([raw[place] ^ flipped]) + raw[place + 1 :]
        try:
            assert reader.decode(codec, damaged) == INVITE
        except PayloadCorrupt:
            noticed += 1

    # A frame has a few bits that say nothing.
    assert noticed >= len(raw) - 2


@pytest.mark.parametrize("cut", [0, 1, 5, -1])
def test_cut_payload_is_corrupt(cut: int) -> None:
    codec, raw = PayloadCodec(SHIPPED).encode(INVITE)

    with pytest.raises(PayloadCorrupt):
        a_reader().decode(codec, raw[:cut])


def test_bytes_behind_the_frame_are_corrupt() -> None:
    codec, raw = PayloadCodec(SHIPPED).encode(INVITE)

    with pytest.raises(PayloadCorrupt):
        a_reader().decode(codec, raw + b"\0")


def test_frame_that_claims_terabytes_is_corrupt_and_asks_for_no_memory() -> None:
    frame = b"\x28\xb5\x2f\xfd\xe0" + (1 << 42).to_bytes(8, "little") + bytes(20)
    assert zstandard.frame_content_size(frame) == 1 << 42

    with pytest.raises(PayloadCorrupt, match="cannot be"):
        a_reader().decode(SHIPPED.id, frame)


def test_unknown_dictionary_is_named() -> None:
    reader = a_reader()

    assert not reader.knows(9)
    with pytest.raises(PayloadCorrupt, match="dictionary 9"):
        reader.decode(9, PayloadCodec(SHIPPED).encode(INVITE)[1])


def test_payload_of_another_dictionary_is_corrupt_and_never_other_bytes() -> None:
    codec, raw = PayloadCodec(SHIPPED).encode(INVITE)
    other = a_reader(Dictionary(codec, train(make_messages(60, seed=4), 4096)))

    with pytest.raises(PayloadCorrupt):
        other.decode(codec, raw)


def test_dictionary_that_is_none_makes_its_payloads_corrupt() -> None:
    codec, raw = PayloadCodec(SHIPPED).encode(INVITE)

    with pytest.raises(PayloadCorrupt, match="dictionary"):
        a_reader(Dictionary(codec, b"no dictionary")).decode(codec, raw)


def test_one_codec_serves_many_threads_at_once() -> None:
    codec = PayloadCodec(SHIPPED)
    messages = make_messages(60)

    def there_and_back(message: bytes) -> bytes:
        return codec.decode(*codec.encode(message))

    with ThreadPoolExecutor(8) as pool:
        restored = list(pool.map(there_and_back, messages * 5))

    assert restored == messages * 5
