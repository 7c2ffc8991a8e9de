"""Under which time a packet is stored."""

import pytest

from capture.capture_time import capture_time
from capture.row import Flag

NOW_S = 1_795_000_000
NOW_US = NOW_S * 1_000_000
DAY_S = 86_400


def swapped(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "big"), "little")


@pytest.mark.parametrize("age_s", [0, 1, -DAY_S, DAY_S, 400 * DAY_S, 20 * 365 * DAY_S])
def test_sensible_time_is_the_senders(age_s: int) -> None:
    assert capture_time(NOW_S - age_s, 5, NOW_US + 5) == (NOW_US - age_s * 1_000_000 + 5, Flag.NONE, None)


def test_no_time_is_the_arrival() -> None:
    assert capture_time(None, None, NOW_US) == (NOW_US, Flag.ARRIVAL_TIME, None)


def test_zero_is_no_time() -> None:
    assert capture_time(0, 0, NOW_US) == (NOW_US, Flag.ARRIVAL_TIME, None)


@pytest.mark.parametrize("seconds", [17, 900_000_000, NOW_S + 2 * DAY_S, 0xFFFFFFFF])
def test_senseless_time_is_kept_beside_the_arrival(seconds: int) -> None:
    assert capture_time(seconds, 3, NOW_US) == (NOW_US, Flag.ARRIVAL_TIME, seconds * 1_000_000 + 3)


def test_swapped_time_is_swapped_back() -> None:
    sent = capture_time(swapped(NOW_S), swapped(123_456), NOW_US)

    assert sent == (NOW_US + 123_456, Flag.SWAPPED_TIME, swapped(NOW_S) * 1_000_000 + swapped(123_456))


def test_swapped_time_that_would_be_sensible_by_itself_is_swapped_back() -> None:
    arrival_s = swapped(1_100_000_000)  # the plain reading is the year 2004

    assert capture_time(1_100_000_000, 0, arrival_s * 1_000_000)[1] == Flag.SWAPPED_TIME


def test_more_than_a_million_microseconds_are_added() -> None:
    assert capture_time(NOW_S, 2_500_000, NOW_US)[0] == NOW_US + 2_500_000
