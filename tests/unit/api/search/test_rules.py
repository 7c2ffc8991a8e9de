"""What a mapping's correlation rules mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.mapping import correlation_mapping
from api.search.fields import class_fields
from api.search.rules import Rule, Rules, read_rules, stages, with_other_legs
from capture.route import MessageClass

FIELDS = {c: class_fields(c, ["X-CID"], ["customer"]) for c in MessageClass}
RULE = {
    "source_field": "data_header.callid",
    "lookup_id": 100,
    "lookup_profile": "default",
    "lookup_field": "sid",
    "lookup_range": [-300, 200],
}
HOMERS_SCRIPT = (
    "var returnData=[]; for (var i = 0; i < data.length; i++)"
    " { returnData.push(data[i]+'_b2b-1'); }; returnData;"
)
OUR_SCRIPT = "data.map(function (callid) { return callid + '_b2b-1'; })"


def read(*items: Any, message_class: MessageClass = MessageClass.CALL) -> Rules:
    return read_rules(message_class, list(items), FIELDS)


def one(**changes: Any) -> Rule:
    rules = read(RULE | changes)
    assert rules.warnings == (), rules
    (rule,) = rules.rules
    return rule


def test_rule_is_read() -> None:
    assert read(RULE) == Rules(
        (
            Rule(
                "1_call rule 1",
                "call_id",
                MessageClass.LOG,
                "sid",
                is_number=False,
                before_us=-300_000_000,
                after_us=200_000_000,
            ),
        )
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("sid", "sid"),
        ("data_header.callid", "call_id"),
        ("data_header->>'callid'", "call_id"),
        (" data_header ->> 'callid' ", "call_id"),
        ("protocol_header->>'correlation_id'", "correlation_id"),
        ("protocol_header.srcIp", "source"),
        ("data_header.X-CID", "custom:X-CID"),
        ("data_header->>'customer'", "custom:customer"),
        ("raw", "raw"),
    ],
)
def test_field_is_named_as_in_the_mapping_or_as_sql(given: str, field: str) -> None:
    rule = one(lookup_id=1, lookup_profile="call", lookup_field=given)

    assert (rule.message_class, rule.field) == (MessageClass.CALL, field)


def test_port_is_compared_as_a_number() -> None:
    assert one(lookup_field="protocol_header.srcPort").is_number


BAD = {
    "unknown field: data_header.nothing": {"source_field": "data_header.nothing"},
    "unknown field: data_header.method": {"lookup_field": "data_header.method"},
    "unknown field: sid = sid or sid": {"lookup_field": "sid = sid or sid"},
    "unknown field: '; drop table x": {"lookup_field": "'; drop table x"},
    "source_field is not a name": {"source_field": None},
    "lookup_field is not a name": {"lookup_field": ["sid"]},
    "unknown profile: 60_call": {"lookup_id": 60, "lookup_profile": "call"},
    "lookup_id and lookup_profile are a number and a name": {"lookup_id": None},
    "lookup_range is not two numbers of seconds": {"lookup_range": []},
}


@pytest.mark.parametrize(("words", "changes"), BAD.items(), ids=BAD)
def test_rule_that_cannot_be_read_is_named_and_finds_nothing(words: str, changes: dict[str, Any]) -> None:
    rules = read(RULE, RULE | changes)

    assert [rule.name for rule in rules.rules] == ["1_call rule 1"]
    assert rules.warnings == (f"1_call rule 2: {words}",)


@pytest.mark.parametrize("given", [None, [1], ["-300", "200"], [-300.5, 200], [True, 200], [1, 2, 3], {}])
def test_range_that_is_no_two_numbers_is_named(given: Any) -> None:
    assert read(RULE | {"lookup_range": given}).warnings == (
        "1_call rule 1: lookup_range is not two numbers of seconds",
    )


def test_range_may_be_written_with_decimals_and_reach_to_the_end_of_time() -> None:
    assert one(lookup_range=[-1.0, 2]).before_us == -1_000_000
    assert one(lookup_range=[-(10**30), 10**30]).after_us == 10**18


@pytest.mark.parametrize("number", [100, "100"])
def test_profile_may_be_numbered_by_text(number: Any) -> None:
    assert one(lookup_id=number).message_class is MessageClass.LOG


def test_look_up_on_another_machine_is_named_as_skipped() -> None:
    rules = read(RULE | {"lookup_id": 0, "lookup_profile": "remote"})

    assert rules == Rules(skipped=("1_call rule 1: a look-up on another machine (lookup_id 0)",))


@pytest.mark.parametrize("script", ["input_function_js", "input_script", "output_script"])
def test_script_is_named_as_skipped_and_the_rule_followed_without(script: str) -> None:
    rules = read(RULE | {script: "data.map(function (x) { return x.toUpperCase(); })"})

    assert rules.skipped == (f"1_call rule 1: {script}",)
    assert rules.rules == read(RULE).rules


@pytest.mark.parametrize("script", [HOMERS_SCRIPT, OUR_SCRIPT, OUR_SCRIPT.replace("'", '"')])
def test_script_that_sets_an_ending_is_followed_without_being_run(script: str) -> None:
    rules = read(RULE | {"input_function_js": script})

    assert rules.skipped == ()
    assert rules.rules[0].ending == "_b2b-1"
    assert rules.endings == ("_b2b-1",)


@pytest.mark.parametrize(
    "script",
    [
        HOMERS_SCRIPT.replace("data[i]+", "data[0]+"),
        HOMERS_SCRIPT.replace("returnData.push(data[i]+'_b2b-1')", "returnData.push('x'+data[i]+'_b2b-1')"),
        HOMERS_SCRIPT.replace("'_b2b-1'", "''"),
        HOMERS_SCRIPT.replace("'_b2b-1'", r"'\x41'"),
        HOMERS_SCRIPT + " while (true) {}",
        OUR_SCRIPT.replace("'_b2b-1'", "'a b'"),
        OUR_SCRIPT.replace("_b2b-1", "x" * 101),
        OUR_SCRIPT.replace("callid +", "other +"),
    ],
)
def test_script_that_does_anything_else_is_skipped(script: str) -> None:
    rules = read(RULE | {"input_function_js": script})

    assert rules.skipped == ("1_call rule 1: input_function_js",)
    assert rules.endings == ()


def test_script_that_is_no_text_or_empty_is_told_apart() -> None:
    assert read(RULE | {"input_function_js": {"a": 1}}).skipped == ("1_call rule 1: input_function_js",)
    assert read(RULE | {"input_function_js": "", "input_script": None}).skipped == ()


def test_correlation_id_joins_legs_within_a_class_only() -> None:
    legs = {"source_field": "protocol_header.correlation_id", "lookup_id": 1, "lookup_profile": "call"}

    assert one(**legs).joins_legs
    assert one(**legs, lookup_field="data_header->>'callid'").joins_legs
    assert not one(**legs, lookup_field="data_header.from_user").joins_legs
    assert not one(**legs | {"lookup_profile": "registration"}).joins_legs
    assert not one().joins_legs


def test_only_look_ups_by_id_are_quick() -> None:
    assert one().is_quick
    assert not one(like_search=True).is_quick
    assert not one(lookup_field="protocol_header.srcIp").is_quick


def test_rules_are_cut_behind_each_that_later_ones_depend_on() -> None:
    rules = read(*(RULE | {"append_sid": tells} for tells in (False, True, False, False, True))).rules

    assert [[rule.name[-1] for rule in stage] for stage in stages(rules)] == [["1", "2"], ["3", "4", "5"]]


def test_legs_are_named_with_and_without_the_ending() -> None:
    assert with_other_legs(["a"], []) == {"a"}
    assert with_other_legs(["a", ""], ["_b"]) == {"a", "a_b"}
    assert with_other_legs(["a_b_b"], ["_b"]) == {"a", "a_b", "a_b_b", "a_b_b_b"}
    assert with_other_legs(["_b"], ["_b"]) == {"_b", "_b_b"}


def test_name_of_nothing_but_endings_costs_little() -> None:
    endless = "_b2b-1" * 200_000

    legs = with_other_legs([endless], ["_b2b-1"])

    assert len(legs) == 10
    assert min(map(len, legs)) == len(endless) - 8 * len("_b2b-1")


@pytest.mark.parametrize("message_class", MessageClass)
def test_rules_of_our_own_mapping_can_all_be_followed(message_class: MessageClass) -> None:
    rules = read_rules(message_class, correlation_mapping(message_class), FIELDS)

    assert (rules.skipped, rules.warnings) == ((), ())
    assert len(rules.rules) == len(correlation_mapping(message_class))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*RULE, "x"]), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(JSON | st.lists(st.fixed_dictionaries({}, optional={key: JSON | st.just(RULE[key]) for key in RULE})))
def test_any_json_is_read(value: Any) -> None:
    rules = read_rules(MessageClass.CALL, value, FIELDS)

    assert len(rules.rules) + len(rules.warnings) <= (len(value) if isinstance(value, list) else 0)
