"""A folder of heplify-server's scripts, joined to one chunk."""

import time

import pytest

from capture.errors import ScriptError
from capture.scripts.folder import make_script
from capture.scripts.homer import load_old_scripts
from capture.scripts.lua import Limits, LuaState
from capture.scripts.saying import MOST_BYTES
from tests.support.drafts import a_draft
from tests.support.old_scripts import OldFolder, Table, run

SET = "function set_{0}() SetSIPHeader('X-{0}', '{0}') end"


def test_functions_run_in_the_order_of_files_and_lines() -> None:
    note = "order = (order or '') .. '{0} ' SetSIPHeader('X-Order', order)"
    folder = OldFolder(
        b=f"function three() {note.format(3)} end",
        a=f"function two()\n{note.format(2)}\nend\nfunction one()\n{note.format(1)}\nend",
    )

    assert folder.run(a_draft()).changes == {"custom:X-Order": "2 1 3 "}


def test_locals_of_one_file_are_visible_in_the_next() -> None:
    folder = OldFolder(
        a="local names = {['192.0.2.1'] = 'north'}\nlocal function name_of(ip) return names[ip] end",
        b="function set() SetHEPField('NodeName', name_of(GetHEPSrcIP())) end",
    )

    assert folder.run(a_draft()).changes == {"node_name": "north"}


def test_file_without_functions_to_run_is_there_for_the_others() -> None:
    folder = OldFolder(a="trunk = 'blue'", b="function set() SetHEPField('TargetName', trunk) end")

    assert {name: len(functions) for name, functions in folder.scripts.functions.items()} == {
        "a.lua": 0,
        "b.lua": 1,
    }
    assert folder.run(a_draft()).changes == {"sink:target_name": "blue"}


@pytest.mark.parametrize(
    "definition",
    [
        "local M = {}\nfunction M.set() SetSIPHeader('X-A', 'b') end",
        "M = {}\nfunction M.set() SetSIPHeader('X-A', 'b') end",
        "local M = {value = 'b'}\nfunction M:set() SetSIPHeader('X-A', self.value) end",
        "local set\nfunction set() SetSIPHeader('X-A', 'b') end",
        "if true then\n function set() SetSIPHeader('X-A', 'b') end\nend",
    ],
)
def test_functions_of_tables_and_of_locals_run_too(definition: str) -> None:
    assert run(definition, a_draft()).changes == {"custom:X-A": "b"}


def test_parameters_are_globals_of_their_names_when_a_function_runs() -> None:
    folder = OldFolder(
        a="local x = 'local'\nfunction set(x, y, z)\n assert(x == nil and y == 'global' and z == nil)\nend\n"
        "y = 'early'",
        b="y = 'global'",
    )

    folder.run(a_draft())


def test_function_with_dots_for_its_parameters_gets_none() -> None:
    run("function set(...) assert(select('#', ...) == 0) end", a_draft())


def test_helper_with_parameters_runs_for_no_packet_of_its_own() -> None:
    draft = run(
        "function trim(s)\n return (s:gsub('%s', ''))\nend\n"
        "function set()\n SetSIPHeader('X-Name', trim(' a b '))\nend",
        a_draft(),
    )

    assert draft.changes == {"custom:X-Name": "ab"}


def test_helper_of_another_file_runs_for_no_packet_of_its_own() -> None:
    folder = OldFolder(
        a="function trim(s)\n return (s:gsub('%s', ''))\nend",
        b="function set()\n SetSIPHeader('X-Name', trim(' a b '))\nend",
    )

    assert folder.run(a_draft()).changes == {"custom:X-Name": "ab"}


def test_name_that_is_given_anew_runs_as_it_is_then() -> None:
    folder = OldFolder(
        a=SET.format("a"), b="local before = set_a set_a = function() SetSIPHeader('X-A', 'new') end"
    )

    assert folder.run(a_draft()).changes == {"custom:X-A": "new"}


def test_function_may_return_what_it_likes() -> None:
    run("function give()\n return {}, function() end\nend", a_draft())


def test_globals_stay_from_packet_to_packet() -> None:
    folder = OldFolder(a="function count() n = (n or 0) + 1 SetSIPHeader('X-N', n) end")
    folder.run(a_draft())

    assert folder.run(a_draft()).changes == {"custom:X-N": "2"}


