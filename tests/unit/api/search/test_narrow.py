"""What a question narrows to, as SQL; that it keeps every match is held by the database tests."""

import re

import pytest

from api.search.narrow import MAX_KEY_ATOMS, Buckets, Calls, Narrowing, narrow
from api.search.query import EVERYTHING, NOTHING, And, Condition, Expression, Not, Operator, Or, Query
from api.search.sql import Sql, render
from capture.keys import keyed_rules
from capture.route import MessageClass
from capture.sip.ids import call_hash

KEYED = frozenset(keyed_rules(["X-CID"]))
HEADERS = frozenset(["custom:X-CID", "custom:X-Late"])


def equal(field: str, *values: str | int) -> Condition:
    return Condition(field, Operator.EQUAL, values)


def narrowed(
    where: Expression, keyed: frozenset[str] = KEYED, lowers: tuple[int, ...] = (1000,)
) -> Narrowing:
    query = Query(MessageClass.CALL, 0, 10_000, 200, where)
    return narrow(query, Buckets(lowers, min(lowers), 5000, keyed, HEADERS))


def sql(condition: Sql | None) -> str:
    """With its values in place of their numbers."""
    assert condition is not None
    words, values = render(condition)
    return re.sub(r"\$(\d+)::[a-z]+(\[\])?", lambda found: repr(values[int(found[1]) - 1]), words)


IN_TIME = sql(narrowed(EVERYTHING).rows)


def rows(where: Expression, keyed: frozenset[str] = KEYED) -> str:
    """The condition on rows beside the window."""
    whole = sql(narrowed(where, keyed).rows)
    return "" if whole == IN_TIME else whole.removeprefix(f"({IN_TIME} and ").removesuffix(")")


def test_window_and_buckets_bound_the_time():
    assert IN_TIME == "m.time_us between 1000 and 4999"


def test_key_atom_is_a_sub_select_in_the_buckets_and_takes_marked_rows():
    assert rows(equal("from_user", "a")) == (
        "coalesce(m.call in (select k.call from keys_1_call k where k.bucket = 1000"
        " and (k.from_user = 'a' or k.cut)), false)"
    )


def test_several_buckets_are_asked_at_once():
    condition = narrowed(equal("from_user", "a"), lowers=(3000, 1000)).rows

    assert "k.bucket = any ([3000, 1000])" in sql(condition)


def test_calls_are_told_with_the_bucket_of_their_key_row():
    (calls,) = narrowed(equal("from_user", "a"), lowers=(3000, 1000)).calls

    assert calls.told == ()
    assert sql(calls.places) == (
        "select k.call, k.bucket from keys_1_call k where k.bucket in (3000, 1000)"
        " and (k.from_user = 'a' or k.cut)"
    )


@pytest.mark.parametrize(
    ("pattern", "bounds"),
    [
        ("49%", "(k.from_user >= '49' and k.from_user < '4:' and k.from_user like '49%')"),
        ("a_%", "(k.from_user >= 'a' and k.from_user < 'b' and k.from_user like 'a_%')"),
        # The character behind the last one before the surrogates, and behind the very last one.
        ("\ud7ff%", r"(k.from_user >= '\ud7ff' and k.from_user < '\ue000' and k.from_user like '\ud7ff%')"),
        ("\U0010ffff%", "k.from_user like '\\U0010ffff%'"),
        ("%9%", "k.from_user like '%9%'"),
    ],
)
def test_pattern_is_bounded_by_its_beginning(pattern: str, bounds: str):
    (calls,) = narrowed(Condition("from_user", Operator.LIKE, (pattern,))).calls

    assert sql(calls.places).endswith(f" and ({bounds} or k.cut)")


def test_two_conditions_are_never_asked_of_one_key_row():
    narrowing = narrowed(And((equal("from_user", "a"), equal("to_user", "b"))))

    assert sql(narrowing.rows).count("m.call in (select") == 2
    assert len(narrowing.calls) == 2


def test_pattern_uses_like_with_backslashes_kept():
    assert "k.to_user like '49\\\\\\\\%'" in rows(Condition("to_user", Operator.LIKE, ("49\\%",)))


