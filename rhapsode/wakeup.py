"""Signals as something to wait for, with a time limit, in a program without an event loop."""

import os
import select
import signal
import time
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGHUP too: the terminal has gone, and nobody is left to read what we write to it."""


class Wakeup:
    """Counts the signals that ask to stop; `sleep` ends at any signal, that of a child's end among them."""

    def __init__(self) -> None:
        self.stops = 0
        """How often we were asked to stop."""
        self.stopped_at = 0.0
        """Monotonic time of the first."""
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in STOPS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            signal.signal(number, self._stop)
        # Without a handler the kernel would not interrupt anything for a child's end.
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def sleep(self, seconds: float) -> None:
        """Until a signal, `wake`, or the time is up."""
        select.select([self._read], [], [], max(0.0, seconds))
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            return

    def wake(self) -> None:
        """End a sleep; from any thread."""
        os.write(self._write, b"\0")

    def _stop(self, _: int, __: FrameType | None) -> None:
        if self.stops == 0:
            self.stopped_at = time.monotonic()
        self.stops += 1
