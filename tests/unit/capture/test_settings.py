"""How long things are kept, as people write it."""

import pytest
from pydantic import ValidationError

from capture.route import MessageClass
from capture.settings import RetentionSettings, kept_us

HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "length_us"),
    [("14d", 14 * 24 * HOUR_US), ("6h", 6 * HOUR_US), ("1h", HOUR_US), ("99999d", 99_999 * 24 * HOUR_US)],
)
def test_days_and_hours_are_lengths(text: str, length_us: int) -> None:
    assert kept_us(text) == length_us


@pytest.mark.parametrize("value", ["0", " 0 ", 0])
def test_zero_is_for_ever(value: object) -> None:
    assert RetentionSettings.model_validate({"call": value}).kept_us("call") is None


@pytest.mark.parametrize(
    "value", ["", "14", 14, "d", "0d", "0h", "-1d", "+1d", "1.5d", "14 d", "100000d", "1w", "٣d", True, False]
)
def test_anything_else_is_refused_with_what_would_do(value: object) -> None:
    with pytest.raises(ValidationError, match=r"days \(14d\) or hours \(6h\), or 0|valid string"):
        RetentionSettings.model_validate({"call": value})


def test_every_class_has_a_retention_of_its_own() -> None:
    keys = [message_class.retention_key for message_class in MessageClass]

    assert sorted(keys) == sorted(RetentionSettings.model_fields)
    assert {RetentionSettings().kept_us(key) for key in keys} == {14 * 24 * HOUR_US}
