"""Journals of other runs: fewer workers than before, another data directory, directories from a backup."""

import shutil
import subprocess
import time
from pathlib import Path

from tests.chaos.fault import Fault, Scene, System
from tests.support.oracle import SegmentKeeper

_SERVER = System("server")


def fewer_workers(scene: Scene) -> None:
    """Two journals, both with a backlog, then one worker for the two of them."""
    scene.trial.environment = {"RHAPSODE_WORKERS": "2"}
    with scene.life() as running:
        workers = [process for process in running.descendants() if "worker" in process.cmdline()]
        assert len(workers) == 2
        scene.trial.wait_for_more()
        for worker in workers:
            worker.suspend()
        scene.pause(1.0, 2.0)
        scene.trial.witness.expected.clear()
        running.kill_all()
    scene.trial.environment = {"RHAPSODE_WORKERS": "1"}
    with scene.life() as running:
        running.wait_for("worker 0001 has drained its journal", timeout_s=60)
        scene.trial.witness.expected.clear()
        running.kill_all()


def other_data_directory(scene: Scene) -> None:
    """The database goes on with a journal that it does not know; the old one is moved away and comes back."""
    trial = scene.trial
    _crash_under_load(scene)
    away = trial.directory / "elsewhere"
    trial.data.rename(away)
    trial.witness.forget()
    _crash_under_load(scene)
    for journal in (away / "journal").glob("0*"):
        # As after a move to this machine: it is drained like any that nobody writes.
        journal.rename(trial.data / "journal" / f"moved-{journal.name}")
    shutil.rmtree(away)


def old_directory_on_restored_database(scene: Scene) -> None:
    """Both are put back to where they were at a crash, and what came after it is nobody's any more."""
    trial, server = scene.trial, scene.at_server()
    _crash_under_load(scene)
    backup = trial.directory / "backup"
    _copy(trial.data, backup / "data")
    _copy(trial.directory / "kept", backup / "kept")
    server.back_up()
    _crash_under_load(scene)
    trial.keeper.__exit__(None, None, None)
    for name in ("data", "kept"):
        shutil.rmtree(trial.directory / name)
        (backup / name).rename(trial.directory / name)
    server.restore()
    trial.keeper = SegmentKeeper(trial.data / "journal", trial.directory / "kept")
    trial.keeper.__enter__()
    trial.witness.forget()


def _copy(directory: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", directory, target], check=True)
    for path in target.glob("*.segment"):
        # The name holds the inode, which may be given to another file.
        path.rename(path.with_suffix(f".{time.time_ns()}"))


def _crash_under_load(scene: Scene) -> None:
    with scene.life() as running:
        scene.trial.wait_for_more()
        scene.pause(0.5, 1.5)
        scene.trial.witness.expected.clear()
        running.kill_all()


FAULTS = (
    Fault("fewer workers than before", fewer_workers, lives=True),
    Fault("another data directory", other_data_directory, system=_SERVER, lives=True),
    Fault(
        "old directory, restored database",
        old_directory_on_restored_database,
        times=2,
        system=_SERVER,
        lives=True,
    ),
)
