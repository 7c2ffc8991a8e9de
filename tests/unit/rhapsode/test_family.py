"""When a child that died is started again."""

import signal

import pytest

from rhapsode.family import FIRST_DELAY_S, LONGEST_DELAY_S, STABLE_S, BackOff, status_words


def test_first_death_is_answered_within_a_second() -> None:
    back_off = BackOff()
    back_off.started(100.0)

    assert back_off.ended(100.1) == FIRST_DELAY_S < 1.0
    assert back_off.due == pytest.approx(100.1 + FIRST_DELAY_S)


def test_child_that_dies_at_once_is_started_less_and_less_often() -> None:
    back_off = BackOff()
    delays = []
    for now in range(20):
        back_off.started(now)
        delays.append(back_off.ended(now + 0.1))

    assert delays[:3] == [FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S]
    assert delays[-1] == LONGEST_DELAY_S


def test_child_that_lived_long_is_forgiven() -> None:
    back_off = BackOff()
    for now in range(10):
        back_off.started(now)
        back_off.ended(now + 0.1)
    back_off.started(100.0)

    assert back_off.ended(100.0 + STABLE_S) == FIRST_DELAY_S


@pytest.mark.parametrize(
    ("status", "words"), [(1, "status 1"), (-signal.SIGKILL, "SIGKILL"), (-63, "signal 63")]
)
def test_status_is_said_in_words(status: int, words: str) -> None:
    assert status_words(status) == words
