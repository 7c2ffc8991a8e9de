"""Texts compared line by line."""

from hypothesis import given
from hypothesis import strategies as st

from rhapsode.filters.difference import NEW, OLD, SAME, differing_lines

LINES = st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=12)


def test_lines_that_changed_stand_between_those_that_did_not() -> None:
    assert list(differing_lines("a\nb\nc", "a\nx\ny\nc")) == ["  a", "- b", "+ x", "+ y", "  c"]


def test_edited_lines_stand_above_what_they_became() -> None:
    assert list(differing_lines("a: 1\nb: 2\nc", "a: 3\nb: 4\nc")) == [
        "- a: 1", "+ a: 3", "- b: 2", "+ b: 4", "  c",
    ]  # fmt: skip


def test_equal_texts_have_no_marked_line() -> None:
    assert list(differing_lines("a\nb", "a\nb")) == ["  a", "  b"]


@given(LINES, LINES)
def test_both_texts_can_be_read_from_the_marked_lines(old: list[str], new: list[str]) -> None:
    marked = list(differing_lines("".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)))

    assert [line[2:] for line in marked if line[:2] in (SAME, OLD)] == old
    assert [line[2:] for line in marked if line[:2] in (SAME, NEW)] == new
