"""Header names in every spelling."""

import pytest

from capture.sip.grammar import READ_HEADERS
from capture.sip.headers import LEARNED_NAMES, HeaderTable, collect, header_table


def value_of(name: str, *lines: str) -> str:
    values, _ = collect(["START", *lines], HeaderTable())
    return values[READ_HEADERS.index(name)]


@pytest.mark.parametrize(
    "spelling", ["Call-ID", "call-id", "CALL-ID", "CaLl-iD", "i", "I", "Call-ID ", "i\t"]
)
def test_name_is_found_in_any_spelling(spelling: str) -> None:
    assert value_of("call-id", f"{spelling}: x@y") == "x@y"


@pytest.mark.parametrize("line", ["Call-ID:x@y", "Call-ID:   x@y \t\r", "Call-ID:\r"])
def test_blanks_around_a_value_are_cut(line: str) -> None:
    assert value_of("call-id", line) == ("" if line == "Call-ID:\r" else "x@y")


def test_only_blanks_are_cut() -> None:
    assert value_of("call-id", "Call-ID: \u00a0x\u00a0") == "\u00a0x\u00a0"


def test_topmost_value_counts() -> None:
    assert value_of("contact", "Contact: <sip:a@b>", "m: <sip:c@d>") == "<sip:a@b>"


def test_folded_header_is_read() -> None:
    assert value_of("cseq", "cseq: 0009", "  INVITE", "Other: x", " y") == "0009 INVITE"


def test_second_of_a_single_header_is_an_error() -> None:
    values, error = collect(["START", "To: a", "t: b"], HeaderTable())

    assert values[READ_HEADERS.index("to")] == "a"
    assert error == "second to header"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("no colon", "header line without a colon"),
        ("not a token: x", "header name is not a token"),
        (": x", "header name is not a token"),
        ("X-Other : x", None),
    ],
)
def test_broken_line_is_named_and_skipped(line: str, error: str | None) -> None:
    values, found = collect(["START", line, "Call-ID: x"], HeaderTable())

    assert values[READ_HEADERS.index("call-id")] == "x"
    assert found == error


def test_error_before_a_folded_line_is_kept() -> None:
    _, error = collect(["START", "no colon", "To: a", " b"], HeaderTable())

    assert error == "header line without a colon"


def test_custom_headers_have_places_of_their_own_or_share_one() -> None:
    table = HeaderTable(("X-CID", "User-Agent", "s"))
    values, _ = collect(["START", "x-cid: 1", "user-agent: ua", "Subject: 2"], table)

    assert {name: values[place] for name, place in table.custom} == {
        "X-CID": "1",
        "User-Agent": "ua",
        "s": "2",
    }


def test_what_is_learned_is_limited() -> None:
    table = HeaderTable()
    for number in range(3 * LEARNED_NAMES):
        table.learn(f"X-{number}")
    table.learn("X" * 1000)

    assert len(table.places) <= LEARNED_NAMES
    assert max(map(len, table.places)) < 100


def test_equal_names_share_a_table() -> None:
    assert header_table(("X-CID",)) is header_table(("X-CID",))