# ---- errors ----


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("function x()\nlocal a = = 1\nend", "b.lua:2: unexpected symbol near '='"),
        (
            "function x()\n\nif true then\nend",
            "b.lua:4: 'end' expected (to close 'function' at line 1) near '<eof>'",
        ),
        ("x = 'not\nclosed'", "b.lua:1: unfinished string near ''not'"),
        ("--[[ for ever", "b.lua:1: unfinished long comment near '<eof>'"),
        ("x = ", "b.lua:1: unexpected symbol near '<eof>'"),
        ("end", "b.lua:1: '<eof>' expected near 'end'"),
        ("break", "b.lua:1: no loop to break"),
    ],
)
def test_file_that_is_not_lua_is_named_and_left_out(broken: str, words: str) -> None:
    folder = OldFolder(a=SET.format("a"), b=broken, c=SET.format("c"))

    assert folder.scripts.errors == {"b.lua": words}
    assert folder.run(a_draft()).changes == {"custom:X-a": "a", "custom:X-c": "c"}


def test_errors_are_named_by_file_and_line_wherever_in_the_folder() -> None:
    folder = OldFolder(
        a="local function fail()\n\n error('here')\nend\n" + SET.format("a") + "\r\n\r\n",
        b="\r\n\r\nfunction two()\r\n local x = nil + 1\r\nend\nfunction three() fail() end",
        c="\n\n\n\nfunction four(x, y)\n missing()\nend",
    )
    errors = []
    for functions in folder.scripts.functions.values():
        for function in functions:
            try:
                folder.scripts.host.run(function, a_draft())
            except ScriptError as error:
                errors.append((error.file, error.line, error.words))

    assert errors == [
        ("b.lua", 4, "attempt to perform arithmetic on a nil value"),
        ("a.lua", 3, "here"),
        ("c.lua", 6, "attempt to call global 'missing' (a nil value)"),
    ]


def test_function_that_is_not_there_when_it_is_to_run_is_named_where_it_is_defined() -> None:
    folder = OldFolder(a="\nif false then\n function nested()\n end\nend")

    with pytest.raises(ScriptError, match=r"^a.lua:3: attempt to call global 'nested' \(a nil value\)$"):
        folder.run(a_draft())


def test_places_within_an_error_that_a_script_has_caught_are_named_by_file_too() -> None:
    folder = OldFolder(
        a="-- first\nfunction fail()\n\n local _, words = pcall(function() error('x') end)\n"
        " Logp('ERROR', words)\n error(words, 0)\nend"
    )

    with pytest.raises(ScriptError, match=r"^a.lua:4: x$"):
        folder.run(a_draft())

    assert folder.said == [("error", "a.lua:4: x", "a.lua", 5)]


def test_file_whose_top_level_fails_is_left_out_and_the_others_start_afresh() -> None:
    folder = OldFolder(
        a="count = (count or 0) + 1\nfunction set_a() SetSIPHeader('X-Count', count) end",
        b="function set_b() end\nlocal name = nil .. 'x'",
        c=SET.format("c"),
    )

    assert folder.scripts.errors == {"b.lua": "b.lua:2: attempt to concatenate a nil value"}
    assert folder.run(a_draft()).changes == {"custom:X-Count": "1", "custom:X-c": "c"}


def test_file_that_fails_in_a_function_of_another_is_the_one_left_out() -> None:
    folder = OldFolder(
        a="function give(x)\n return #x\nend\nlocal _ = give('')", b="local n = give(nil)", c=SET.format("c")
    )

    assert folder.scripts.errors == {"b.lua": "a.lua:2: attempt to get length of local 'x' (a nil value)"}
    assert folder.run(a_draft()).changes == {"custom:X-c": "c"}


def test_file_whose_top_level_does_not_come_to_an_end_is_left_out() -> None:
    folder = OldFolder(a=SET.format("a"), b="while true do end", c=SET.format("c"))

    assert folder.scripts.errors == {"b.lua": "b.lua:1: more than 1000000 instructions"}
    assert list(folder.scripts.functions) == ["a.lua", "c.lua"]


def test_file_whose_top_level_fills_the_memory_is_left_out() -> None:
    greedy = b"held = {}\nwhile true do held[#held + 1] = ('x'):rep(50000) .. #held end"
    sources = {"a.lua": SET.format("a").encode(), "b.lua": greedy, "c.lua": SET.format("c").encode()}
    loaded = load_old_scripts(
        [[make_script(name, source)] for name, source in sources.items()],
        lambda: LuaState(Limits(memory_bytes=4 * 1024 * 1024)),
        Table().services,
    )

    assert loaded.errors == {"b.lua": "b.lua:2: more than 4194304 bytes of memory"}
    assert list(loaded.functions) == ["a.lua", "c.lua"]


def test_more_locals_than_lua_allows_in_all_files_together_name_the_file_that_has_one_too_many() -> None:
    first, second = ("\n".join(f"local {name}{number} = 1" for number in range(150)) for name in "xy")
    folder = OldFolder(a=first, b="\n" + second, c=SET.format("c"))

    assert folder.scripts.errors == {
        "b.lua": "b.lua:52: main function has more than 200 local variables"
        " (to Lua all scripts of the folder are one)"
    }
    assert folder.run(a_draft()).changes == {"custom:X-c": "c"}


