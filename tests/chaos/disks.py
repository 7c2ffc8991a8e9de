"""The journal's disk is full: what comes is dropped and counted, and nothing that was appended is harmed."""

import threading

from tests.chaos.fault import Fault, Scene, System
from tests.chaos.private_disk import cannot_mount, fill
from tests.support.trial import DROPPED, Tally

FULL_S = 4.0
SMALL_DISK = System(
    "server",
    # The disk itself refuses, not our own floor above it.
    settings=(("RHAPSODE_JOURNAL__MIN_FREE_BYTES", "1"), ("RHAPSODE_JOURNAL__SYNC_S", "0.2")),
    disk_bytes=300 << 20,
    journal_on_disk=True,
)


def fill_disk(scene: Scene) -> None:
    trial = scene.trial
    trial.wait_for_more()
    before = trial.figures()[DROPPED]
    with fill(trial.directory):
        trial.wait_until(lambda now: now[DROPPED] > before, "packets are dropped")
        threading.Event().wait(FULL_S)
        answer = trial.witness.health()
        assert answer.status_code == 503, answer.text
    scene.trial.wait_for_more()


def _counted(scene: Scene, tally: Tally) -> None:
    assert tally.dropped > 0
    assert tally.kernel_drops == 0


FAULTS = (
    Fault(
        "the journal's disk full",
        fill_disk,
        times=2,
        system=SMALL_DISK,
        impossible=cannot_mount,
        holds=_counted,
    ),
)
