"""The machine's power lost: of the journal is there what had been synced, and of the rest perhaps some pages.

What had been synced is noted from outside, by a library before the system's own. The database keeps its
position, and with it up to a second of records that are gone from the journal; the clock is stepped back.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.chaos.clocks import NEARLY_S, arrivals_s
from tests.chaos.fault import Fault, Scene
from tests.chaos.machine import Machine, cannot_make
from tests.support.trial import RECEIVED, Tally, ended

PAGE = 4096
RECORDS_START = 2 * PAGE
STEP_BACK_S = -3600
NEARLY = 500
"""Packets: a worker that is no further behind has stored most of what is not synced."""
AHEAD_BYTES = 1 << 20
GONE = 'rhapsode_journal_gone_packets{journal="0000"}'
SELDOM = {
    "RHAPSODE_JOURNAL__SYNC_S": "4",
    "RHAPSODE_JOURNAL__SEGMENT_BYTES": str(16 << 20),
    # Whole batches, so that the worker is not behind.
    "RHAPSODE_STORAGE__BATCH_ROWS": "2000",
}
"""The database is ahead of the disk by seconds."""
OFTEN = {"RHAPSODE_JOURNAL__SYNC_S": "0.3"}
"""Segments come and go meanwhile."""


def lose_power(scene: Scene) -> None:
    trial = scene.trial
    machine = Machine(trial.directory)
    machine.step(STEP_BACK_S * scene.turn)
    trial.environment = {**machine.environment, **(OFTEN if scene.turn % 2 else SELDOM)}
    figures = {path: path.read_bytes() for path in trial.data.glob("journal/*/*.figures")}
    with scene.life() as running:
        trial.wait_for_more()
        scene.pause(0.5, 1.5)
        if not scene.turn % 2:
            _stop_while_the_database_is_ahead(scene, machine)
        trial.witness.expected.clear()
        running.kill_all()
    with trial.keeper.power_loss():
        for path in _segments(scene):
            _cut_back(scene, path, machine.synced_bytes(path))
    if scene.chance.random() < 0.5:
        # Nobody syncs the figures: they may be as they were long ago.
        for path, data in figures.items():
            path.write_bytes(data)
    _bring_back_deleted(scene)
    trial.witness.forget()
    trial.environment = {}


def _segments(scene: Scene) -> Iterator[Path]:
    return scene.trial.data.glob("journal/*/*.segment")


def _stop_while_the_database_is_ahead(scene: Scene, machine: Machine) -> None:
    """Much is stored that is not synced; intake is held still, or it would sync before it is killed."""
    trial, intake = scene.trial, scene.running.child("intake")

    def is_ahead(now: Mapping[str, float]) -> bool:
        return now[RECEIVED] - ended(now) < NEARLY and _is_ahead(scene, machine)

    while True:
        trial.wait_until(is_ahead, "much is stored that is not synced")
        intake.suspend()
        if _is_ahead(scene, machine):
            return
        intake.resume()


def _is_ahead(scene: Scene, machine: Machine) -> bool:
    """Much is not synced; the first time some of the same segment is, later on perhaps only its header."""
    sizes = [(path.stat().st_size, machine.synced_bytes(path) or 0) for path in _segments(scene)]
    unsynced = sum(size - synced for size, synced in sizes)
    torn = any(RECORDS_START < synced < size for size, synced in sizes)
    return unsynced > AHEAD_BYTES and (torn or scene.turn > 0)


def _cut_back(scene: Scene, path: Path, synced: int | None) -> None:
    """Of a segment what was synced, and behind it nothing, or some pages and holes."""
    size = path.stat().st_size
    if synced is None:
        # Its name was not on disk either, and so no record of it is.
        assert size <= PAGE, f"{path} was written to before it was synced"
        path.unlink()
    elif synced < size:
        _lose_pages(scene, path, synced, size)


def _lose_pages(scene: Scene, path: Path, kept: int, size: int) -> None:
    """Two times of three nothing is left behind: so numbers are given again."""
    if scene.turn % 3 < 2:
        os.truncate(path, kept)
        return
    with path.open("r+b") as file:
        for start, end in _pages(kept, size):
            if scene.chance.random() < 0.5:
                file.seek(start)
                file.write(bytes(end - start))


def _pages(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        behind = min(end, start - start % PAGE + PAGE)
        yield start, behind
        start = behind


def _bring_back_deleted(scene: Scene) -> None:
    """A deletion that was not synced is undone: the names of old segments are there again."""
    trial = scene.trial
    for journal in trial.data.glob("journal/0*"):
        oldest = min(int(path.stem) for path in journal.glob("*.segment"))
        for back in range(1, scene.chance.randint(0, 3) + 1):
            for kept in (trial.directory / "kept").glob(f"{journal.name}-{oldest - back:016d}-*.segment"):
                os.link(kept, journal / f"{oldest - back:016d}.segment")


def _something_was_lost(scene: Scene, tally: Tally) -> None:
    assert scene.trial.keeper.gone, "no loss of power took anything: it shows nothing"
    assert tally.gone, "the database was never ahead of the disk: it shows nothing"
    assert scene.trial.figures()[GONE] > 0
    assert arrivals_s(scene)[0] < -NEARLY_S, "the clock was not stepped back"


FAULTS = (
    Fault(
        "power loss",
        lose_power,
        times=6,
        short=2,
        lives=True,
        impossible=cannot_make,
        holds=_something_was_lost,
    ),
)
