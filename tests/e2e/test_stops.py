"""Stops and deaths of the supervisor under load, and what the next start makes of what they left."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sender import payload
from tests.support.trial import KERNEL_DROPS, RATE, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STOP_S = 10.0
AT_ONCE_S = 3.0


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """One directory for all tests of this file: each goes on with what the one before has left."""
    with tempfile.TemporaryDirectory(prefix="rhapsode-stops-") as made:
        Path(made).chmod(0o711)  # where PostgreSQL's account may enter
        with Trial(Path(made)) as trial:
            yield trial


def check_after_next_start(trial: Trial, *arguments: str) -> None:
    """All that was appended is stored once, with all that the sockets get now."""
    with trial.life(*arguments) as running:
        with trial.load() as load:
            load.wait_for(100)
        trial.settle()
        trial.witness.expected.clear()
        assert running.stop() == 0


def test_stop_under_load_ends_in_time_and_keeps_all_that_came_before_it(trial: Trial) -> None:
    with trial.load() as load:
        with trial.life() as running:
            load.wait_for(load.sent + RATE)
            left = running.descendants()
            drops = trial.figures()[KERNEL_DROPS]
            trial.witness.expected.clear()
            # So that there is much in the socket when the signal comes.
            intake = running.child("intake")
            intake.suspend()
            load.wait_for(load.sent + RATE // 2)
            first, count = trial.sent, load.sent
            began = time.monotonic()
            running.send_signal(signal.SIGTERM)
            intake.resume()
            assert running.process.wait(STOP_S) == 0
            took_s = time.monotonic() - began
        kept = trial.keeper.payloads()

    assert took_s < STOP_S
    assert not [process for process in left if process.is_running()]
    assert drops == 0
    assert "Traceback" not in running.output
    received = [number for number in range(first, first + count) if kept[payload(number)]]
    assert received[-1] == first + count - 1
    assert received == list(range(received[0], first + count)), "from the first that the socket got, all"
    check_after_next_start(trial)


def test_second_signal_under_load_stops_at_once_and_loses_nothing_received(trial: Trial) -> None:
    with trial.life() as running:
        left = running.descendants()
        with trial.load() as load:
            load.wait_for(RATE // 2)
            trial.witness.expected.clear()
            running.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert running.stop(signal.SIGTERM) == 0
            took_s = time.monotonic() - began

    assert took_s < AT_ONCE_S
    assert not [process for process in left if process.is_running()]
    check_after_next_start(trial)


def test_children_of_a_killed_supervisor_end_and_a_stale_pid_does_not_matter(trial: Trial) -> None:
    with trial.life() as running, trial.load() as load:
        load.wait_for(RATE // 2)
        trial.witness.expected.clear()
        running.kill(STOP_S + 5)
    for name in ("lock", "journal/0000/write.lock", "journal/0000/read.lock"):
        (trial.data / name).write_text(f"{os.getpid()}\n")
    pid_file = trial.data / "postgres" / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n")

    check_after_next_start(trial)


def test_fewer_workers_than_before_drain_what_the_others_left(trial: Trial) -> None:
    with trial.life("--workers", "2") as running:
        workers = [process for process in running.descendants() if "worker" in process.cmdline()]
        with trial.load() as load:
            load.wait_for(RATE // 2)
            for worker in workers:
                worker.suspend()
            load.wait_for(load.sent + RATE)
            trial.witness.expected.clear()
            running.kill_all()
    assert len(workers) == 2

    with trial.life("--workers", "1") as fewer:
        fewer.wait_for("worker 0001 has drained its journal", timeout_s=30)
        with trial.load() as load:
            load.wait_for(100)
        trial.settle()
        (only,) = [process for process in fewer.descendants() if "worker" in process.cmdline()]
        assert "0000" in only.cmdline()
