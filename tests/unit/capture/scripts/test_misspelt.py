"""Fields, functions and entry points that there are none of, seen in the text of a script."""

from importlib import resources

import pytest

from capture.scripts.folder import make_script, read_examples
from capture.scripts.misspelt import find_misspelt


def said(source: str) -> list[str]:
    return [str(trap) for trap in find_misspelt(make_script("a.lua", source.encode()))]


def test_misspelt_field_is_named_with_its_line_and_what_it_may_be() -> None:
    source = "function on_sip(message)\n    if message.user_agnt then\n drop(message:heder('X')) end end"

    assert said(source) == [
        'line 2: message has no field "user_agnt" (did you mean user_agent?)',
        'line 3: message has no field "heder" (did you mean header?)',
    ]


def test_field_that_is_assigned_to_is_named() -> None:
    source = (
        "function on_sip(m)\n if m.source == 'a' then m.source = 'b' end\n local x = { y = m.method }\n"
        " m.tenant = 1 end"
    )

    assert said(source) == [
        'line 2: a field is set by set("source", value)',
        'line 4: a field is set by set("tenant", value)',
    ]


def test_helper_is_looked_at_too() -> None:
    assert said("local function f(m) return m.from end\nfunction on_sip(m) f(m) end") == [
        'line 1: message has no field "from" (did you mean from_user?)'
    ]


def test_field_of_another_kind_names_the_function_that_has_it() -> None:
    assert said("function on_packet(p) local x = p.call_id end") == [
        'line 1: packet has no field "call_id" (on_sip has it)'
    ]


def test_name_of_several_kinds_may_have_the_fields_of_each() -> None:
    source = (
        "function on_sip(it) local x = it.call_id end\nfunction on_log(it) local x = it.text, it.none end"
    )

    assert said(source) == ['line 2: message has no field "none" (did you mean node?)']


@pytest.mark.parametrize(
    "source",
    [
        "function on_sip(message) local x = message.source, message:sdp() end",
        "function on_sip(message) -- message.none\n    tag('a', 'message.none') end",
        "function on_sip(message) local x = other.message.none, my_message.none end",
        "function on_sip() end",
        "function clean(message) local x = message.none end",
        "local a = 1",
    ],
)
def test_what_is_no_field_of_it_is_not_named(source: str) -> None:
    assert said(source) == []


def test_function_that_nobody_defines_is_named_where_it_is_first_called() -> None:
    source = (
        "local function clean(text) return text end\n"
        "function on_sip(message)\n"
        "    set_tag('a', claen('b'))\n"
        "    set_tag('b')\n"
        "    if (message.method) then frobnicate() end\n"
        "end"
    )

    assert said(source) == [
        "line 3: there is no function claen (did you mean clean?)",
        "line 3: there is no function set_tag (did you mean tag?)",
        "line 5: there is no function frobnicate",
    ]


@pytest.mark.parametrize(
    "body",
    [
        "drop('x') tag('a', 1) count('b') observe('c', 1) mask('from_user') require('lib.x')",
        "local t = tostring(1) .. tonumber('1') for _, v in ipairs({}) do pcall(error, v) end",
        "local f = lookup.file f('a.csv', 'b') message:header('X')",
        "rules = { clean = function(x) end } rules.clean(1) rules:clean(1)",
        "local function inner(callback) callback(1) end inner(function(x) end)",
        "if not (1 == 2) and (3 == 4) or (5 == 6) then return (7) end",
        "-- nothing(1)\n local s = 'nothing(1)'",
        "handler = make_handler if handler then make_handler() end",
    ],
)
def test_function_that_there_is_or_may_be_is_not_named(body: str) -> None:
    assert said(f"function on_sip(message) {body} end") == []


@pytest.mark.parametrize("name", ["io.open('x')", "load('x')", "print('x')", "GetSIPStruct()"])
def test_function_that_was_taken_away_is_left_to_others(name: str) -> None:
    assert said(f"function on_sip(message) {name} end") == []


def test_misspelt_entry_point_is_named() -> None:
    assert said("function on_sip(m) end\nfunction on_rctp(r) end\nfunction on_call(c) end") == [
        "line 2: there is no entry point on_rctp (did you mean on_rtcp?)",
        "line 3: there is no entry point on_call",
    ]
    assert said("\nfunction on_spi(message) end") == [
        "line 2: there is no entry point on_spi (did you mean on_sip?), so that this is a script of"
        " heplify-server"
    ]


@pytest.mark.parametrize(
    "source",
    [
        "function on_call() end",
        "function on_answer(message) end\nfunction on_sip(message) on_answer(message) end",
        "local function on_sib(message) end\nfunction run() on_sib(1) end",
    ],
)
def test_function_that_is_called_or_unlike_ours_is_no_misspelt_entry_point(source: str) -> None:
    assert said(source) == []


def test_examples_and_their_words_are_all_known() -> None:
    examples = read_examples(
        path.name
        for path in resources.files("lua_filters").joinpath("examples").iterdir()
        if path.name.endswith(".lua") and not path.name.endswith("_test.lua")
    ).scripts

    assert len(examples) == 9
    assert [find_misspelt(script) for script in examples] == [[]] * 9


def test_most_functions_that_there_are_none_of_are_not_named() -> None:
    calls = [f"f{number}(1)" for number in range(20_000)]

    found = said("function on_sip(m) end\n" + "\n".join(calls))

    assert found == [f"line {2 + number}: there is no function f{number}" for number in range(20)]
