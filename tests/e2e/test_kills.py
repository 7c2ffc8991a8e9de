"""Kill -9, again and again, at 2,000 packets a second: what intake had appended is stored exactly once.

Moments are random with a fixed seed. Two of three kills wait until the system works again, and so meet a
process that is busy with what has gathered; the third meets one that is still starting.
"""

import random
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from capture.intake.udp import DATAGRAMS_PER_WAKE_UP
from tests.support.rhapsode import Rhapsode
from tests.support.trial import KERNEL_DROPS, Trial, ended, received

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = 10


class Scene(NamedTuple):
    """One system for all tests of this file: each adds its packets to what must be there."""

    trial: Trial
    running: Rhapsode


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="rhapsode-kills-") as made:
        Path(made).chmod(0o711)  # where PostgreSQL's account may enter
        with Trial(Path(made)) as trial, trial.life() as running:
            yield Scene(trial, running)


@pytest.mark.parametrize("role", ["worker", "intake", "postgres"])
def test_killed_process_costs_no_packet_and_doubles_none(role: str, scene: Scene) -> None:
    trial, running = scene
    chance = random.Random(role)
    work = received if role == "intake" else ended
    appended = trial.settle().appended
    sent = trial.sent

    with trial.load():
        victim = running.child(role)
        for turn in range(KILLS):
            if turn % 3:
                trial.wait_for_more(work)
            threading.Event().wait(chance.uniform(0.0, 0.2 if turn % 3 else 0.5))
            victim.kill()
            victim = running.wait_for_child(role, victim.pid)
        trial.wait_for_more(work)

    tally = trial.settle()
    missing = (trial.sent - sent) - (tally.appended - appended)
    # The sockets outlive intake. What it had read and not yet appended is all that its death may take.
    assert missing <= (KILLS * DATAGRAMS_PER_WAKE_UP if role == "intake" else 0)
    assert trial.figures()[KERNEL_DROPS] == 0
