"""What is computed for scripts of our own API, without Lua."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.scripts.at_hand import joined, mask_text, sdp_lines, share_of
from capture.sip.sdp import parse_sdp


@pytest.mark.parametrize(
    ("text", "keep_last", "masked"),
    [
        ("+491701234567", 3, "**********567"),
        ("+491701234567", 0, "*************"),
        ("1234", 3, "*234"),
        ("äöü", 1, "**ü"),
    ],
)
def test_mask_keeps_the_last_characters(text: str, keep_last: int, masked: str) -> None:
    assert mask_text(text, keep_last) == masked


@pytest.mark.parametrize("text", ["110", "11", "1"])
def test_mask_hides_what_is_not_longer_than_what_is_kept(text: str) -> None:
    assert mask_text(text, 3) == "*" * len(text)


@given(st.text(min_size=1), st.integers(0, 20))
def test_mask_keeps_the_length_and_never_the_whole(text: str, keep_last: int) -> None:
    masked = mask_text(text, keep_last)

    assert len(masked) == len(text)
    assert masked.startswith("*")


def share(key: bytes) -> float:
    found = share_of(key)
    assert isinstance(found, float)
    return found


@given(st.binary())
def test_key_stands_between_zero_and_one(key: bytes) -> None:
    assert 0 <= share(key) < 1


def test_key_stands_where_it_stood_in_other_versions() -> None:
    # The first 53 bits of the key's XXH3 with 64 bits: another place would keep other calls after an upgrade.
    assert share(b"") == (0x2D06800538D394C2 >> 11) / 2**53


@pytest.mark.parametrize("wanted", [0.01, 0.1, 0.5, 0.9])
def test_share_of_many_keys_is_what_was_asked_for(wanted: float) -> None:
    kept = sum(share(b"%d@example.com" % number) < wanted for number in range(20_000))

    assert abs(kept / 20_000 - wanted) < 0.015


@given(st.lists(st.binary(), min_size=1, max_size=4), st.lists(st.binary(), min_size=1, max_size=4))
def test_values_joined_are_told_apart_by_order_and_border(one: list[bytes], other: list[bytes]) -> None:
    assert (joined(*one) == joined(*other)) == (one == other)


def test_description_with_endless_codecs_is_cut() -> None:
    media = b"m=audio 1 RTP/AVP " + b" ".join(b"%d" % n for n in range(128)) + b"\r\n"
    sdp = parse_sdp(b"v=0\r\n" + media * 90)
    assert sdp is not None

    assert sdp_lines(sdp).count(b"\n") == 4096
