"""The smart input's grammar."""

import pytest

from api.search.fields import class_fields
from api.search.match import compile_match
from api.search.query import NOTHING, And, Condition, Not, Operator, Or
from api.search.smartinput import Unreadable, field_as_written, parse_smartinput
from capture.route import MessageClass

FIELDS = class_fields(MessageClass.CALL, ["X-CID"])


def parse(text: str):
    warnings: list[str] = []
    expression = parse_smartinput(text, FIELDS, warnings)
    assert warnings == []
    return expression


def equal(field: str, value: str | int) -> Condition:
    return Condition(field, Operator.EQUAL, (value,))


A, B, C = (equal("from_user", value) for value in "abc")


def test_one_condition():
    assert parse("data_header.method = INVITE") == equal("method", "INVITE")


@pytest.mark.parametrize(
    "text", ["data_header.from_user=a", "data_header.from_user = a", " data_header.from_user='a' "]
)
def test_blanks_around_the_operator_do_not_matter(text):
    assert parse(text) == A


def test_and_binds_tighter_than_or():
    u = "data_header.from_user"

    assert parse(f"{u} = a OR {u} = b AND {u} = c") == Or((A, And((B, C))))
    assert parse(f"{u} = a AND {u} = b OR {u} = c") == Or((And((A, B)), C))


def test_parentheses_group():
    u = "data_header.from_user"

    assert parse(f"({u} = a OR {u} = b) AND {u} = c") == And((Or((A, B)), C))
    assert parse(f"(({u}=a))") == A


def test_word_keeps_the_parentheses_it_opens():
    assert parse("(data_header.from_user = a(1))") == equal("from_user", "a(1)")


@pytest.mark.parametrize(
    "word", ["asterisk", "SET", "from@where", "INSERT", "and", "ORlando", "a'b", "<sip:x>"]
)
def test_word_that_looks_like_a_keyword_is_a_value(word):
    assert parse(f"data_header.from_user = {word}") == equal("from_user", word)


def test_field_whose_name_is_no_word_is_quoted():
    fields = class_fields(MessageClass.CALL, (), ["Grüße an/von", "it's"])
    warnings: list[str] = []

    expression = parse_smartinput(
        "\"data_header.Grüße an/von\" = a AND 'data_header.it''s' != b", fields, warnings
    )

    assert warnings == []
    assert expression == And((equal("custom:Grüße an/von", "a"), Not(equal("custom:it's", "b"))))


def test_quoted_values():
    assert parse("data_header.from_user = 'a b'") == equal("from_user", "a b")
    assert parse("data_header.from_user = 'it''s = & (so)'") == equal("from_user", "it's = & (so)")
    assert parse('data_header.from_user = "a ""b"""') == equal("from_user", 'a "b"')
    assert parse("data_header.from_user = ''") == equal("from_user", "")


def test_value_with_percent_is_a_pattern_whatever_the_operator():
    like = Condition("from_user", Operator.LIKE, ("49%",))

    assert parse("data_header.from_user = 49%") == like
    assert parse("data_header.from_user LIKE 49%") == like
    assert parse("data_header.from_user != 49%") == Not(like)


def test_numbers_are_compared_as_numbers():
    assert parse("protocol_header.srcPort >= 5060") == Condition(
        "source_port", Operator.GREATER_EQUAL, (5060,)
    )
    assert parse("protocol_header.srcPort<5060") == Condition("source_port", Operator.LESS, (5060,))
    assert parse("protocol_header.srcPort != 5060") == Not(equal("source_port", 5060))


def test_payload_is_searched_without_case():
    assert parse("raw LIKE '%foo bar%'") == Condition("raw", Operator.ILIKE, ("%foo bar%",))


def test_empty_and_missing():
    assert parse("data_header.X-CID = isNull") == Condition("custom:X-CID", Operator.NULL)
    empty = compile_match(parse("data_header.X-CID = isEmpty"))
    filled = compile_match(parse("data_header.X-CID != isEmpty"))
    for fields in ({"custom:X-CID": "x"}, {"custom:X-CID": ""}, {}):
        assert empty(fields) is (not fields.get("custom:X-CID"))
        assert filled(fields) is not empty(fields)


def test_unknown_field_is_false_and_named():
    warnings: list[str] = []

    expression = parse_smartinput("sip.method = X OR data_header.from_user = a", FIELDS, warnings)

    assert expression == Or((NOTHING, A))
    assert warnings == ["unknown field: sip.method"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data_header.from_user",
        "data_header.from_user =",
        "data_header.from_user = a b",
        "data_header.from_user = a data_header.to_user = b",
        "data_header.from_user = a AND",
        "OR data_header.from_user = a",
        "(data_header.from_user = a",
        "data_header.from_user = a)",
        "data_header.from_user = 'a",
        "data_header.from_user = a=b",
        "data_header.from_user LIKEx",
        "= a",
        "protocol_header.srcPort = five",
        "data_header.from_user = %" + "a" * 1001,
        "(" * 5000 + "data_header.from_user = a" + ")" * 5000,
        " AND ".join(["data_header.from_user = a"] * 1000),
    ],
)
def test_what_does_not_follow_the_grammar_is_unreadable(text):
    with pytest.raises(Unreadable):
        parse_smartinput(text, FIELDS, [])


def test_error_says_where_and_what():
    with pytest.raises(Unreadable, match="expected AND, OR or the end at character 27, found 'b'"):
        parse("data_header.from_user = a b")


@pytest.mark.parametrize("name", ["customer", "X-CID", "my tag", "a\"b'c", "größe", "a=b", "(a)", "", "AND"])
def test_field_of_any_name_is_read_as_it_is_written(name):
    fields = class_fields(MessageClass.CALL, script_names=[name])
    warnings: list[str] = []

    expression = parse_smartinput(f"{field_as_written(f'data_header.{name}')}=v", fields, warnings)

    assert (expression, warnings) == (equal(f"custom:{name}", "v"), [])


def test_plain_field_is_written_without_quotes():
    assert field_as_written("data_header.X-CID") == "data_header.X-CID"
