"""The supervisor's children: which run, which are to be started again and when, how they end."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from rhapsode.children import Plan, spawn
from rhapsode.lock import DirectoryLock
from rhapsode.wakeup import Wakeup

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 0.8
"""Whatever dies, and however often, is started again within a second: capture comes before the peace of the
log."""
STABLE_S = 10.0
"""A process that lived so long is no longer counted among those that die at once."""


class BackOff:
    """When to start a process again: at once the first time, then after twice the time before."""

    def __init__(self) -> None:
        self.due = 0.0
        self._delay = FIRST_DELAY_S
        self._started = 0.0

    def started(self, now: float) -> None:
        self._started = now

    def ended(self, now: float) -> float:
        """The delay until the next start, which `due` names too."""
        if now - self._started >= STABLE_S:
            self._delay = FIRST_DELAY_S
        delay, self._delay = self._delay, min(2 * self._delay, LONGEST_DELAY_S)
        self.due = now + delay
        return delay


class Child:
    """One place in the family: the process in it changes, the plan stays."""

    def __init__(self, plan: Plan, on_end: Callable[[int], bool] = lambda _: True) -> None:
        """`on_end` is told the exit status (negative: the signal) and says whether to start it again."""
        self.plan = plan
        self.process: subprocess.Popen[bytes] | None = None
        self.wanted = True
        self.back_off = BackOff()
        self.on_end = on_end

    @property
    def name(self) -> str:
        return self.plan.name


class Family:
    """All children but PostgreSQL. They hold the directory's lock with us, and a pipe that ends with us."""

    def __init__(self, lock: DirectoryLock, wakeup: Wakeup) -> None:
        self._lock = lock
        self._wakeup = wakeup
        self._lifeline, self._held = os.pipe2(os.O_CLOEXEC)
        self.children: list[Child] = []

    def add(self, child: Child) -> Child:
        """Take a child in, once; it is started at the next `start_due`."""
        if child not in self.children:
            self.children.append(child)
        return child

    def start_due(self, now: float) -> None:
        """Start every child that is wanted, does not run, and has waited long enough."""
        for child in self.children:
            if child.wanted and child.process is None and child.back_off.due <= now:
                self.start(child)

    def start(self, child: Child) -> None:
        """Start it now. A system without room for a process is treated like one that died."""
        now = time.monotonic()
        child.back_off.started(now)
        try:
            child.process = spawn(replace(child.plan, lifeline=self._lifeline), self._lock.fileno())
        except OSError as error:
            delay = child.back_off.ended(now)
            log.error("cannot start %s, again in %.1f s: %s", child.name, delay, error)

    def next_due(self) -> float:
        """Monotonic time of the next start; infinity when there is none to come."""
        waiting = (child.back_off.due for child in self.children if child.wanted and child.process is None)
        return min(waiting, default=float("inf"))

    def ended(self, pid: int, status: int) -> bool:
        """A process has ended; False when it is none of ours."""
        for child in self.children:
            if child.process is not None and child.process.pid == pid:
                child.process.returncode = status
                child.process = None
                self._note_end(child, status)
                return True
        return False

    def end(
        self,
        children: Iterable[Child],
        seconds: float,
        reap: Callable[[], None],
        hurry: signal.Signals = signal.SIGKILL,
    ) -> None:
        """SIGTERM, then `hurry` when we are asked to stop a second time, SIGKILL when the time is up.

        Returns when all are gone.
        """
        going = [child for child in children if _drop(child)]
        deadline = time.monotonic() + seconds
        _send(going, signal.SIGTERM)
        hurried = killed = False
        while any(child.process is not None for child in going):
            now = time.monotonic()
            if self._wakeup.stops > 1 and not hurried:
                hurried = True
                _send(going, hurry)
            if now >= deadline and not killed:
                killed = True
                log.warning("killed, because they did not end in time: %s", _names(going))
                _send(going, signal.SIGKILL)
            self._wakeup.sleep(1.0 if killed else min(1.0, deadline - now))
            reap()

    def _note_end(self, child: Child, status: int) -> None:
        if not child.wanted:
            return
        child.wanted = child.on_end(status)
        if child.wanted:
            delay = child.back_off.ended(time.monotonic())
            log.warning("%s ended with %s, started again in %.1f s", child.name, status_words(status), delay)


def reaped() -> Iterator[tuple[int, int]]:
    """Every process that has ended as (pid, status), orphans that init hands us in a container among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def status_words(status: int) -> str:
    """An exit status for people."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _drop(child: Child) -> bool:
    child.wanted = False
    return child.process is not None


def _send(children: Iterable[Child], number: signal.Signals) -> None:
    for child in children:
        if child.process is not None:
            child.process.send_signal(number)


def _names(children: Iterable[Child]) -> str:
    return ", ".join(child.name for child in children if child.process is not None)
