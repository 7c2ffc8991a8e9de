"""Kill -9 of each kind of process and of all at once, and processes held still."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from capture.intake.udp import DATAGRAMS_PER_WAKE_UP
from tests.chaos.fault import Fault, Scene
from tests.support.rhapsode import Rhapsode
from tests.support.trial import Tally, ended, received

HELD_S = 10.0
RATHER_DEAD_S = 20.0
"""Longest that the children of a killed supervisor may take to end."""


def kill(role: str) -> Fault:
    """Two of three kills meet a process at work again, the third one that is still starting."""

    def inflict(scene: Scene) -> None:
        at_work = scene.turn % 3 != 2
        if at_work:
            scene.trial.wait_for_more(received if role == "intake" else ended)
        scene.pause(0.0, 0.2 if at_work else 0.5)
        victim = scene.running.child(role)
        victim.kill()
        scene.running.wait_for_child(role, victim.pid)

    def holds(scene: Scene, tally: Tally) -> None:
        assert tally.kernel_drops == 0

    return Fault(
        f"kill -9 {role}",
        inflict,
        times=20,
        short=4,
        holds=holds,
        # The sockets outlive intake: what it had read and not yet appended is all that its death may take.
        may_lose=DATAGRAMS_PER_WAKE_UP if role == "intake" else 0,
    )


def kill_supervisor(scene: Scene) -> None:
    with _life_until_its_end(scene, at_work=scene.turn % 3 != 2) as running:
        running.kill(RATHER_DEAD_S)


def kill_everything(scene: Scene) -> None:
    """As a machine's end would have it. The first is killed in the middle of making everything."""
    with _life_until_its_end(scene, at_work=scene.turn % 3 != 0) as running:
        running.kill_all()


@contextmanager
def _life_until_its_end(scene: Scene, *, at_work: bool) -> Iterator[Rhapsode]:
    """A life at the moment when the block is to end it: at work, or still starting."""
    with scene.life(ready=at_work) as running:
        if at_work:
            scene.trial.wait_for_more()
        scene.pause(0.0, 0.5 if at_work else 2.0)
        scene.trial.witness.expected.clear()
        assert running.process.poll() is None, "it has ended already"
        yield running


def hold(role: str) -> Fault:
    """SIGSTOP for ten seconds: nothing may be lost but time."""

    def inflict(scene: Scene) -> None:
        scene.trial.wait_for_more()
        first = scene.running.child(role)
        held = [first, *(first.children(recursive=True) if role == "postgres" else ())]
        for process in held:
            _signal(process, signal.SIGSTOP)
        threading.Event().wait(HELD_S)
        assert first.status() == psutil.STATUS_STOPPED, f"the {role} was not held for all that time"
        for process in held:
            _signal(process, signal.SIGCONT)
        scene.trial.wait_for_more()

    def holds(scene: Scene, tally: Tally) -> None:
        assert tally.kernel_drops == 0, "the kernel's buffer holds ten seconds"

    return Fault(f"SIGSTOP {role} for {HELD_S:.0f} s", inflict, holds=holds)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


FAULTS = (
    kill("worker"),
    kill("intake"),
    kill("postgres"),
    Fault("kill -9 supervisor", kill_supervisor, times=20, short=1, lives=True),
    Fault("kill -9 everything at once", kill_everything, times=20, short=3, lives=True),
    hold("worker"),
    hold("intake"),
    hold("postgres"),
)
