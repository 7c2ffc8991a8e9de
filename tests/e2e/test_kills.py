"""Kill -9, again and again, at 2,000 packets a second: what intake had appended is stored exactly once.

The oracle keeps every journal segment by a hard link and compares by content what was appended with what is
stored. Moments are random with a fixed seed. All figures that `/metrics` showed on the way are held to their
word: no counter falls, and the outcomes never sum to more than what was received.
"""

import random
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest

from rhapsode.postgres import EmbeddedPostgres
from tests.support.content import stored_payloads
from tests.support.oracle import SegmentKeeper, compare
from tests.support.rhapsode import Rhapsode, metrics, rhapsode_up, up_arguments, wait_for_outcomes
from tests.support.sender import Sender

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = 10
RATE = 2000
SMALL_SEGMENTS = {"RHAPSODE_JOURNAL__SEGMENT_BYTES": str(512 * 1024)}
RECEIVED = "rhapsode_packets_received_total"
OUTCOMES = "rhapsode_packets_total{"


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Where PostgreSQL's account may enter."""
    with tempfile.TemporaryDirectory(prefix="rhapsode-kills-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


class Witness:
    """Looks at `/metrics` from a thread of its own, all the time."""

    def __init__(self, running: Rhapsode) -> None:
        self._running = running
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.samples = 0
        self.faults: list[str] = []

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        before: dict[str, float] = {}
        while not self._stop.wait(0.1):
            try:
                now = metrics(self._running)
            except httpx.HTTPError as error:
                self.faults.append(f"/metrics: {error!r}")
                continue
            self.samples += 1
            for series, value in now.items():
                if series.partition("{")[0].endswith("_total") and value < before.get(series, 0):
                    self.faults.append(f"{series} fell from {before[series]} to {value}")
            ended = sum(value for series, value in now.items() if series.startswith(OUTCOMES))
            if ended > now[RECEIVED]:
                self.faults.append(f"{ended} outcomes of {now[RECEIVED]} packets")
            before = now


class Scene(NamedTuple):
    """A running system, all that its journal ever held, and a witness."""

    running: Rhapsode
    keeper: SegmentKeeper
    witness: Witness
    data: Path

    def check(self, sent: int) -> None:
        """Everything sent was appended, and is stored once, and counted; no figure told otherwise on the
        way."""
        check_content(self.running, self.keeper, self.data, sent)
        assert metrics(self.running)["rhapsode_kernel_drops_total"] == 0
        assert self.witness.samples > 0
        assert not self.witness.faults, self.witness.faults


@pytest.fixture(scope="module")
def scene(directory: Path) -> Iterator[Scene]:
    """One system for all the tests that it survives: each adds its packets to what must be there."""
    data = directory / "data"
    with (
        SegmentKeeper(data / "journal", directory / "kept") as keeper,
        rhapsode_up(data, extra=SMALL_SEGMENTS) as running,
        Witness(running) as witness,
    ):
        yield Scene(running, keeper, witness, data)


class Load(NamedTuple):
    """A sender at work, and how many packets had been received before it began."""

    sender: Sender
    before: int

    def stop(self) -> int:
        """How many packets the system must have by now."""
        return self.before + self.sender.stop()


@pytest.fixture
def load(scene: Scene) -> Iterator[Load]:
    """Packets at 2,000 a second, numbered on from what is there."""
    before = int(metrics(scene.running)[RECEIVED])
    with Sender(scene.running.hep, RATE, first=before) as sender:
        yield Load(sender, before)


def check_content(running: Rhapsode, keeper: SegmentKeeper, data: Path, packets: int) -> None:
    """Wait until so many packets have ended; then all that was appended is stored once, and counted."""
    figures = wait_for_outcomes(running, packets)
    appended = keeper.payloads()
    difference = compare(appended, stored_payloads(EmbeddedPostgres(data / "postgres").url))
    assert not difference, f"{difference}\n{running.output}"
    assert figures[RECEIVED] == appended.total() == packets
    assert figures['rhapsode_packets_total{outcome="written"}'] == packets


@pytest.mark.parametrize("role", ["worker", "intake", "postgres"])
def test_killed_process_costs_no_packet_and_doubles_none(role: str, scene: Scene, load: Load) -> None:
    # The sockets outlive intake, and their buffer holds ten seconds of this: nothing is lost on the way
    # either.
    chance = random.Random(role)
    victim = scene.running.child(role)
    for _ in range(KILLS):
        threading.Event().wait(chance.uniform(0.05, 0.8))
        victim.kill()
        victim = scene.running.wait_for_child(role, victim.pid)

    scene.check(load.stop())


def test_database_away_for_ten_seconds_loses_nothing_and_the_backlog_drains(
    scene: Scene, load: Sender
) -> None:
    server = scene.running.child("postgres")
    load.sender.wait_for(RATE // 2)
    stopped = [server, *server.children(recursive=True)]
    for process in stopped:
        process.suspend()
    load.sender.wait_for(load.sender.sent + 10 * RATE)
    for process in stopped:
        process.resume()
    back = time.monotonic()

    scene.check(load.stop())

    assert time.monotonic() - back < 30


def test_everything_killed_at_once_costs_no_appended_packet_and_doubles_none(directory: Path) -> None:
    chance = random.Random("all at once")
    data = directory / "killed at once"
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    arguments = up_arguments(data, hep=f"{address[0]}:{address[1]}")
    with (
        SegmentKeeper(data / "journal", directory / "kept at once") as keeper,
        Sender(address, RATE) as sender,
    ):
        for turn in range(KILLS):
            with Rhapsode(*arguments, extra=SMALL_SEGMENTS) as running:
                if turn == 0:
                    running.wait_until_ready()
                # Some of these moments are in the middle of a start.
                threading.Event().wait(chance.uniform(0.5, 3.0))
                kill_all(running)
        with Rhapsode(*arguments, extra=SMALL_SEGMENTS) as running:
            running.wait_until_ready()
            sender.stop()
            appended = received_for_good(running, keeper)
            check_content(running, keeper, data, appended)

    assert appended > KILLS * RATE / 10


def received_for_good(running: Rhapsode, keeper: SegmentKeeper) -> int:
    """How many packets have been appended once the socket holds no more; those between two lives are
    nobody's."""
    before, now = -1, keeper.payloads().total()
    while now != before:
        wait_for_outcomes(running, now)
        before, now = now, keeper.payloads().total()
    return now


def kill_all(running: Rhapsode) -> None:
    """The supervisor first, then at once whatever is there, as a machine's end would have it."""
    processes = running.descendants()
    running.process.kill()
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    running.process.wait()
    psutil.wait_procs(processes, 10)
