"""When the disk will be full."""

import math

import pytest

from rhapsode.look.forecast import DAY_US, LEAST_US, Growth, days_until_full, growth

HOUR_US = 3_600_000_000
FOR_EVER = float("inf")


def test_one_class_without_retention_fills_the_room_at_its_pace() -> None:
    assert days_until_full(1000, [Growth(100.0, FOR_EVER)]) == 10


def test_class_that_has_reached_its_retention_grows_no_more() -> None:
    assert days_until_full(1000, [Growth(100.0, 0)]) == math.inf
    assert days_until_full(1000, [Growth(100.0, 0), Growth(50.0, FOR_EVER)]) == 20


def test_retention_that_comes_in_time_keeps_the_disk_from_filling() -> None:
    assert days_until_full(1000, [Growth(100.0, 9.9 * DAY_US)]) == math.inf
    assert days_until_full(1000, [Growth(100.0, 10.1 * DAY_US)]) == 10


def test_pace_slackens_with_each_class_that_reaches_its_retention() -> None:
    growths = [Growth(100.0, 2 * DAY_US), Growth(100.0, 4 * DAY_US), Growth(10.0, FOR_EVER)]

    # Two days at 210, two at 110, then 10 a day.
    assert days_until_full(420 + 220 + 100, growths) == pytest.approx(14)
    assert days_until_full(420 + 110, growths) == pytest.approx(3)


def test_no_room_is_full_now_and_nothing_coming_in_is_never() -> None:
    assert days_until_full(0, [Growth(1.0, FOR_EVER)]) == 0
    assert days_until_full(-5, [Growth(1.0, FOR_EVER)]) == 0
    assert days_until_full(1000, []) == math.inf
    assert days_until_full(1000, [Growth(0.0, FOR_EVER)]) == math.inf


def test_growth_of_a_day_is_told_from_what_came_in_lately() -> None:
    found = growth(500, 12 * HOUR_US, 3 * DAY_US, 14 * DAY_US)

    assert found == Growth(1000.0, 11 * DAY_US)
    assert growth(500, DAY_US, 20 * DAY_US, 14 * DAY_US) == Growth(500.0, 0)
    assert growth(500, DAY_US, DAY_US, None) == Growth(500.0, FOR_EVER)


def test_growth_of_less_than_an_hour_is_not_told() -> None:
    assert growth(1, LEAST_US - 1, LEAST_US - 1, None) is None
    assert growth(0, 0, 0, None) is None
    assert growth(0, LEAST_US, DAY_US, None) == Growth(0.0, FOR_EVER)
