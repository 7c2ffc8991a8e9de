"""Payloads as they are stored: the exact bytes, compressed by zstd with a dictionary, or plain.

A frame carries its content's size and checksum, so that a damaged one is an error and never other bytes. The
number beside it says how to read it: 0 is plain, any other the id of an immutable dictionary. Pure:
dictionaries are given, and who meets an id that is not known asks the database before it decodes.
"""

import threading
from pathlib import Path
from typing import NamedTuple

import zstandard

from capture.errors import PayloadCorrupt
from capture.settings import StorageSettings

PLAIN = 0

MOST_BYTES = 256 * 1024 * 1024
"""A frame that claims more is damaged: no packet is so large, even inflated."""

SHIPPED_DICTIONARY = Path(__file__).parent / "sip.dict"
"""Made by `capture.store.dictionary`."""


class Dictionary(NamedTuple):
    """A payload dictionary as the database knows it."""

    id: int
    content: bytes


class PayloadCodec:
    """Compresses and restores payloads; safe to share between threads.

    `write_with` compresses new payloads, as `storage` says; a reader needs neither, and `add`s what it meets.
    """

    def __init__(self, write_with: Dictionary | None = None, storage: StorageSettings | None = None) -> None:
        storage = storage or StorageSettings()
        self._dictionaries: dict[int, zstandard.ZstdCompressionDict] = {}
        self._level = storage.zstd_level
        self._write_with: int | None = None
        if write_with is not None:
            self.add(write_with.id, write_with.content)
            if storage.payload == "zstd":
                self._write_with = write_with.id
                self._dictionaries[write_with.id].precompute_compress(level=self._level)
        # A zstd context serves one thread at a time.
        self._contexts = _Contexts()

    def add(self, number: int, content: bytes) -> None:
        """Make a dictionary known."""
        self._dictionaries[number] = zstandard.ZstdCompressionDict(
            content, dict_type=zstandard.DICT_TYPE_FULLDICT
        )

    def knows(self, codec: int) -> bool:
        """Whether `decode` can read payloads of this codec."""
        return codec == PLAIN or codec in self._dictionaries

    def encode(self, payload: bytes) -> tuple[int, bytes]:
        """The codec and the bytes to store: plain where compression would gain nothing."""
        if self._write_with is None:
            return PLAIN, payload
        compressor = self._contexts.compressor
        if compressor is None:
            compressor = self._contexts.compressor = self._make_compressor(self._write_with)
        raw = compressor.compress(payload)
        return (self._write_with, raw) if len(raw) < len(payload) else (PLAIN, payload)

    def decode(self, codec: int, raw: bytes) -> bytes:
        """The exact payload; PayloadCorrupt when it cannot be restored or its dictionary is not known."""
        if codec == PLAIN:
            return raw
        try:
            size = zstandard.frame_content_size(raw)
            if not 0 <= size <= MOST_BYTES:
                raise PayloadCorrupt(f"a payload of {size} bytes cannot be")
            return self._decompressor(codec).decompress(raw, allow_extra_data=False)
        except (zstandard.ZstdError, MemoryError) as error:
            raise PayloadCorrupt(f"payload of {len(raw)} bytes, dictionary {codec}: {error}") from error

    def _decompressor(self, codec: int) -> zstandard.ZstdDecompressor:
        found = self._contexts.decompressors.get(codec)
        if found is None:
            dictionary = self._dictionaries.get(codec)
            if dictionary is None:
                raise PayloadCorrupt(f"payload dictionary {codec} is not known")
            found = zstandard.ZstdDecompressor(dict_data=dictionary)
            self._contexts.decompressors[codec] = found
        return found

    def _make_compressor(self, number: int) -> zstandard.ZstdCompressor:
        return zstandard.ZstdCompressor(
            level=self._level,
            dict_data=self._dictionaries[number],
            write_checksum=True,
            write_content_size=True,
            # The row's raw_codec says it.
            write_dict_id=False,
        )


class _Contexts(threading.local):
    """The zstd contexts of one thread."""

    def __init__(self) -> None:
        self.compressor: zstandard.ZstdCompressor | None = None
        self.decompressors: dict[int, zstandard.ZstdDecompressor] = {}


def shipped_dictionary() -> bytes:
    """The dictionary that comes with this package."""
    return SHIPPED_DICTIONARY.read_bytes()
