"""The last version of each script that could be loaded, beside the journals.

So that a worker that starts again while a file is being broken goes on with what ran before, and lets nothing
through that was to be kept out. Several workers write the same; whole or not at all.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from capture.journal.directory import make_directory, write_whole
from capture.scripts.folder import SUFFIX, Script, make_script

log = logging.getLogger(__name__)

VERSIONS_DIR = "versions"


class KeptVersions:
    """One file a script. What goes wrong is said in the log: scripts run all the same."""

    def __init__(self, filters: Path | None) -> None:
        """`filters`: the directory of reports and switches; None: nothing is kept."""
        self._directory = None if filters is None else filters / VERSIONS_DIR
        self._kept: dict[str, str] = {}

    def keep(self, script: Script) -> None:
        if self._directory is None or script.is_example or self._kept.get(script.name) == script.sha256:
            return
        try:
            make_directory(self._directory)
            write_whole(self._directory / script.name, script.source)
        except OSError as error:
            log.warning("the last version of %s cannot be kept: %s", script.name, error)
        else:
            self._kept[script.name] = script.sha256

    def read(self, name: str) -> Script | None:
        """The version that could be loaded last; None when there is none."""
        if self._directory is None:
            return None
        try:
            return make_script(name, (self._directory / name).read_bytes())
        except OSError:
            return None

    def names(self) -> list[str]:
        """Of all scripts of which there is a version."""
        if self._directory is None:
            return []
        try:
            return sorted(path.name for path in self._directory.glob(f"*{SUFFIX}"))
        except OSError:
            return []

    def keep_only(self, names: Iterable[str]) -> None:
        """A script that is gone is gone: under its name something else may come."""
        if self._directory is None:
            return
        try:
            for name in set(self.names()).difference(names):
                (self._directory / name).unlink(missing_ok=True)
                self._kept.pop(name, None)
        except OSError as error:
            log.warning("versions of scripts that are gone cannot be deleted: %s", error)
