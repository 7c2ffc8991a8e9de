"""The system's clock stepped by an hour, both ways; the machine's own is left alone."""

import asyncio

from tests.chaos.fault import Fault, Scene
from tests.chaos.machine import Machine, cannot_make
from tests.support.database import fetch
from tests.support.trial import Tally

STEP_S = 3600
NEARLY_S = STEP_S - 300
"""What is left of a step for packets that were on their way for long."""


def step_both_ways(scene: Scene) -> None:
    machine = Machine(scene.trial.directory)
    scene.trial.environment = machine.environment
    with scene.life() as running:
        for offset in (STEP_S, 0, -STEP_S, 0):
            scene.trial.wait_for_more()
            machine.step(offset)
            scene.trial.wait_for_more()
            # Those that start now know no other time.
            for role in ("worker", "intake"):
                victim = running.child(role)
                victim.kill()
                running.wait_for_child(role, victim.pid)
            scene.trial.wait_for_more()
        scene.trial.witness.expected.clear()
        running.kill_all()
    scene.trial.environment = {}


def arrivals_s(scene: Scene) -> tuple[float, float]:
    """How long before (negative) or behind its capture, by the sender's clock, packets came in: extremes."""
    query = "select min(delay_us), max(delay_us) from messages_1_call"
    ((least_us, most_us),) = asyncio.run(fetch(scene.trial.database_url, query))
    return least_us / 1_000_000, most_us / 1_000_000


def _was_stepped(scene: Scene, tally: Tally) -> None:
    least_s, most_s = arrivals_s(scene)
    assert least_s < -NEARLY_S, "the clock was never behind"
    assert most_s > NEARLY_S, "the clock was never ahead"


FAULTS = (
    Fault(
        "clock stepped an hour, both ways",
        step_both_ways,
        lives=True,
        impossible=cannot_make,
        holds=_was_stepped,
    ),
)
