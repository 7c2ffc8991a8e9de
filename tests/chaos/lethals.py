"""Packets that kill workers: set aside at the second death, while all the others go on."""

from pathlib import Path

from tests.chaos.fault import Fault, Scene
from tests.chaos.lethal.sitecustomize import LETHAL_CAPTURE_ID
from tests.support.rhapsode import ROOT, run
from tests.support.sender import payload
from tests.support.trial import SINGLE_FIRST

PATCHED = {"PYTHONPATH": f"{Path(__file__).with_name('lethal')}:{ROOT}"}


def send_lethal_packets(scene: Scene) -> None:
    """One alone, then two that may be in one batch; tried again by a system that survives them."""
    trial = scene.trial
    trial.environment = PATCHED
    with scene.life() as running:
        trial.wait_for_more()
        for count in (1, 2):
            before = len(trial.aside)
            for _ in range(count):
                trial.send_single(LETHAL_CAPTURE_ID)
            scene.wait_until(lambda: len(trial.aside) == before + count, "they are set aside")  # noqa: B023
            trial.wait_for_more()
        trial.witness.expected.clear()
        running.kill_all()
    trial.environment = {}
    listed = run("journal", "aside", "list", "--data-dir", trial.data).stdout.splitlines()
    assert len(listed) == trial.singles
    assert all("killed two workers" in line for line in listed)
    shown = run("journal", "aside", "show", listed[0].split()[0], "--data-dir", trial.data).stdout
    assert payload(SINGLE_FIRST).decode() in shown.replace("\n", "\r\n")
    run("journal", "aside", "replay", "--data-dir", trial.data)


FAULTS = (
    # None of them is aside in the end: they were tried again.
    Fault("packets that kill workers", send_lethal_packets, lives=True),
)
