"""The whole system killed at once, as a machine's end would have it, and started again on what it left."""

import random
import tempfile
import threading
from pathlib import Path

import pytest

from tests.support.trial import RATE, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = 10


def test_everything_killed_at_once_costs_no_appended_packet_and_doubles_none() -> None:
    chance = random.Random("all at once")
    with tempfile.TemporaryDirectory(prefix="rhapsode-kills-") as made:
        Path(made).chmod(0o711)  # where PostgreSQL's account may enter
        with Trial(Path(made)) as trial:
            with trial.load():
                for turn in range(KILLS):
                    at_work = turn % 3 != 0
                    with trial.life(ready=at_work) as running:
                        if at_work:
                            trial.wait_for_more()
                        # The others are killed in the middle of their start, the first in that of making
                        # everything.
                        threading.Event().wait(chance.uniform(0.0, 0.5 if at_work else 2.0))
                        trial.witness.expected.clear()
                        running.kill_all()
            with trial.life():
                with trial.load() as load:
                    # The last of these shows that all before it has been read.
                    load.wait_for(RATE // 2)
                tally = trial.settle()

    assert tally.appended > KILLS * RATE / 10
