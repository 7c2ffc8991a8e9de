"""The tables that scripts look up: files of the script folder, held in memory, read anew when they change.

A file is looked at once a second, between two batches, and read once it looks the same twice, so that one
which is just being written is not taken half. A version that cannot be read leaves the one before in place.
What a script names in its text is read beforehand; looking up waits for a small file at most. Knows no Lua.
"""

import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

import xxhash

from capture.errors import ConfigError
from capture.scripts.folder import Problem
from capture.scripts.table_files import SUFFIXES, Found, Table, parse_table, table_of
from capture.text import in_one_line

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024 * 1024
"""Of a file. Two million lines of 28 bytes, 56 MB, take 180 MiB of memory and 3 to 5 s to read."""
MOST_TABLES = 100
AT_ONCE_BYTES = 256 * 1024
"""A file that no script names in its text is read when it is first looked up, if it is no larger: at worst,
with 65,000 lines, that takes 0.2 s of the one second that a script has for a packet."""
LOOK_S = 1.0
_MOST_PATH_BYTES = 1000
"""Of the name that a script gives: each folder in it is looked at."""
_MOST_NAME_CHARS = 255
_MOST_WORDS_CHARS = 500

Answer = Found | tuple[None, bytes]
"""As `Found`, or None and words."""
_Stamp = tuple[int, int, int, int]
"""Inode, size, and the times of the last change of content and of state, in ns."""

_NAMED = re.compile(rb"""["']([^"'\\\n]{1,255}\.(?:csv|json))["']""", re.IGNORECASE)


def names_in(source: bytes) -> set[bytes]:
    """The files that the text of a script names, in comments too."""
    return set(_NAMED.findall(source))


def read_at_most(path: Path) -> bytes:
    """A file, or as much of it as shows that it is too large."""
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


class _File:
    """One file, and what was last seen of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.table: Table | None = None
        self.words = ""
        """What is wrong with it as it is now."""
        self.is_looked_at = False
        self.is_asked_for = False
        """A script has missed it."""
        self.seen: _Stamp | None = None
        """At the last look."""
        self.read: _Stamp | None = None
        """When the version was read that is in use, or that cannot be."""
        self.is_sure = False
        """It was read twice: two changes within a tick of the file system's clock look like one."""
        self.digest = b""
        self.is_left_out = False
        """It cannot be used as it is now, be there an earlier version or not."""
        self.read_words = ""
        """What is wrong with what was read."""
        self.is_read_in_vain = False
        """What was read is no table."""
        self.said = ""
        """What of that stands in the log."""

    @property
    def problem(self) -> Problem | None:
        """A name in a comment is not missing before a script has missed it."""
        is_there = self.seen is not None or self.table is not None
        if not self.words or not (self.is_asked_for or is_there):
            return None
        return Problem(self.name, self.words, self.is_left_out)

    def complain(self) -> None:
        """Once for each thing that is wrong."""
        words = self.words if self.problem is not None else ""
        if words and words != self.said:
            log.warning("table %s %s", self.name, words)
        self.said = words


