"""The faults of `make chaos` that are made in one life of a system, a few times each."""

from collections.abc import Iterator

import pytest

from tests.chaos.fault import Scene, System, run, scene
from tests.chaos.plan import FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HERE = [fault for fault in FAULTS if fault.short and not fault.lives]


@pytest.fixture(scope="module")
def living(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """One system for all faults that are made in its kind: each adds its packets to what must be there."""
    system: System = request.param
    with scene(system, "tests", away_s=5.0) as made, made.life(*system.arguments):
        yield made


@pytest.mark.parametrize(
    ("living", "number"),
    [(fault.system, FAULTS.index(fault)) for fault in HERE],
    ids=[fault.name for fault in HERE],
    indirect=["living"],
    scope="module",
)
def test_fault_loses_and_doubles_nothing(living: Scene, number: int) -> None:
    fault = FAULTS[number]
    if why := fault.impossible():
        pytest.skip(why)

    result = run(fault, fault.short, living)

    assert result.tally.stored > 0
    assert (result.tally.lost, result.tally.doubled) == (0, 0)
