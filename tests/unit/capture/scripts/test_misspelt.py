"""Fields that there are none of, seen in the text of a script."""

import pytest

from capture.scripts.folder import make_script
from capture.scripts.misspelt import find_misspelt


def said(source: str) -> list[str]:
    return [str(trap) for trap in find_misspelt(make_script("a.lua", source.encode()))]


def test_misspelt_field_is_named_with_its_line_and_what_it_may_be() -> None:
    source = "function on_sip(message)\n    if message.user_agnt then\n drop(message:heder('X')) end end"

    assert said(source) == [
        'line 2: message has no field "user_agnt" (did you mean user_agent?)',
        'line 3: message has no field "heder" (did you mean header?)',
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
