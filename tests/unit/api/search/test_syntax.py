"""Form elements and the value syntax."""

import pytest

from api.search.fields import class_fields
from api.search.match import compile_match
from api.search.query import EVERYTHING, NOTHING, And, Condition, Not, Operator, Or, conditions_of
from api.search.syntax import MAX_CONDITIONS, MAX_PATTERNS, MAX_VALUES, Element, Limits, read_elements
from capture.route import MessageClass

FIELDS = class_fields(MessageClass.CALL, ["X-CID"])
LIMITS = Limits(default=200, most=10_000)
FROM, PORT, RAW = "data_header.from_user", "protocol_header.srcPort", "raw"


def read(*elements, any_of: bool = False):
    return read_elements([Element(*element) for element in elements], FIELDS, LIMITS, any_of=any_of)


def where(*elements, any_of: bool = False):
    reading = read(*elements, any_of=any_of)
    assert reading.warnings == []
    return reading.where


def equal(field: str, *values: str | int) -> Condition:
    return Condition(field, Operator.EQUAL, values)


def like(field: str, *patterns: str) -> Condition:
    return Condition(field, Operator.LIKE, patterns)


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("alice", equal("from_user", "alice")),
        ("a;b", equal("from_user", "a", "b")),
        ("a,b", equal("from_user", "a,b")),
        ("a_c", equal("from_user", "a_c")),
        ("49%", like("from_user", "49%")),
        ("%a%;b_", like("from_user", "%a%", "b_")),
        ("!=x", Not(equal("from_user", "x"))),
        ("!=a;b", Not(equal("from_user", "a", "b"))),
        ("!=x%", Not(like("from_user", "x%"))),
        ("isEmpty", Or((Condition("from_user", Operator.EMPTY), Condition("from_user", Operator.NULL)))),
        ("isNull", Condition("from_user", Operator.NULL)),
        ("!=isNull", Not(Condition("from_user", Operator.NULL))),
        ("[a]*?", equal("from_user", "[a]*?")),
        ('o\'neil & "co"', equal("from_user", 'o\'neil & "co"')),
        ("", equal("from_user", "")),
        (["a", "b;c"], equal("from_user", "a", "b;c")),
        (["!=a", "b"], Not(equal("from_user", "a", "b"))),
        (["%a", "b"], like("from_user", "%a", "b")),
    ],
)
def test_value_of_a_text_field(value, expression):
    assert where((FROM, value)) == expression


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("5060", equal("source_port", 5060)),
        ("5060;5061", equal("source_port", 5060, 5061)),
        ("!=5060", Not(equal("source_port", 5060))),
        ("!=5060;5061", Not(equal("source_port", 5060, 5061))),
        (">=1024", Condition("source_port", Operator.GREATER_EQUAL, (1024,))),
        ("< 1024", Condition("source_port", Operator.LESS, (1024,))),
        ("50%", like("source_port", "50%")),
        (
            "isEmpty",
            Or((Condition("source_port", Operator.EMPTY), Condition("source_port", Operator.NULL))),
        ),
    ],
)
@pytest.mark.parametrize("client_type", ["integer", "string"])
def test_value_of_a_number_field(value, expression, client_type):
    assert where((PORT, value, client_type)) == expression


@pytest.mark.parametrize(
    ("fields", "empty"), [({"custom:X-CID": "x"}, False), ({"custom:X-CID": ""}, True), ({}, True)]
)
def test_value_is_empty_or_missing_or_else_filled_in(fields, empty):
    assert compile_match(where(("data_header.X-CID", "isEmpty")))(fields) is empty
    assert compile_match(where(("data_header.X-CID", "!=isEmpty")))(fields) is not empty


def test_payload_patterns_are_not_split_and_have_no_case():
    assert where((RAW, "%a;b%")) == Condition("raw", Operator.ILIKE, ("%a;b%",))
    assert where((RAW, "!=%x%")) == Not(Condition("raw", Operator.ILIKE, ("%x%",)))
    assert where((RAW, "isEmpty")) == Condition("raw", Operator.ILIKE, ("isEmpty",))


A, B, C = (equal("from_user", value) for value in "abc")