class Tables:
    """One worker's. For one thread; nothing raises."""

    def __init__(
        self,
        folder: Path | None,
        clock: Callable[[], float] = time.monotonic,
        read: Callable[[Path], bytes] = read_at_most,
    ) -> None:
        """`folder` is that of the scripts; None: there is none, and no table."""
        self._folder = folder
        self._clock = clock
        self._read = read
        self._look_s = 0.0
        self._files: dict[bytes, _File] = {}
        self._tables: dict[bytes, Table] = {}

    @classmethod
    def of(cls, answers: Mapping[str, Mapping[str, object]], folder: Path | None = None) -> "Tables":
        """With these answers, and the files of `folder` for other names. ConfigError for what is no table."""
        tables = cls(folder)
        for name, entries in answers.items():
            table = table_of(entries)
            if isinstance(table, str):
                raise ConfigError(f"{name}: {table}")
            tables._tables[name.encode()] = table
        return tables

    def want(self, names: Iterable[bytes]) -> None:
        """Read these, for scripts that are to run now, and keep an eye on them."""
        for name in names:
            if name not in self._tables and name not in self._files and len(self._files) < MOST_TABLES:
                self._files[name] = _File(_text(name))
                self._look(name, self._files[name])

    def lookup(self, name: bytes, key: bytes) -> Answer:
        """What a table has for a key."""
        table = self._tables.get(name) or self._first_look(name)
        return table.find(key) if isinstance(table, Table) else (None, f"{_text(name)} {table}".encode())

    def refresh(self) -> None:
        """Read what has changed. Costs a look at the clock most of the time."""
        now_s = self._clock()
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            for name, file in self._files.items():
                self._look(name, file)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What an operator should know; of those left out, there is no version that could be used."""
        return tuple(problem for file in self._files.values() if (problem := file.problem) is not None)

    def _first_look(self, name: bytes) -> Table | str:
        """At a table that is looked up and is not there."""
        file = self._files.get(name)
        if file is None or not file.is_looked_at:
            path = self._path(name)
            size = path if isinstance(path, str) else _size(path)
            if isinstance(size, str):
                return size
            if file is None and len(self._files) >= MOST_TABLES:
                return f"is one table too many: at most {MOST_TABLES}"
            file = self._files.setdefault(name, _File(_text(name)))
            if size > AT_ONCE_BYTES:
                self._look_s = 0.0
                return "is large, and being read: name it in the script as text, and it is read beforehand"
            self._look(name, file)
        if not file.is_asked_for:
            file.is_asked_for = True
            file.complain()
        return file.table or file.words

    def _look(self, name: bytes, file: _File) -> None:
        file.is_looked_at = True
        path = self._path(name)
        words = path if isinstance(path, str) else _read_if_changed(path, file, self._read)
        if words and file.table is not None:
            words += "; the version before it is used"
        file.is_left_out = bool(words) or file.is_read_in_vain
        # It may say what stands in the file.
        file.words = in_one_line(words or file.read_words, _MOST_WORDS_CHARS)
        if file.table is not None:
            self._tables[name] = file.table
        file.complain()

    def _path(self, name: bytes) -> Path | str:
        """Where a file is, links followed; why it cannot be used, in words."""
        if self._folder is None:
            return "is not there: there is no folder of scripts"
        is_name = 0 < len(name) <= _MOST_PATH_BYTES and b"\0" not in name
        place = PurePosixPath(os.fsdecode(name) if is_name else "/")
        if place.is_absolute() or ".." in place.parts:
            return "is not a file below the folder of scripts"
        if place.suffix.lower() not in SUFFIXES:
            return "is neither a .csv nor a .json file"
        try:
            path = (self._folder / place).resolve()
            within = path.is_relative_to(self._folder.resolve())
        except (OSError, RuntimeError) as error:
            return f"cannot be read: {error}"
        return path if within else "is a link that leads out of the folder of scripts"


def _read_if_changed(path: Path, file: _File, read: Callable[[Path], bytes]) -> str:
    """Take the file's newest version; why that cannot be read, "" when it can or is what it was."""
    try:
        stamp = _stamp(path)
        settled, file.seen = stamp == file.seen, stamp
        if (stamp == file.read and file.is_sure) or (file.table is not None and not settled):
            return ""
        data = read(path)
        if _stamp(path) != stamp:
            # It is being written. What was there before is used until that is over.
            file.seen = None
            return "" if file.table is not None else "is being written"
    except OSError as error:
        # What was wrong with a file that is gone is not wrong with the one that comes in its place.
        file.seen, file.digest, file.read_words, file.is_read_in_vain = None, b"", "", False
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    file.is_sure, file.read = stamp == file.read, stamp
    digest = xxhash.xxh3_128_digest(data)
    if digest != file.digest:
        file.digest = digest
        table = (
            parse_table(path.name, data) if len(data) <= MOST_BYTES else f"is larger than {MOST_BYTES} bytes"
        )
        file.is_read_in_vain = isinstance(table, str)
        if isinstance(table, str):
            file.read_words = table if file.table is None else f"{table}; the version before it is used"
        else:
            file.table, file.read_words = table, table.words
    return ""


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(None, "not a file")
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _size(path: Path) -> int | str:
    try:
        return _stamp(path)[1]
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"


def _text(name: bytes) -> str:
    return in_one_line(name.decode("utf-8", "replace"), _MOST_NAME_CHARS)
