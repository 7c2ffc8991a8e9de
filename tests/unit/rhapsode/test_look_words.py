"""Numbers as people read them."""

import pytest

from rhapsode.look.words import days, duration, in_bytes, rate, short


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (9_996_000, "10.0 MB"),
        (12_345_678, "12.3 MB"),
        (123_456_789_012, "123 GB"),
        (5e18, "5000 PB"),
    ],
)
def test_bytes_have_three_digits_and_a_unit(number: float, words: str) -> None:
    assert in_bytes(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.0404, "40 ms"),
        (1.24, "1.2 s"),
        (95, "95 s"),
        (125, "2 min"),
        (7199, "120 min"),
        (7300, "2 h"),
        (172_799, "48 h"),
        (172_800, "2 d"),
        (190_800, "2 d 5 h"),
        (1_000_000, "11 d"),
    ],
)
def test_durations_are_as_exact_as_they_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 µs"),
        (2.44e-6, "2.4 µs"),
        (9.96e-6, "10 µs"),
        (0.000_999_4, "999 µs"),
        (0.000_999_6, "1.0 ms"),
        (0.5, "500 ms"),
        (8.388608, "8.4 s"),
    ],
)
def test_times_far_below_a_second_can_be_told_apart(seconds: float, words: str) -> None:
    assert short(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 hours"),
        (1.5, "36 hours"),
        (2.25, "2.2 days"),
        (14.4, "14 days"),
        (800, "2 years"),
        (9e9, "more than ten years"),
    ],
)
def test_days_are_as_exact_as_they_can_be_known(number: float, words: str) -> None:
    assert days(number) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (0.04, "0.1"), (0.5, "0.5"), (9.96, "10.0"), (12_345.6, "12,346")]
)
def test_rate_that_is_not_nothing_does_not_look_like_it(number: float, words: str) -> None:
    assert rate(number) == words