def test_what_ends_one_file_and_begins_the_next_are_two_statements() -> None:
    folder = OldFolder(
        a="x = tostring", b="(print or error)('b')", c="-- ends in a comment", d=SET.format("d")
    )

    assert folder.scripts.errors == {}
    assert folder.said == [("info", "b", "b.lua", 1)]
    assert folder.run(a_draft()).changes == {"custom:X-d": "d"}


def test_file_that_ends_in_return_does_not_end_the_others() -> None:
    folder = OldFolder(
        a="function set_a()\n SetSIPHeader('X-a', 'a')\nend\nreturn true",
        b="local M = {}\nfunction M.helper()\n error('is no entry point')\nend\nreturn M",
        c=SET.format("c") + "\nerror_line = 2",
    )

    assert folder.scripts.errors == {}
    assert folder.run(a_draft()).changes == {"custom:X-a": "a", "custom:X-c": "c"}


def test_file_of_many_functions_that_ends_in_return_is_loaded_at_once() -> None:
    began = time.process_time()

    folder = OldFolder(a="".join(f"function f{n}() end\n" for n in range(5000)) + "return 1")

    # 0.3 s. What looks at all of the text for each function takes 10 s.
    assert time.process_time() - began < 5
    assert len(folder.scripts.functions["a.lua"]) == 5000


def test_newest_version_that_can_be_loaded_is_taken() -> None:
    sources = ["function set() SetSIPHeader(", "error('fails')", SET.format("kept"), "error('not tried')"]
    versions = [make_script("a.lua", source.encode()) for source in sources]

    loaded = load_old_scripts([versions], LuaState, Table().services)

    assert loaded.scripts == (versions[2],)
    assert loaded.errors == {"a.lua": "a.lua:1: unexpected symbol near '<eof>'"}


def test_scripts_do_not_find_what_the_chunk_is_made_of() -> None:
    run("function look() assert(rawget(_G, '__homer') == nil and rawget(_G, '__core') == nil) end", a_draft())


def test_limits_hold_for_each_function() -> None:
    loaded = load_old_scripts(
        [[make_script("a.lua", b"function spin()\n while true do end\nend")]],
        lambda: LuaState(Limits(instructions=10_000)),
        Table().services,
    )

    with pytest.raises(ScriptError) as raised:
        loaded.host.run(loaded.functions["a.lua"][0], a_draft())

    assert (raised.value.kind, raised.value.file, raised.value.line) == ("instructions", "a.lua", 2)


@pytest.mark.parametrize(
    "hostile",
    [
        "__homer.end_of_file() __homer.end_of_file() error('here')",
        "for _ = 1, 9 do __homer.end_of_file() end error('here')",
        "__homer.end_of_file = function() end error('here')",
    ],
)
def test_file_that_fails_is_the_one_left_out_whatever_it_calls(hostile: str) -> None:
    folder = OldFolder(a=f"{hostile}\n{SET.format('a')}", b=SET.format("b"))

    assert folder.scripts.errors == {"a.lua": "a.lua:1: here"}
    assert folder.run(a_draft()).changes == {"custom:X-b": "b"}


def test_functions_that_another_file_takes_away_are_missed() -> None:
    folder = OldFolder(
        a=SET.format("a"),
        b="for name in pairs(__homer) do if name:find('%d') then __homer[name] = nil end end",
    )

    assert folder.scripts.errors == {"a.lua": "a.lua: its functions are lost: __homer is not for scripts"}


@pytest.mark.parametrize("number", ["0", "99", "9" * 30, "9" * 5000])
def test_line_that_there_is_not_is_left_as_a_script_has_it(number: str) -> None:
    folder = OldFolder(a=f"function say() Print('*.lua:{number}: oh') error('*.lua:{number}: oh', 0) end")

    with pytest.raises(ScriptError) as caught:
        folder.run(a_draft())

    assert folder.said == [("info", f"*.lua:{number}: oh"[:MOST_BYTES], "a.lua", 1)]
    assert caught.value.words.startswith(("oh", f"*.lua:{number[:1000]}"))
    assert caught.value.line is None


def test_long_text_that_is_logged_is_cut_before_it_is_looked_through() -> None:
    folder = OldFolder(a="function say() Print(('*.lua:1 '):rep(1000000)) end")

    folder.run(a_draft())

    assert folder.said[0][1].startswith("a.lua:1 a.lua:1 ")
    assert len(folder.said[0][1]) < 10_000
