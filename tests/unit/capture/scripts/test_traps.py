"""What a script may do that its author does not think of, seen in its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.scripts.folder import make_script
from capture.scripts.traps import find_traps


def traps(source: str) -> list[tuple[int, str]]:
    return [(trap.line, trap.words) for trap in find_traps(make_script("a.lua", source.encode()))]


def words(source: str) -> str:
    """Of the only trap."""
    ((_, found),) = traps(source)
    return found


def test_script_that_takes_care_has_none() -> None:
    source = (
        "local function trim(s)\n return (s:gsub('%s', ''))\nend\n"
        "function set()\n local sip = GetSIPStruct()\n if sip == nil or sip == '' then return end\n"
        " SetSIPHeader('X-User', trim(sip.FromUser))\n local at = os.time() + os.clock()\nend"
    )

    assert traps(source) == []


def test_function_with_parameters_that_nobody_calls_is_run_with_nothing() -> None:
    assert traps("\nfunction helper(x, y)\nend") == [
        (
            2,
            "helper(x, y) is run for each packet, with globals of these names or nil as its arguments: write"
            " `local function` if it is a helper",
        )
    ]


def test_function_with_parameters_that_the_script_calls_is_a_helper() -> None:
    assert traps("function helper(x)\nend\nfunction run()\n helper(1)\nend") == [
        (1, "helper(x) is called by scripts and taken for a helper: write `local function` to say so")
    ]


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("os.execute('rm x')", "os.execute"),
        ("os.exit()", "os.exit"),
        ("local home = os.getenv('HOME')", "os.getenv"),
        ("os.remove('x')", "os.remove"),
        ("local f = io.open('x')", "io"),
        ("io.write('x')", "io"),
        ("print(debug.traceback())", "debug"),
        ("loadstring('x')()", "loadstring"),
        ("load(f)", "load"),
        ("dofile 'x.lua'", "dofile"),
        ("loadfile('x.lua')", "loadfile"),
        ("collectgarbage()", "collectgarbage"),
        ("string.dump(f)", "string.dump"),
        ("setfenv(1, {})", "setfenv"),
        ("jit.on()", "jit"),
        ("package.path = 'x'", "package"),
        ("ffi.cdef[[int x;]]", "ffi"),
    ],
)
def test_name_that_was_removed_is_named_with_what_to_use_instead(use: str, name: str) -> None:
    ((line, found),) = traps(f"function run()\n {use}\nend")

    assert line == 2
    assert found.startswith(f"{name} is not there, and its use an error: ")


@pytest.mark.parametrize("spelling", ['require "ffi"', "require('ffi')", "local ffi = require 'ffi'"])
def test_module_that_was_removed_is_named(spelling: str) -> None:
    assert words(f"function run()\n {spelling}\nend") == (
        'require "ffi" is an error: nothing of the interpreter can be reached'
    )


@pytest.mark.parametrize(
    "harmless",
    [
        "-- os.execute('x')",
        "local s = 'io.open(x)'",
        "local s = [[ loadstring(x) ]]",
        "os.time() os.date('%H')",
        "my.io.open('x')",
        "my.load('x')",
        "reload('x')",
        "local debug = true if debug then x = debug end",
        "local io = {} io.open()",
        "function load() end",
        "local data = {load = 1} load_all(1)",
        "require 'numbers'",
    ],
)
def test_what_only_looks_like_a_removed_name_is_none(harmless: str) -> None:
    assert traps(f"function run()\n{harmless}\nend") == []


def test_raw_message_and_fields_go_apart() -> None:
    assert traps("function run()\n SetRawMessage('x')\n SetRawMessage('y')\nend") == [
        (2, "SetRawMessage changes what is stored, not the fields that were read before it")
    ]


def test_hash_table_belongs_to_a_worker() -> None:
    assert words("function run() HashTable('get', 'x', '') end").startswith("HashTable belongs to one worker")


@pytest.mark.parametrize(
    "body",
    [
        " local sip = GetSIPStruct()\n local user = sip.FromUser",
        " sip = HEP.GetSIPStruct()\n if sip.FromUser == '' then return end\n if sip == '' then return end",
        " local sip = scriptEngine.GetSIPStruct()\n local user = sip['FromUser']",
    ],
)
def test_struct_that_is_used_before_it_is_tested(body: str) -> None:
    ((line, found),) = traps(f"function run()\n{body}\nend")

    assert line == 3
    assert found == "sip is an empty text for a packet that is not SIP: test sip ~= '' before"


@pytest.mark.parametrize(
    "test",
    [
        "if sip == '' then return end",
        'if sip ~= "" then x() end',
        "if type(sip) ~= 'userdata' then return end",
        "if GetHEPProtoType() ~= 1 then return end",
        "if GetHEPStruct().ProtoType ~= 1 then return end",
    ],
)
def test_struct_that_is_tested_first_is_well_used(test: str) -> None:
    assert traps(f"function run()\n local sip = GetSIPStruct()\n {test}\n local u = sip.FromUser\nend") == []


def test_setter_without_a_look_at_the_packet() -> None:
    assert traps(
        "function one()\n SetSIPHeader('a', 'b')\nend\nfunction two()\n SetSIPProfile('call')\nend"
    ) == [
        (2, "SetSIPHeader does nothing but write to the log for a packet that is not SIP: test before"),
        (5, "SetSIPProfile does nothing but write to the log for a packet that is not SIP: test before"),
    ]
    assert (
        traps("function one()\n if GetHEPProtoType() ~= 1 then return end\n SetSIPHeader('a', 'b')\nend")
        == []
    )


@pytest.mark.parametrize(
    "test",
    [
        "if sip == '' then",
        "if sip == nil or sip == '' then",
        'if (sip == nil) or (sip == "") then',
        "if GetHEPProtoType() ~= 1 then",
        "if scriptEngine.GetHEPProtoType() ~= 1 or sip == ''\n then",
    ],
)
def test_setter_where_no_packet_is_sip(test: str) -> None:
    found = traps(
        f"function run()\n local sip = GetSIPStruct()\n {test} SetSIPHeader('kind', 'none')\n  return\n end\n"
        " SetSIPHeader('a', sip.FromUser)\nend"
    )

    assert [words for _, words in found] == [
        "SetSIPHeader does nothing but write to the log: no packet is SIP here"
    ]


@pytest.mark.parametrize(
    "test",
    [
        "if sip ~= '' then",
        "if sip == '' then return end if sip.FromUser == '' then",
        "if sip == '' or GetHEPSrcPort() == 5060 then return end if sip.FromUser then",
        "if sip == '' and other then return end if other == '' then",
        "if sip == '' then return end if sip.UserAgent == nil then",
        "if sip == '' then local x = 1 else",
        "if GetHEPProtoType() == 1 then",
    ],
)
def test_setter_where_a_packet_may_be_sip(test: str) -> None:
    assert traps(f"function run()\n local sip = GetSIPStruct()\n {test} SetSIPProfile('call') end\nend") == []


@pytest.mark.parametrize(
    ("memory", "change"),
    [
        ("local seen = {}", "seen[GetHEPSrcIP()] = true"),
        ("calls = {}", "calls.n = 1"),
        ("count = 0", "count = count + 1"),
        ("local list = {}", "table.insert(list, 1)"),
    ],
)
def test_what_functions_remember_belongs_to_a_worker(memory: str, change: str) -> None:
    ((line, found),) = traps(f"\n{memory}\nfunction run()\n {change}\nend")

    assert line == 2
    assert "is kept by each worker for itself" in found


def test_table_that_is_only_read_is_no_memory() -> None:
    assert (
        traps("local names = {\n ['192.0.2.1'] = 'north',\n}\nfunction run()\n local n = names['x']\nend")
        == []
    )


def test_script_of_the_new_kind_has_names_that_are_not_there_and_no_other_trap() -> None:
    assert traps("function on_sip(message)\n os.execute('x')\nend\nfunction helper(a) end") == [
        (2, "os.execute is not there, and its use an error: no program can be started")
    ]


@given(st.text("function ab(x)\n.:'\"[]=-GetSIPStruct{} \r\0é", max_size=200))
def test_any_text_has_traps_at_its_own_lines(source: str) -> None:
    lines = source.count("\n") + 1

    assert all(1 <= line <= lines for line, _ in traps(source))
