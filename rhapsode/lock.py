"""One owner for a directory, and the owner's children with it.

The lock belongs to the open file, not to the process: a child that inherits the descriptor keeps it after its
parent was killed, so whoever comes next waits for the last of the family. Knows nothing of what is in the
directory.
"""

import fcntl
import os
import time
from pathlib import Path

from rhapsode.errors import DirectoryBusy

POLL_S = 0.05
"""flock has no time limit of its own, and a signal is a poor one in a library."""


class DirectoryLock:
    """An flock on `PATH`, held until `close` and by every process that inherited `fileno()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def fileno(self) -> int:
        """The descriptor to hand to children (`pass_fds`)."""
        return self._fd

    def acquire(self, wait_s: float = 0.0, *, shared: bool = False) -> None:
        """Take the lock, waiting at most `wait_s`; DirectoryBusy names the processes in the way."""
        operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._fd, operation)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holders = holders_of(self.path)
                    self.close()
                    raise DirectoryBusy(_busy(self.path.parent, holders)) from None
                time.sleep(POLL_S)
            else:
                return

    def close(self) -> None:
        """Give up this process's hold."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def holders_of(path: Path) -> list[tuple[int, str]]:
    """Other processes that have `path` open, as (pid, command line); only those we may look into."""
    try:
        wanted = path.stat()
    except OSError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        if _has_open(entry, wanted):
            found.append((int(entry.name), _command_line(entry)))
    return sorted(found)


def _has_open(process: Path, wanted: os.stat_result) -> bool:
    try:
        for fd in (process / "fd").iterdir():
            try:
                seen = fd.stat()
            except OSError:
                continue
            if seen.st_ino == wanted.st_ino and seen.st_dev == wanted.st_dev:
                return True
    except OSError:  # it ended meanwhile, or belongs to another account
        return False
    return False


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def _busy(directory: Path, holders: list[tuple[int, str]]) -> str:
    who = ", ".join(f"process {pid} ({command[:80]})" for pid, command in holders[:3])
    return f"{directory} is in use by {who or 'another process'}"
