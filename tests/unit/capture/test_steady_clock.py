"""A clock that is set forward deletes nothing by that for a day."""

from capture.steady_clock import DOUBT_US, STEP_US, SteadyClock

DAY_US = 86_400_000_000
NOW_US = 1_790_000_000_000_000


class Machine:
    """Its clock, which can be set, and how long it has been running, which cannot."""

    def __init__(self) -> None:
        self.running_us = 5_000_000
        self.set_forward_us = 0
        self.clock = SteadyClock(self.wall_us, lambda: self.running_us)

    def wall_us(self) -> int:
        return NOW_US + self.running_us + self.set_forward_us

    def told_us(self, after_us: int = 0) -> int:
        """What the clock says `after_us` later, as the distance to the time that it was right about."""
        self.running_us += after_us
        return self.clock.now_us() - NOW_US - self.running_us


def test_time_goes_on_with_the_clock() -> None:
    machine = Machine()

    assert [machine.told_us(), machine.told_us(DAY_US)] == [0, 0]
    assert machine.clock.doubt == ""


def test_clock_that_slews_is_followed() -> None:
    machine = Machine()

    for _ in range(10):
        machine.set_forward_us += STEP_US

        assert machine.told_us(180_000_000) == machine.set_forward_us
    assert machine.clock.doubt == ""


def test_step_forward_is_doubted_for_a_day_and_then_believed() -> None:
    machine = Machine()
    machine.set_forward_us = 15 * DAY_US

    assert [machine.told_us(), machine.told_us(DOUBT_US - 1)] == [0, 0]
    assert "set forward by 360.0 hours" in machine.clock.doubt
    assert machine.told_us(1) == 15 * DAY_US
    assert machine.clock.doubt == ""


def test_step_that_is_taken_back_is_forgotten() -> None:
    machine = Machine()
    machine.set_forward_us = DAY_US
    machine.told_us()
    machine.set_forward_us = 0

    assert machine.told_us(DOUBT_US) == 0
    assert machine.clock.doubt == ""

    machine.set_forward_us = DAY_US

    assert machine.told_us() == 0, "doubted anew, not since the first step"


def test_step_back_is_believed_at_once() -> None:
    machine = Machine()
    machine.set_forward_us = -DAY_US

    assert machine.told_us() == -DAY_US
    assert machine.clock.doubt == ""
