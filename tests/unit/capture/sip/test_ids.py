"""The hash of a session id."""

import pytest

from capture.sip.ids import call_hash


@pytest.mark.parametrize(
    ("text", "value"),
    [("", 0x2D06800538D394C2), ("a", 0xE6C632B61E964E1F - 2**64), ("abc", 0x78AF5F94892F3950)],
)
def test_hash_is_signed_xxh3_of_the_text(text: str, value: int) -> None:
    # The published test values of XXH3_64bits with seed 0.
    assert call_hash(text) == value


def test_hash_fits_bigint() -> None:
    hashes = [call_hash(f"call-{number}") for number in range(500)]

    assert min(hashes) < 0 < max(hashes)
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert len(set(hashes)) == 500


def test_text_is_hashed_as_utf8() -> None:
    assert call_hash("é") == call_hash(b"\xc3\xa9".decode())
