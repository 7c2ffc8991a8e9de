"""The system's clock stepped by an hour, both ways; the machine's own is left alone."""

from tests.chaos.fault import Fault, Scene
from tests.chaos.machine import Machine, cannot_make

STEP_S = 3600


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


FAULTS = (Fault("clock stepped an hour, both ways", step_both_ways, lives=True, impossible=cannot_make),)