def test_elements_are_joined_by_and_which_binds_tighter_than_or():
    assert where((FROM, "a"), (FROM, "b")) == And((A, B))
    assert where((FROM, "a"), (FROM, "||b"), (FROM, "c")) == Or((A, And((B, C))))
    assert where((FROM, "a"), (FROM, "b"), (FROM, "||c")) == Or((And((A, B)), C))
    assert where((FROM, "||a"), (FROM, "b")) == And((A, B))
    assert where((FROM, "a"), (FROM, "||!=b")) == Or((A, Not(B)))
    assert where((FROM, "a"), (FROM, ["||b", "c"])) == Or((A, equal("from_user", "b", "c")))


def test_any_of_joins_by_or():
    assert where((FROM, "a"), (FROM, "b"), any_of=True) == Or((A, B))


def test_smart_input_is_combined_with_other_elements():
    smart = "data_header.from_user = a OR data_header.from_user = b"

    assert where(("smartinput", smart), (FROM, "c")) == And((Or((A, B)), C))
    assert where(("smartinput", smart), (FROM, "||c")) == Or((Or((A, B)), C))
    assert where(("smartinput", "  ")) == EVERYTHING


def test_limit_may_stand_anywhere():
    reading = read(("limit", "7"), (FROM, "a"), (FROM, "b"))

    assert reading.limit == 7
    assert reading.where == And((A, B))


@pytest.mark.parametrize(
    ("value", "limit"), [("-1", 10_000), ("99999999", 10_000), ("0", 0), ("", 200), ("10", 10)]
)
def test_limit_is_kept_in_bounds(value, limit):
    assert read(("limit", value)).limit == limit


def test_limit_that_is_no_number_gives_no_row_and_says_so():
    reading = read(("limit", "many"))

    assert reading.limit == 0
    assert reading.warnings == ["limit is not a number: many"]


def test_control_elements_and_elements_without_value_are_ignored():
    assert where(("profile", "call"), ("node", "x"), (FROM, None), (FROM, [])) == EVERYTHING


def test_unknown_field_is_false_and_named():
    reading = read((FROM, "a"), ("data_header.nope", "x"))

    assert reading.where == And((A, NOTHING))
    assert reading.warnings == ["unknown field: data_header.nope"]


def test_unreadable_value_is_false_and_named():
    assert read((PORT, "abc", "integer")).warnings == ["protocol_header.srcPort: not a number: abc"]
    assert read(("smartinput", "what")).where == NOTHING
    assert read((RAW, "%" * 2000)).where == NOTHING


def test_text_field_that_the_client_takes_for_a_number_is_compared_as_text():
    assert where(("protocol_header.captureId", "sbc-1", "integer")) == equal("node", "sbc-1")
    assert where(("protocol_header.captureId", "2001", "integer")) == equal("node", 2001)


def test_nul_and_lone_surrogates_do_no_harm():
    assert where((FROM, "a\0")) == equal("from_user", "a\ufffd")
    assert read((FROM, "\ud800;%")).warnings == []


@pytest.mark.parametrize(
    "value",
    [
        ";".join(f"%{number}" for number in range(MAX_PATTERNS + 1)),
        ";".join(map(str, range(MAX_VALUES + 1))),
        [str(number) for number in range(MAX_VALUES + 1)],
    ],
)
def test_element_of_too_many_values_is_false_and_named(value):
    reading = read((FROM, value))

    assert reading.where == NOTHING
    assert reading.warnings[0].startswith(f"{FROM}: more than ")


def test_question_of_too_many_conditions_is_false_however_they_are_spread():
    text = " OR ".join([f"{FROM} = a"] * 200)

    reading = read(("smartinput", [text] * 1000), (FROM, "b"))

    assert NOTHING in reading.where.parts[0].parts
    assert reading.where.parts[1] == NOTHING
    assert len(list(conditions_of(reading.where))) <= MAX_CONDITIONS
    assert len(reading.warnings) == 2


def test_very_long_smart_input_is_not_even_read():
    reading = read(("smartinput", f"{FROM} = {'a' * 8_000_000}"))

    assert reading.where == NOTHING
    assert reading.warnings == ["smartinput: longer than 100000 characters"]
