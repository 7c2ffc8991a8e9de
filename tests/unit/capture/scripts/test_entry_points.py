"""Which functions of a script are run for each packet."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.scripts.entry_points import (
    EntryPoint,
    find_entry_points,
    find_uses,
    is_helper,
    is_new_kind,
)


def names(source: str) -> list[str]:
    return [point.name for point in find_entry_points(source)]


def test_functions_are_found_in_their_order() -> None:
    source = "function first()\nend\n\nfunction second()\nend\n"

    assert [(point.name, point.line) for point in find_entry_points(source)] == [("first", 1), ("second", 4)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("function a ( )", "a"),
        ("\tfunction\ta()", "a"),
        ("function rules.clean() end", "rules.clean"),
        ("function rules : clean ()", "rules:clean"),
        ("function a() return 1 end", "a"),
        ("function a(x, y)", "a"),
    ],
)
def test_spelling_of_a_definition_does_not_matter(line: str, name: str) -> None:
    assert names(line) == [name]


@pytest.mark.parametrize(
    "line",
    [
        "local function a()",
        "-- function a()",
        "--[[\nfunction a()\n]]",
        "local text = [==[\nfunction a()\n]] ]==]",
        "functional()",
        "functiona()",
        "return function() end",
        "function() end",
        "a = function() end",
        "function a",
    ],
)
def test_what_only_looks_like_one_is_none(line: str) -> None:
    assert names(line) == []


def test_function_that_the_script_itself_gives_something_is_a_helper() -> None:
    source = "function trim(s)\n return (s:gsub(' ', ''))\nend\nfunction clean()\n local a = trim(raw())\nend"

    assert names(source) == ["clean"]


@pytest.mark.parametrize("call", ["trim 'a'", 'trim"a"', "trim{1}", "trim [[a]]", "x = trim\t(1)"])
def test_call_may_be_written_without_parentheses(call: str) -> None:
    assert names(f"function trim(s)\nend\nfunction clean()\n {call}\nend") == ["clean"]


@pytest.mark.parametrize(
    "mention", ["-- trim(s) is called", "local s = 'trim(s)'", "other.trim(1)", "retrim(1)"]
)
def test_function_that_nobody_calls_is_run_with_its_parameters_empty(mention: str) -> None:
    assert names(f"function trim(s)\nend\n{mention}") == ["trim"]


def test_function_that_another_script_calls_is_a_helper_too() -> None:
    point = EntryPoint("trim", ("s",), 1)
    own = find_uses("function trim(s)\nend")

    assert is_helper(point, own, [find_uses("function clean()\n trim(x)\nend")])
    assert not is_helper(point, own, [find_uses("other.trim(x)")])
    other = find_uses("local function trim(s)\nend\nfunction clean()\n trim(x)\nend")
    assert not is_helper(point, own, [other])


@pytest.mark.parametrize(
    "source",
    [
        "function a{}(x) end\n" * 40_000,
        "function a{}(x) end a{}(1)\n" * 25_000,
        "on_sip = " * 100_000,
        "function on_sip(" * 60_000,
        "a . " * 250_000,
    ],
)
def test_text_of_any_length_is_read_at_once(source: str) -> None:
    began = time.process_time()

    find_entry_points("".join(f"{part}{at}" for at, part in enumerate(source.split("{}"))))

    # Half a second. What looks at all of the text for each function takes minutes.
    assert time.process_time() - began < 10


def test_function_that_is_defined_twice_and_never_called_is_run_twice() -> None:
    assert names("function a(x)\nend\nfunction a(x)\nend") == ["a", "a"]


def test_function_without_parameters_is_run_even_if_it_is_called() -> None:
    assert names("function a()\nend\nfunction b()\n a()\nend") == ["a", "b"]


def test_script_of_the_new_kind_has_only_its_entry_points() -> None:
    source = "function on_sip(message)\n help()\nend\nfunction help()\nend\nfunction on_packet(packet)\nend"

    assert names(source) == ["on_sip", "on_packet"]
    assert is_new_kind(source)
    assert not is_new_kind("function clean()\nend -- not on_sip(message)")


@given(st.text(alphabet="functio a(x)\n-[]='\"\\.:", max_size=200))
def test_any_text_has_an_answer(source: str) -> None:
    lines = source.split("\n")

    for point in find_entry_points(source):
        assert "function" in lines[point.line - 1]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("local n = 0 function on_sip(message) end", 1),
        ("\non_sip = function(message) end", 2),
        ("\n\nfunction on_sip\n(message) end", 3),
        ("function on_sip(message", 1),
        ("local function handle(m) end\non_sip = handle", 2),
    ],
)
def test_new_kind_is_known_however_its_entry_points_are_written(source: str, line: int) -> None:
    assert is_new_kind(source)
    assert [(point.name, point.line) for point in find_entry_points(source)] == [("on_sip", line)]


@pytest.mark.parametrize(
    "source", ["-- function on_sip(m)", "x.on_sip = 1", "if on_sip == 1 then end", "print('on_sip =')"]
)
def test_what_only_looks_like_an_entry_point_of_the_new_kind_is_none(source: str) -> None:
    assert not is_new_kind(source)
