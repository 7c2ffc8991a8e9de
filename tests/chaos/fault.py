"""What a fault is, the system it is made in, and how one is run: under load, then everything is counted.

A fault is declared once, in one of the modules beside this one, and run both by `make chaos` and, a few times
only, by the tests.
"""

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from tests.chaos.private_disk import private_disk
from tests.support.postgres_server import PostgresServer
from tests.support.proxy import Proxy, proxy_beside
from tests.support.rhapsode import Rhapsode
from tests.support.trial import PATIENCE_S, Tally, Trial, ended

UDP_RATE = 1500
TCP_RATE = 600
"""Packets a second, each; their sum is beyond 2,000."""
AWAY_S = 30.0
_POLL_S = 0.05


@dataclass(frozen=True)
class System:
    """How the system is set up that a fault is made in."""

    database: str = "embedded"
    """`embedded`; `server`: one of its own, by URL; `proxied`: the same, through a proxy."""
    arguments: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    postgres: tuple[tuple[str, str], ...] = ()
    """Settings of a server of its own."""
    disk_bytes: int = 0
    """Of a disk of its own for the server; 0: none."""
    journal_on_disk: bool = False
    """That disk is the journal's instead."""


@dataclass(frozen=True)
class Fault:
    """A fault, how often it is made, and what must hold beside all that always must."""

    name: str
    inflict: Callable[["Scene"], None]
    """Made once more; returns when nothing is broken any more, not before all works again."""
    times: int = 1
    short: int = 0
    """How often in the tests; 0: not there."""
    system: System = field(default_factory=System)
    lives: bool = False
    """It begins and ends the system's lives itself."""
    impossible: Callable[[], str] = lambda: ""
    """Why it cannot be made here, in words; empty when it can."""
    holds: Callable[["Scene", Tally], None] = lambda scene, tally: None
    may_lose: int = 0
    """How many datagrams each time may cost that had not been appended."""
    sets_aside: bool = False
    """Whether the packets sent one by one are bad and stay aside; otherwise nothing may be there."""


@dataclass(frozen=True)
class Result:
    """What a run of a fault came to."""

    fault: Fault
    times: int
    tally: Tally
    seconds: float


class Scene:
    """A system on trial with its surroundings, for a fault to act upon."""

    def __init__(self, trial: Trial, chance: random.Random, away_s: float) -> None:
        self.trial = trial
        self.chance = chance
        self.away_s = away_s
        """How long a database is away."""
        self.before = Tally(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        """What came of the packets of earlier faults."""
        self.turn = 0
        """How often the fault has been made before."""
        self.server: PostgresServer | None = None
        self.proxy: Proxy | None = None
        self.said: list[str] = []
        """What the last of the system's lives says."""
        self._running: Rhapsode | None = None

    @property
    def running(self) -> Rhapsode:
        """The life that is on."""
        assert self._running is not None
        return self._running

    @contextmanager
    def life(self, *arguments: str, ready: bool = True) -> Iterator[Rhapsode]:
        """One of the system's lives."""
        with self.trial.life(*arguments, ready=ready) as running:
            self._running = running
            self.said = running.lines
            try:
                yield running
            finally:
                self._running = None

    @contextmanager
    def load(self) -> Iterator[Self]:
        """Packets over UDP and TCP."""
        with self.trial.load(UDP_RATE), self.trial.stream(TCP_RATE):
            yield self

    def at_server(self) -> PostgresServer:
        assert self.server is not None
        return self.server

    def at_proxy(self) -> Proxy:
        assert self.proxy is not None
        return self.proxy

    def pause(self, least_s: float, most_s: float) -> None:
        """A random while in which packets come in."""
        threading.Event().wait(self.chance.uniform(least_s, most_s))

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """AssertionError that says `what` when that takes too long."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            threading.Event().wait(_POLL_S)

    def wait_until_healthy(self) -> None:
        def healthy() -> bool:
            return self.trial.witness.health().status_code == httpx.codes.OK

        self.wait_until(healthy, "/health is good")


@contextmanager
def scene(system: System, seed: str, *, away_s: float = AWAY_S) -> Iterator[Scene]:
    """A new system of this kind, not alive yet."""
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rhapsode-chaos-")))
        made.chmod(0o711)  # where PostgreSQL's account may enter
        disk = stack.enter_context(private_disk(system.disk_bytes)) if system.disk_bytes else None
        server = proxy = None
        if system.journal_on_disk:
            made, disk = disk or made, None
        if system.database != "embedded":
            server = PostgresServer(disk, **dict(system.postgres)).start()
            stack.callback(server.stop)
        if server is not None and system.database == "proxied":
            proxy = stack.enter_context(proxy_beside(server.url))
        trial = stack.enter_context(
            Trial(
                made,
                None if server is None else server.url,
                dict(system.settings),
                seen_by_up=None if proxy is None else proxy.url,
            )
        )
        made_scene = Scene(trial, random.Random(seed), away_s)
        made_scene.server, made_scene.proxy = server, proxy
        yield made_scene


def run(fault: Fault, times: int, scene: Scene) -> Result:
    """Make a fault so often, under load, and count what has become of everything.

    AssertionError when something does not hold. A fault without lives of its own needs one that is on.
    """
    began, singles = time.monotonic(), scene.trial.singles
    with ExitStack() as ends:
        with scene.load():
            for turn in range(times):
                scene.turn = turn
                fault.inflict(scene)
            if fault.lives:
                ends.enter_context(scene.life())
            scene.trial.wait_for_more(ended)
        whole = scene.trial.settle()
        tally, scene.before = whole.since(scene.before), whole
        scene.wait_until_healthy()
        bad = scene.trial.singles - singles if fault.sets_aside else 0
        assert tally.aside == bad, f"{tally.aside} packets are aside: whoever is at fault, it is not they"
        assert fault.lives or _came_in(tally, times * fault.may_lose), f"some did not come in: {tally}"
        fault.holds(scene, tally)
    return Result(fault, times, tally, time.monotonic() - began)


def _came_in(tally: Tally, may_lose: int) -> bool:
    """Whether all that was sent is in the journal or counted as dropped.

    Where intake dies, so do its TCP connections, and what was on its way there; of the datagrams only few.
    """
    if may_lose:
        return tally.uncounted <= may_lose
    return tally.sent == tally.appended + tally.dropped + tally.kernel_drops
