"""The scripts of a folder, read but not run.

Every `*.lua` directly in it, in the order of the names, as heplify-server does; `*_test.lua` are tests and
stay out. What cannot be a script is named, and keeps the others from nothing. Knows no Lua state.
"""

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from capture.scripts.entry_points import (
    EntryPoint,
    Uses,
    blank_out,
    find_entry_points,
    find_uses,
    is_helper,
    is_new_kind,
)
from capture.text import in_one_line

SUFFIX = ".lua"
TEST_SUFFIX = "_test.lua"
MOST_BYTES = 1024 * 1024
"""Of a script. What is larger is data, which belongs into a table to look up."""
MOST_NAME_CHARS = 255
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Script(NamedTuple):
    """One file."""

    name: str
    """The file's name, `.lua` included."""
    source: bytes
    entry_points: tuple[EntryPoint, ...]
    is_new_kind: bool
    sha256: str
    """Of the file's bytes, hexadecimal: tells whether it has been edited."""
    is_example: bool = False
    """Comes with the program."""

    @property
    def is_known(self) -> bool:
        """Whether its content was ever read; else it stands for a file that may do anything."""
        return bool(self.sha256)

    @property
    def code(self) -> str:
        """Without comments and texts, one character a byte."""
        return blank_out(self.source.decode("latin-1"))

    @property
    def stem(self) -> str:
        """The name without `.lua`, as settings have it."""
        return self.name.removesuffix(SUFFIX)


Begin = Callable[[Script | None], None]
"""Told of a script that is about to be compiled, or its top level run, and by None that this has ended."""


def unwatched(_: Script | None) -> None:
    """For who can wait for it."""


@contextmanager
def watched(begin: Begin, script: Script) -> Iterator[None]:
    """While a script is compiled or run. A condition of 100,000 parts is compiled for a minute."""
    begin(script)
    try:
        yield
    finally:
        begin(None)


class Problem(NamedTuple):
    """What an operator should know of a file."""

    name: str
    words: str
    is_left_out: bool
    """Else the script is used all the same."""

    def __str__(self) -> str:
        return f"{self.name}: {self.words}" if self.name else self.words


class Folder(NamedTuple):
    """What was found in a folder."""

    scripts: tuple[Script, ...]
    problems: tuple[Problem, ...]
    unread: Mapping[str, str] = {}
    """Why the content of a file that is named like a script is not known, by the name."""
    lost: str = ""
    """Why it is not known what is in the folder."""


def read_folder(directory: Path) -> Folder:
    """All scripts of a folder; one that is not there, or may not be read, is a problem like any other."""
    try:
        paths = sorted(path for path in directory.iterdir() if _is_named_like_a_script(path.name))
    except OSError as error:
        lost = f"the folder {directory} cannot be read: {_reason(error)}"
        return Folder((), (Problem("", lost, True),), lost=lost)
    scripts: list[Script] = []
    problems: list[Problem] = []
    unread: dict[str, str] = {}
    taken: dict[str, str] = {}
    for path in paths:
        if (words := _why_no_name(path.name)) is not None:
            # It could not be said in reports, metrics and logs, let alone be switched off.
            name = os.fsencode(path.name).decode("utf-8", "replace")
            unread[in_one_line(name, MOST_NAME_CHARS)] = words
            continue
        try:
            data = _read(path)
        except OSError as error:
            unread[path.name] = f"cannot be read: {_reason(error)}"
            continue
        same = taken.setdefault(_folded(path.name), path.name)
        if same != path.name:
            unread[path.name] = f"has the name of {same} but for its spelling"
        elif len(data) > MOST_BYTES:
            unread[path.name] = f"is longer than {MOST_BYTES} bytes"
        else:
            script, words = _script(path.name, data)
            scripts.append(script)
            if words:
                problems.append(Problem(path.name, words, False))
    problems += [Problem(name, words, True) for name, words in unread.items()]
    return Folder(tuple(without_helpers(scripts)), tuple(problems), unread)


def without_helpers(scripts: Sequence[Script]) -> list[Script]:
    """Scripts that see each other's globals, without the functions to run that are helpers of others."""
    uses = {script.name: find_uses(script.code) for script in scripts if not script.is_new_kind}
    return [
        script if script.is_new_kind else script._replace(entry_points=_own_points(script, uses))
        for script in scripts
    ]


def _own_points(script: Script, uses: Mapping[str, Uses]) -> tuple[EntryPoint, ...]:
    others = [each for name, each in uses.items() if name != script.name]
    return tuple(point for point in script.entry_points if not is_helper(point, uses[script.name], others))


def read_examples(names: Iterable[str]) -> Folder:
    """Of the scripts that come with the program those of these names, with or without `.lua`."""
    examples = resources.files("lua_filters").joinpath("examples")
    scripts: list[Script] = []
    unread: dict[str, str] = {}
    for name in dict.fromkeys(name.removesuffix(SUFFIX) + SUFFIX for name in names):
        file = examples.joinpath(name)
        if _is_named_like_a_script(name) and "/" not in name and file.is_file():
            scripts.append(make_script(name, file.read_bytes())._replace(is_example=True))
        else:
            unread[name] = "no example has this name"
    problems = tuple(Problem(name, words, True) for name, words in unread.items())
    return Folder(tuple(scripts), problems, unread)


def make_script(name: str, data: bytes) -> Script:
    """A script of the bytes of its file."""
    return _script(name, data)[0]


def unknown_script(name: str) -> Script:
    """Stands for a file whose content was never read."""
    return Script(name, b"", (), False, "")


def _is_named_like_a_script(name: str) -> bool:
    # Editors keep hidden files beside the one that is edited.
    return name.endswith(SUFFIX) and not name.endswith(TEST_SUFFIX) and not name.startswith(".")


def _why_no_name(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    return None if name.isprintable() else "has a name with characters that cannot be shown"


def _read(path: Path) -> bytes:
    # Not read_bytes: a fifo would wait for its writer, and a device has no end.
    if not path.is_file():
        path.stat()
        raise OSError(None, "not a file")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _script(name: str, data: bytes) -> tuple[Script, str]:
    """The script, and what is odd about it."""
    source = data.removeprefix(_BYTE_ORDER_MARK)
    # One character a byte: names of functions are ASCII, and what else there is does not matter here.
    text = source.decode("latin-1")
    points = tuple(find_entry_points(text))
    script = Script(name, source, points, is_new_kind(text), hashlib.sha256(data).hexdigest())
    if not source.strip():
        return script, "is empty"
    if (line := _first_line_that_is_not_utf8(source)) is not None:
        return script, f"line {line} is not UTF-8: its text is compared byte by byte with what packets hold"
    return script, "" if points else "has no function that is run for packets"


def _first_line_that_is_not_utf8(source: bytes) -> int | None:
    try:
        source.decode()
    except UnicodeDecodeError as error:
        return source.count(b"\n", 0, error.start) + 1
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
