"""Which scripts there are for a worker: those of the folder, examples of the program, and earlier versions.

A file that cannot be read stands in the version that ran last, and so does one that has become empty, and all
of a folder that cannot be read: a disk that is away or full for a moment must not take away what masks or
drops. Loads nothing.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from capture.scripts.folder import (
    SUFFIX,
    TEST_SUFFIX,
    Folder,
    Problem,
    Script,
    read_examples,
    read_folder,
    unknown_script,
)
from capture.scripts.kept import KeptVersions

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Of each file of Lua: its place below the folder, inode, size, and the times of its last changes in ns."""

_EMPTIED = "is empty, and was not: a disk may have been full when it was saved"

Running = Mapping[str, Script]
"""The versions that run, by name."""


class Inventory:
    """Looks at one folder again and again."""

    def __init__(self, directory: Path | None, examples: Iterable[str], kept: KeptVersions) -> None:
        """`directory` None: only `examples`, by their names."""
        self._directory = directory
        self._examples = tuple(examples)
        self._kept = kept

    def look(self, running: Running) -> Folder:
        """What is there now, by name. What is `unread` is among the scripts all the same, in its last
        version; see `Script.is_known` for when there is none."""
        folder = Folder((), ()) if self._directory is None else read_folder(self._directory)
        examples = read_examples(self._examples)
        unread = {**examples.unread, **folder.unread}
        if folder.lost:
            unread |= dict.fromkeys(self._own_names(running), folder.lost)
        found = {script.name: script for script in folder.scripts}
        unread |= {name: _EMPTIED for name in found if self._is_emptied(found[name], running)}
        hidden = [
            Problem(script.name, "a script of the folder has the name of this example, and is run", False)
            for script in examples.scripts
            if script.name in found or script.name in unread
        ]
        for name in unread:
            found[name] = next(iter(self._earlier(name, running)), unknown_script(name))
        for script in examples.scripts:
            found.setdefault(script.name, script)
        return Folder(
            tuple(found[name] for name in sorted(found)),
            (*folder.problems, *examples.problems, *hidden),
            unread,
            folder.lost,
        )

    def versions(self, script: Script, running: Running) -> list[Script]:
        """What can be run under the name of this one, the newest first; nothing where no content is known."""
        earlier = [each for each in self._earlier(script.name, running) if each.source != script.source]
        return [script, *earlier] if script.is_known else earlier

    def all_versions(self) -> list[Script]:
        """Whatever may have run in the worker's life before."""
        return [version for script in self.look({}).scripts for version in self.versions(script, {})]

    def stamp(self) -> Stamp:
        """Another value whenever `look` may find something else, or a module is another one."""
        return () if self._directory is None else _stamp(self._directory)

    def _own_names(self, running: Running) -> set[str]:
        return {script.name for script in running.values() if not script.is_example} | {*self._kept.names()}

    def _is_emptied(self, script: Script, running: Running) -> bool:
        return not script.source.strip() and any(
            each.entry_points for each in self._earlier(script.name, running)
        )

    def _earlier(self, name: str, running: Running) -> list[Script]:
        kept = self._kept.read(name)
        return [each for each in (running.get(name), kept) if each is not None]


def _stamp(directory: Path) -> Stamp:
    try:
        # rglob takes a folder that cannot be read for an empty one.
        next(directory.iterdir(), None)
        return tuple(
            _stamp_of(path, directory)
            for path in sorted(directory.rglob(f"*{SUFFIX}"))
            if not path.name.endswith(TEST_SUFFIX) and not path.name.startswith(".")
        )
    except OSError as error:
        return ((str(error), 0, 0, 0, 0),)


def _stamp_of(path: Path, directory: Path) -> tuple[str, int, int, int, int]:
    place = str(path.relative_to(directory))
    try:
        status = path.stat()
    except OSError:
        # A link that leads nowhere keeps no change of the other files from being seen.
        return place, 0, 0, 0, 0
    return place, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
