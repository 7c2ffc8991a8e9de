"""A machine whose clock can be stepped and whose fsyncs are noted, for the processes of a system on trial.

By a library before the system's own (`machine.c`), so that nothing of the code under test is touched, and the
real machine's clock neither.
"""

import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("machine.c")


def cannot_make() -> str:
    """Why there is no such machine here; empty when there can be."""
    return "" if shutil.which("cc") else "no C compiler"


class Machine:
    """Its files are in a directory of the trial's."""

    def __init__(self, directory: Path) -> None:
        self._library = directory / "machine.so"
        self._clock = directory / "clock"
        self._fsyncs = directory / "fsyncs"
        if not self._library.exists():
            subprocess.run(
                ["cc", "-shared", "-fPIC", "-O2", "-o", self._library, _SOURCE, "-ldl"], check=True
            )
            self._clock.write_bytes(bytes(8))
            self._fsyncs.touch()

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes that are to run on it."""
        return {
            "LD_PRELOAD": str(self._library),
            "CHAOS_CLOCK": str(self._clock),
            "CHAOS_FSYNCS": str(self._fsyncs),
        }

    def step(self, seconds: int) -> None:
        """The clock goes so many seconds before (negative: behind) the real one, at once and for all."""
        # In place: it is mapped into the processes.
        with self._clock.open("r+b") as file:
            file.write(struct.pack("<q", seconds))

    def synced_bytes(self, path: Path) -> int | None:
        """How much of a file was on disk for sure; None: it was never synced."""
        status = path.stat()
        file = status.st_dev, status.st_ino
        lines = (tuple(map(int, line.split())) for line in self._fsyncs.read_text().splitlines())
        return max((size for device, inode, size in lines if (device, inode) == file), default=None)

    def forget(self) -> None:
        """A new boot: inodes that were given up may be other files' from now on."""
        self._fsyncs.write_text("")
