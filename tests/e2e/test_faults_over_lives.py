"""Faults that end a life of the system, a few times each, and a mutant that only a loss of power shows."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import mutated
from tests.chaos.fault import Fault, System, run, scene
from tests.chaos.plan import FAULTS
from tests.support.rhapsode import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HERE = [fault for fault in FAULTS if fault.short and fault.lives]


@pytest.mark.parametrize("fault", HERE, ids=[fault.name for fault in HERE])
def test_fault_loses_and_doubles_nothing(fault: Fault) -> None:
    if why := fault.impossible():
        pytest.skip(why)

    with scene(fault.system, "tests") as made:
        result = run(fault, fault.short, made)

    assert result.tally.stored > 0
    assert (result.tally.lost, result.tally.doubled) == (0, 0)


def test_appending_to_an_old_segment_shows_in_a_loss_of_power() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "power loss")
    if why := fault.impossible():
        pytest.skip(why)
    folder = Path(next(iter(mutated.__path__)))
    system = System(
        settings=(("PYTHONPATH", f"{folder}:{ROOT}"), ("CHAOS_MUTANT", "old_segment_appended_to"))
    )

    with scene(system, "tests") as made, pytest.raises(AssertionError, match=r"missing [1-9]"):
        run(replace(fault, system=system), 1, made)
