"""A build of a web UI, unpacked or packed, read into memory once: every file under the name it is asked by.

In memory, not from the disk at each request: what is answered is looked up in a dictionary, so that no name
that a browser sends can lead out of the build, a link or a file changed later cannot either, and a packed
build needs no directory to be unpacked into. The stock UI takes 10 MB, as its scripts stay compressed. A
build that is replaced is read at the next start.

What reads here trusts no name and no size in the archive. Knows nothing of HTTP.
"""

import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from capture.errors import ConfigError

INDEX = "index.html"
MAX_FILES = 20_000
MAX_BYTES = 256 * 1024 * 1024
"""Of all files together, unpacked: some ten times the stock UI."""
MAX_DEPTH = 16
_PACKED = re.compile(r"\.(tar\.gz|tgz)$", re.IGNORECASE)
_WORTH_PACKING = frozenset(
    [".css", ".html", ".ico", ".js", ".json", ".map", ".mjs", ".svg", ".ttf", ".txt", ".wasm", ".xml"]
)
_SMALL_BYTES = 1024


class BuiltFile(NamedTuple):
    """One file, as it is and compressed; at least one of both is there."""

    plain: bytes | None
    packed: bytes | None
    """By gzip; None: not worth it."""

    def unpacked(self) -> bytes:
        """As it is."""
        return gzip.decompress(self.packed) if self.plain is None and self.packed else self.plain or b""


class Build(NamedTuple):
    """All files by their names relative to the index page, with `/` between folders."""

    source: Path
    page: str
    """The index page, as it was built."""
    files: dict[str, BuiltFile]
    """All but the index page."""


def read_build(source: Path) -> Build:
    """The build in a directory or a `.tar.gz`; ConfigError in words when there is none, or a strange one.

    The index page may lie deeper (`dist/homer-ui/index.html`): what is beside and below it is the build, but
    for names that begin with a dot.
    """
    try:
        found = _found(source)
        root = _root_of(found, source)
        files = {name[len(root) :]: content for name, content in found.items() if name.startswith(root)}
        page = files.pop(INDEX).decode()
        return Build(source, page, dict(_built(files, source)))
    except UnicodeDecodeError as error:
        raise ConfigError(f"the web UI in {source}: {INDEX} is not UTF-8") from error
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise ConfigError(f"the web UI in {source} cannot be read: {error}") from error


def _found(source: Path) -> dict[str, bytes]:
    if source.is_dir():
        return dict(_in_directory(source))
    if _PACKED.search(source.name) and source.is_file():
        return dict(_in_archive(source))
    raise ConfigError(f"the web UI in {source} is neither a directory nor a .tar.gz that is there")


def _root_of(found: Iterable[str], source: Path) -> str:
    """The folder of the index page that lies highest, with a slash at its end."""
    pages = [name for name in found if PurePosixPath(name).name == INDEX]
    if not pages:
        raise ConfigError(f"the web UI in {source} has no {INDEX}: is it a build?")
    return min(pages, key=lambda name: (name.count("/"), name))[: -len(INDEX)]


def _built(files: dict[str, bytes], source: Path) -> Iterator[tuple[str, BuiltFile]]:
    room = _Room(source)
    for name, content in files.items():
        if _is_sent_packed(name):
            # `x.js.gz` stands for `x.js`, in place of it or beside it. Unpacked once, to know that it can be.
            _read(gzip.GzipFile(fileobj=io.BytesIO(content)), room)
            # The index page is another one by the time it is sent.
            if name[:-3] != INDEX:
                yield name[:-3], BuiltFile(None, content)
        elif f"{name}.gz" not in files or not _is_sent_packed(f"{name}.gz"):
            yield name, _packed(name, content)


def _is_sent_packed(name: str) -> bool:
    """A script, a style, a text and so on, which browsers unpack themselves."""
    return name.endswith(".gz") and PurePosixPath(name[:-3]).suffix.lower() in _WORTH_PACKING


def _packed(name: str, content: bytes) -> BuiltFile:
    if len(content) < _SMALL_BYTES or PurePosixPath(name).suffix.lower() not in _WORTH_PACKING:
        return BuiltFile(content, None)
    packed = gzip.compress(content, 6, mtime=0)
    return BuiltFile(None, packed) if len(packed) < len(content) * 0.9 else BuiltFile(content, None)


class _Room:
    """What a build may still hold."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._files, self._bytes = MAX_FILES, MAX_BYTES

    def take_file(self) -> None:
        self._files -= 1
        if self._files < 0:
            raise ConfigError(f"the web UI in {self._source} has more than {MAX_FILES} files: is it a build?")

    def take_bytes(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise ConfigError(
                f"the web UI in {self._source} is larger than {MAX_BYTES} bytes: is it a build?"
            )


def _read(file: BinaryIO | gzip.GzipFile, room: _Room) -> bytes:
    """All of it, counted piece by piece: what a header says of the size is only said."""
    pieces = []
    while piece := file.read(1024 * 1024):
        room.take_bytes(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


def _in_directory(source: Path) -> Iterator[tuple[str, bytes]]:
    room = _Room(source)
    root = source.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(filter(_is_shown, folders))
        names = sorted(filter(_is_shown, names))
        for name in folders + names:
            _refuse_strange(Path(folder, name), root, source)
        for name in names:
            path = Path(folder, name)
            room.take_file()
            with path.open("rb") as file:
                yield path.relative_to(root).as_posix(), _read(file, room)


def _is_shown(name: str) -> bool:
    """Not what programs leave beside files for themselves, such as `.git` or `.env`."""
    return not name.startswith(".")


def _refuse_strange(path: Path, root: Path, source: Path) -> None:
    shown = path.relative_to(root)
    if len(shown.parts) > MAX_DEPTH:
        raise ConfigError(f"the web UI in {source}: {shown} lies too deep: is it a build?")
    if not path.is_symlink() and (path.is_file() or path.is_dir()):
        return
    if path.is_symlink() and path.is_file() and path.resolve().is_relative_to(root):
        return
    raise ConfigError(f"the web UI in {source}: {shown} is neither a file nor a directory of it")


def _in_archive(source: Path) -> Iterator[tuple[str, bytes]]:
    room = _Room(source)
    with (
        source.open("rb") as packed,
        gzip.GzipFile(fileobj=packed) as unpacked,
        # As a stream: nothing is looked for, so that no header can send it to and fro.
        tarfile.open(fileobj=_Bounded(unpacked.read, room), mode="r|") as archive,
    ):
        for member in archive:
            name = _safe_name(member.name, source)
            room.take_file()
            if member.isdir():
                continue
            if not member.isreg() or member.sparse is not None:
                raise ConfigError(f"the web UI in {source}: {name} is no plain file")
            if not all(map(_is_shown, name.split("/"))):
                continue
            # What comes out of the archive has been counted as it came out of the compression.
            if (content := archive.extractfile(member)) is not None:
                yield name, content.read()


class _Bounded(io.RawIOBase):
    """An archive while it is unpacked, as far as there is room: headers can be as large as files."""

    def __init__(self, read: Callable[[int], bytes], room: _Room) -> None:
        self._read = read
        self._room = room

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._read(min(size, 1024 * 1024) if size >= 0 else 1024 * 1024)
        self._room.take_bytes(len(piece))
        return piece


def _safe_name(name: str, source: Path) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    strange = name.startswith("/") or "\\" in name or not name.isprintable()
    if strange or ".." in parts or len(parts) > MAX_DEPTH:
        raise ConfigError(f"the web UI in {source}: {name!r} is no name of a file in a build")
    return "/".join(parts)
