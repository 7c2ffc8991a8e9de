"""The modules that scripts may require: files of Lua below their folder."""

import re
from pathlib import Path

from capture.scripts.folder import SUFFIX
from capture.scripts.lua import Modules

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def modules_below(directory: Path) -> Modules:
    """`lib.numbers` is `lib/numbers.lua` below it; nothing outside of it, wherever symbolic links lead."""

    def find(name: str) -> tuple[str, bytes] | None:
        if _NAME.fullmatch(name) is None:
            return None
        file = name.replace(".", "/") + SUFFIX
        path = directory / file
        try:
            is_within = path.is_file() and path.resolve().is_relative_to(directory.resolve())
            return (file, path.read_bytes()) if is_within else None
        except OSError:
            return None

    return find
