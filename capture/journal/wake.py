"""The FIFO in a journal's directory through which a writer wakes the reader.

Both ends open it for reading and writing: so neither waits for the other, and nothing fails while one is
away. A poke says only "look"; pokes that nobody reads fill the pipe and are dropped then.
"""

import contextlib
import os
import select
import stat
from pathlib import Path

from capture.errors import JournalError

WAKE_NAME = "wake"


class Wake:
    """One end of the FIFO."""

    def __init__(self, directory: Path) -> None:
        path = directory / WAKE_NAME
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o644)
        if not stat.S_ISFIFO(path.stat().st_mode):
            raise JournalError(f"{path} is in the way: it must be a FIFO")
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def fileno(self) -> int:
        """Readable when poked."""
        return self._descriptor

    def poke(self) -> None:
        """Wake whoever waits, now or next."""
        try:
            os.write(self._descriptor, b"\1")
        except BlockingIOError:
            return

    def clear(self) -> None:
        """Forget the pokes so far; look at the journal after this, not before."""
        try:
            while len(os.read(self._descriptor, 65536)) == 65536:
                pass
        except BlockingIOError:
            return

    def wait(self, timeout_s: float) -> bool:
        """Whether there was a poke within `timeout_s`."""
        return bool(self._poll.poll(max(0.0, timeout_s) * 1000))

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