def test_what_a_missing_or_empty_value_can_fulfil_narrows_nothing():
    for where in (
        Condition("from_user", Operator.EMPTY),
        Condition("from_user", Operator.NULL),
        equal("from_user", ""),
        equal("from_user", "a", ""),
        Condition("from_user", Operator.LIKE, ("%",)),
        Condition("from_user", Operator.LIKE, ("a%", "%%")),
        Not(equal("from_user", "a")),
        Condition("expires", Operator.GREATER, (5,)),
        equal("from_user", 5),
        Condition("raw", Operator.ILIKE, ("%a%",)),
        Condition("source", Operator.NULL),
    ):
        assert rows(where) == ""
        assert rows(Or((equal("to_user", "b"), where))) == ""
        assert narrowed(where).calls == ()


def test_field_not_keyed_in_the_bucket_narrows_nothing():
    assert rows(equal("from_user", "a"), KEYED - {"from_user"}) == ""
    assert rows(equal("custom:X-CID", "a"), KEYED - {"custom:X-CID"}) == ""
    assert rows(equal("correlation_id", "a"), KEYED - {"sid"}) == ""
    assert rows(equal("custom:X-Late", "a")) == ""
    assert narrowed(equal("source", "10.0.0.1"), KEYED - {"address"}).calls == ()


def test_name_that_only_scripts_set_narrows_whatever_is_keyed():
    for keyed in (KEYED, frozenset[str]()):
        condition = rows(equal("custom:customer", "a"), keyed)

        assert 'k.extra @> \'{"custom:customer":["a"]}\'' in condition


def test_session_id_is_told_by_its_hash_whatever_is_keyed():
    narrowing = narrowed(equal("sid", "a"), frozenset())

    assert f"m.call = any ([{call_hash('a')}])" in sql(narrowing.rows)
    assert narrowing.calls == (Calls((call_hash("a"),), None),)


def test_call_id_is_the_session_id_or_stands_in_extra():
    condition = rows(equal("call_id", "a"), frozenset())

    assert f"m.call = any ([{call_hash('a')}])" in condition
    assert 'k.extra @> \'{"call_id":["a"]}\'' in condition


def test_column_comparison_is_exact_and_can_be_negated():
    assert rows(equal("source_port", 5060)) == "m.source_port = any ([5060])"
    assert rows(Not(equal("method", "BYE"))) == "not coalesce(m.method = any (['BYE']), false)"


def test_address_is_compared_as_the_text_that_it_is_shown_as():
    assert "any (['10.0.0.1']::inet[])" in rows(equal("source", "10.0.0.1", "010.0.0.1", "x", "2001:DB8::1"))
    assert len(narrowed(equal("source", "10.0.0.1")).calls) == 1


def test_or_of_a_column_and_a_key_needs_either():
    condition = rows(Or((equal("from_user", "a"), equal("method", "BYE"))))

    assert re.search(r"k\.cut\)\), false\) or m\.method = any \(\['BYE'\]\)", condition)
    assert narrowed(Or((equal("from_user", "a"), equal("method", "BYE")))).calls == ()


def test_or_of_keys_gives_the_calls_of_both_by_one_look():
    (calls,) = narrowed(Or((equal("from_user", "a"), equal("to_user", "b"), equal("sid", "c")))).calls

    assert calls.told == (call_hash("c"),)
    assert sql(calls.places).endswith("and ((k.from_user = 'a' or k.to_user = 'b') or k.cut)")


def test_time_is_told_from_the_capture_time():
    assert "m.time_us / 1000000 = any ([5])" in rows(equal("time_seconds", 5))


def test_number_that_is_no_bigint_equals_nothing_and_crashes_nothing():
    assert "any ([])" in rows(equal("id", 2**70))
    assert str(2**63 - 1) in rows(Condition("id", Operator.LESS, (2**70,)))


def test_false_leaves_nothing():
    assert rows(NOTHING) == "false"


def test_question_of_very_many_parts_is_planned_all_the_same():
    many = And(tuple(equal("from_user", str(number)) for number in range(MAX_KEY_ATOMS + 10)))

    assert rows(many).count("select") == MAX_KEY_ATOMS
