"""The predicate on a message's fields."""

import time

import pytest

from api.search.match import as_number, compile_match, like_test
from api.search.query import EVERYTHING, NOTHING, And, Condition, Not, Operator, Or

MESSAGE = {
    "from_user": "alice",
    "to_user": "",
    "source": "10.0.0.1",
    "source_port": 5060,
    "expires": "3600",
    "time_us": 1_700_000_001_234_567,
    "raw": "INVITE sip:Bob@x SIP/2.0\r\n\r\n",
    "gone": None,
}


def matches(*condition) -> bool:
    return compile_match(Condition(condition[0], condition[1], tuple(condition[2:])))(MESSAGE)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a%", "abc", True),
        ("a%", "ba", False),
        ("%c", "abc", True),
        ("%b%", "abc", True),
        ("%b%", "ac", False),
        ("a%c", "abbc", True),
        ("a%a", "a", False),
        ("ab%bc", "abc", False),
        ("%a%b%", "b a", False),
        ("%a%b%", "a b", True),
        ("a%b%c%d", "a1b2c3d", True),
        ("a_c", "abc", True),
        ("a_c", "abbc", False),
        ("_%", "", False),
        ("_%", "x", True),
        ("%_", "\n", True),
        ("%a_c%", "xxabcxx", True),
        ("%a__", "aab", True),
        ("%", "", True),
        ("%%", "anything", True),
        ("", "", True),
        ("", "x", False),
        ("A%", "abc", False),
        ("50\\%", "50\\", True),
        ("a.c%", "abc", False),
        ("[a]%", "a", False),
        ("ü_%", "übx", True),
    ],
)
def test_pattern_fits_as_like_does(pattern, text, fits):
    assert like_test(pattern)(text) is fits


def test_pattern_of_many_stars_costs_linear_time():
    test = like_test("%a" * 200 + "%b")
    text = "a" * 100_000

    started = time.perf_counter()

    assert test(text) is False
    assert time.perf_counter() - started < 1


def test_text_is_compared_character_by_character():
    assert matches("from_user", Operator.EQUAL, "alice")
    assert not matches("from_user", Operator.EQUAL, "Alice")
    assert not matches("from_user", Operator.EQUAL, "alice ")


def test_number_is_compared_as_number_also_where_it_is_text():
    assert matches("source_port", Operator.EQUAL, 5060)
    assert matches("expires", Operator.EQUAL, 3600)
    assert matches("source_port", Operator.EQUAL, "5060")
    assert not matches("source_port", Operator.EQUAL, "05060")
    assert matches("source_port", Operator.GREATER, 999)
    assert matches("expires", Operator.LESS_EQUAL, 3600)
    assert not matches("from_user", Operator.GREATER, 0)


@pytest.mark.parametrize("text", ["9999999999999999999", "-9999999999999999999", str(2**63), "1" * 20])
def test_number_beyond_bigint_is_no_number(text):
    # It could not travel to another process, and no column holds it.
    assert as_number(text) is None
    assert as_number(str(-(2**63))) == -(2**63)


def test_text_is_ordered_by_code_point():
    assert matches("from_user", Operator.GREATER, "Zoe")
    assert matches("from_user", Operator.LESS, "bob")


def test_missing_value_fulfils_null_alone():
    assert matches("gone", Operator.NULL)
    assert matches("never_heard_of", Operator.NULL)
    for operator in (Operator.EQUAL, Operator.LIKE, Operator.LESS, Operator.GREATER_EQUAL):
        assert not matches("gone", operator, "%")
    assert not matches("gone", Operator.EMPTY)


def test_empty_value_is_there():
    assert matches("to_user", Operator.EMPTY)
    assert not matches("to_user", Operator.NULL)
    assert matches("to_user", Operator.LIKE, "%")


def test_not_takes_in_what_lacks_the_field():
    assert compile_match(Not(Condition("gone", Operator.EQUAL, ("x",))))(MESSAGE)


def test_ilike_does_not_mind_case():
    assert matches("raw", Operator.ILIKE, "%SIP:bob@X%")
    assert not matches("raw", Operator.LIKE, "%SIP:bob@X%")
    assert not matches("raw", Operator.ILIKE, "invite")


def test_times_are_told_from_the_capture_time():
    assert matches("time_seconds", Operator.EQUAL, 1_700_000_001)
    assert matches("time_useconds", Operator.EQUAL, 234_567)
    assert matches("create_date", Operator.EQUAL, 1_700_000_001_234)


def test_and_or_and_their_empty_forms():
    yes, no = Condition("from_user", Operator.EQUAL, ("alice",)), Condition("from_user", Operator.NULL)

    assert compile_match(EVERYTHING)(MESSAGE)
    assert not compile_match(NOTHING)(MESSAGE)
    assert compile_match(Or((no, yes)))(MESSAGE)
    assert not compile_match(And((no, yes)))(MESSAGE)
