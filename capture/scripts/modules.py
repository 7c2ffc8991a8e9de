"""The modules that scripts may require: files of Lua below their folder."""

import re
from pathlib import Path

from capture.errors import ScriptError
from capture.scripts.folder import MOST_BYTES, SUFFIX
from capture.scripts.lua import Modules

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def modules_below(directory: Path) -> Modules:
    """`lib.numbers` is `lib/numbers.lua` below it; nothing outside of it, wherever symbolic links lead.

    ScriptError for one that is too long, None where there is none.
    """

    def find(name: str) -> tuple[str, bytes] | None:
        if _NAME.fullmatch(name) is None:
            return None
        file = name.replace(".", "/") + SUFFIX
        path = directory / file
        try:
            is_within = path.is_file() and path.resolve().is_relative_to(directory.resolve())
            source = _read(path) if is_within else None
        except OSError:
            return None
        if source is not None and len(source) > MOST_BYTES:
            raise ScriptError("error", f"is longer than {MOST_BYTES} bytes", file)
        return None if source is None else (file, source)

    return find


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
