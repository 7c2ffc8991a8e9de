"""A file out of a multipart form, written to disk piece by piece as it comes, and never longer than allowed.

Source: RFC 7578. The file has no name on disk: it is gone with its descriptor, whatever becomes of the
process. Knows nothing of routes or of what is in a file.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.errors import BodyTooLarge, RequestError, UploadRefused
from capture.journal.room import Disk, Room
from capture.settings import JournalSettings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

STALLED_S: Final = 60
"""A body of which nothing comes for so long is given up."""
_GATHER_BYTES: Final = 1024 * 1024
_FIELD_BYTES: Final = 1000
_MOST_PARTS: Final = 20
_FORM_BYTES: Final = 64 * 1024
"""Of a body beside its file: boundaries, headers and fields."""


class Upload(NamedTuple):
    """What a form has brought."""

    file: BinaryIO
    name: str
    """As the client calls the file, without its directories; for people only."""
    fields: dict[str, str]
    """The other parts, by name."""


@asynccontextmanager
async def received_file(
    request: Request, part: str, limit_bytes: int, directory: Path, journal: JournalSettings
) -> AsyncIterator[Upload]:
    """The file in `part`, on the disk of `directory` until the block ends.

    RequestError when the body is no such form, BodyTooLarge when the file is longer than `limit_bytes`,
    UploadRefused when the disk has no room that may be used.
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if content_type != b"multipart/form-data" or not boundary:
        raise RequestError
    declared = request.headers.get("content-length", "")
    # No int() of more digits than a size can have.
    if declared.isdecimal() and (len(declared) > 15 or int(declared) > limit_bytes + _FORM_BYTES):
        raise BodyTooLarge(limit_bytes)
    try:
        file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed below, after the caller's use
    except OSError as error:
        raise UploadRefused(f"the file cannot be kept meanwhile: {error.strerror}") from error
    with file:
        form = _Form(part, limit_bytes)
        try:
            parser = MultipartParser(boundary, form.callbacks())
            async for chunk in _chunks(request, limit_bytes):
                parser.write(chunk)
                await form.save(file, directory, journal)
            parser.finalize()
        except FormParserError as error:
            raise RequestError from error
        await form.save(file, directory, journal, everything=True)
        if form.file_name is None:
            raise RequestError(f"the form has no file in a part {part}")
        if not form.is_whole:
            raise RequestError("the request's body did not come to its end")
        yield Upload(file, form.file_name, form.fields)


async def _chunks(request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
    """Of a body that need not say how long it is, and may say nothing in as many bytes as it likes."""
    stream = request.stream()
    received = 0
    while True:
        try:
            async with asyncio.timeout(STALLED_S):
                chunk = await anext(stream, None)
        except (TimeoutError, ClientDisconnect) as error:
            raise RequestError("the request's body did not come") from error
        if chunk is None:
            return
        received += len(chunk)
        if received > limit_bytes + _FORM_BYTES:
            raise BodyTooLarge(limit_bytes)
        yield chunk


class _Form:
    """What the parser has met so far. Of the file only what is not written yet is held."""

    def __init__(self, part: str, limit_bytes: int) -> None:
        self.file_name: str | None = None
        self.fields: dict[str, str] = {}
        self.is_whole = False
        self._part = part
        self._limit_bytes = limit_bytes
        self._unwritten = bytearray()
        self._file_bytes = 0
        self._parts = 0
        self._header = b""
        self._value = b""
        self._disposition: dict[bytes, bytes] = {}
        self._field = bytearray()
        self._is_file = False

    def callbacks(self) -> "MultipartCallbacks":
        """For the parser, by its names of events."""
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    async def save(
        self, file: BinaryIO, directory: Path, journal: JournalSettings, *, everything: bool = False
    ) -> None:
        """Write what is held, once that is worth it; UploadRefused when there is no room."""
        if len(self._unwritten) < _GATHER_BYTES and not everything:
            return
        data, self._unwritten = bytes(self._unwritten), bytearray()
        try:
            await asyncio.to_thread(_write, file, data, directory, journal)
        except OSError as error:
            raise UploadRefused(f"the file cannot be kept meanwhile: {error.strerror}") from error

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise RequestError("the form has too many parts")
        self._disposition, self._field, self._is_file = {}, bytearray(), False
        self._header = self._value = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, self._disposition = parse_options_header(self._value)
        self._header = self._value = b""

    def _on_headers_finished(self) -> None:
        if self._name == self._part and self.file_name is None:
            self._is_file = True
            given = self._disposition.get(b"filename", b"").decode("utf-8", "replace")
            self.file_name = given.replace("\\", "/").rpartition("/")[2][:200] or self._part

    @property
    def _name(self) -> str:
        return self._disposition.get(b"name", b"").decode("utf-8", "replace")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._file_bytes += end - start
            if self._file_bytes > self._limit_bytes:
                raise BodyTooLarge(self._limit_bytes)
            self._unwritten += data[start:end]
            return
        self._field += data[start:end]
        if len(self._field) > _FIELD_BYTES:
            raise RequestError("a field of the form is too long")

    def _on_part_end(self) -> None:
        if not self._is_file:
            self.fields[self._name] = self._field.decode("utf-8", "replace").strip()

    def _on_end(self) -> None:
        self.is_whole = True


def _write(file: BinaryIO, data: bytes, directory: Path, journal: JournalSettings) -> None:
    space = Disk.of(directory)
    # The room below twice the floor is for what comes in.
    if space.free - len(data) < 2 * Room(journal, space).min_free_bytes:
        raise OSError(28, "too little room on the disk")
    file.write(data)
    file.flush()
