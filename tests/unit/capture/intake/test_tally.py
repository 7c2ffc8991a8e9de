import logging

import pytest

from capture.intake.tally import Tally


@pytest.fixture
def tally(caplog: pytest.LogCaptureFixture) -> Tally:
    caplog.set_level(logging.DEBUG)
    return Tally(logging.getLogger("tests.tally"), "packets dropped")


def test_first_trouble_is_told_at_once_with_its_detail(
    tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    tally.add(3, "no room")

    assert caplog.messages == ["packets dropped: 3, no room"]


def test_what_follows_is_told_as_a_sum(tally: Tally, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(1000):
        tally.add(2, "no room")
    tally.report(10.0)

    assert caplog.messages[1:] == ["packets dropped: 1998 more in 10 s"]


def test_quiet_period_makes_the_next_trouble_news_again(
    tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    tally.add(1, "first")
    tally.report(10.0)
    tally.add(1, "second")

    assert caplog.messages == ["packets dropped: 1, first", "packets dropped: 1, second"]


def test_nothing_to_tell_is_not_told(tally: Tally, caplog: pytest.LogCaptureFixture) -> None:
    tally.report(10.0)

    assert caplog.messages == []
