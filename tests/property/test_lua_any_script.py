"""Whatever a script does, its call ends, and the state goes on; in a process that it may do its worst to."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.scripts.lua import Limits
from tests.support.lua_child import LuaChild, Outcome

LIMITS = Limits(instructions=20_000, memory_bytes=4 * 1024 * 1024)
PATIENCE_S = 20.0
"""Beyond it a call counts as one that does not end; these take some milliseconds."""
GOES_ON = b"return 1, 'x'"

ONCE_A_CRASH = [
    # While the allocator refused at the limit, and the hook fired at each instruction.
    "local c = coroutine.create(function() while true do pcall(function() coroutine.wrap(function()"
    " held = held or {} held[#held + 1] = ('x'):rep(50000) .. #held end)() end) end end)"
    " for i = 1, 9 do coroutine.resume(c) end",
    # Each level is one of C as well, and took 9 KB of its stack.
    "local function f() return (('x'):gsub('x', f)) end f()",
    "local function f() pcall(string.gsub, 'x', 'x', f) end f()",
    "local function f() coroutine.wrap(f)() end f()",
]

simple = st.sampled_from(
    [
        *("x = (x or 0) + 1", "error('a')", "error({})", "error(nil)", "error(error)", "coroutine.yield(1)"),
        *("held = held or {} held[#held + 1] = ('x'):rep(50000) .. #held", "s = (s or 'x') .. (s or 'x')"),
        *("local t = {} for i = 1, 1e7 do t[i] = i end", "return ('x'):rep(1e9)", "x = nil", "x.y.z = 1"),
        *("pcall = nil", "string = nil", "_G.error = error", "for k in pairs(_G) do _G[k] = nil end"),
        *("local function f() return 1 + f() end f()", "local function f() return f() end f()", "return io"),
        *("setmetatable(_G, nil)", "string.find = nil", "getmetatable('').__index = nil", "return {}"),
        "x = setmetatable({}, {__index = function(t, k) return t[k .. 'a'] end}).b",
        *("table.sort({2, 1}, x)", "goto on ::on::", "string.format = nil", "string.rep = string.format"),
        "x = tostring(setmetatable({}, {__tostring = function() while true do end end}))",
        "s = table.concat({s, s, s, s}, s)",
        "x = ('%s'):format(setmetatable({}, {__tostring = function() return s end}))",
        "local function f(...) return f(1, ...) end f()",
        "held = held or {} for i = 1, 100 do held[#held + 1] = coroutine.create(error) end",
        "held = held or {} for i = 1, 100 do held[{}] = function() return held end end",
        "local t = {} for i = 1, 5000 do t[i] = -i end table.sort(t)",
        "local t = {} for i = 1, 5000 do table.insert(t, 1, i) end",
        "return pcall(string.rep, s, -1, s)",
        "r, e = coroutine.resume(coroutine.running())",
        "require('x')",
        "string.gsub = function() error(string) end",
        *("_G._G = nil", "x = echo(s)", "x = {many()}", "local a = many()", "echo({}, many)", "echo(many())"),
        "os.time(setmetatable({}, {__index = function() error() end}))",
    ]
)
wrapped = st.sampled_from(
    [
        *("while true do BODY end", "repeat BODY until false", "for i = 1, 10 do BODY end", "do BODY end"),
        *("pcall(function() BODY end)", "while true do pcall(function() BODY end) end", "if x then BODY end"),
        *(
            "xpcall(function() BODY end, function() while true do end end)",
            "xpcall(error, function() BODY end)",
        ),
        "coroutine.wrap(function() BODY end)()",
        "local c = coroutine.create(function() BODY end) for i = 1, 9 do coroutine.resume(c) end",
        "local c = coroutine.wrap(function() while 1 do BODY coroutine.yield() end end) while 1 do c() end",
        *("('aa'):gsub('a', function() BODY end)", "(function() BODY end)()"),
        "setmetatable({}, {__index = function() BODY end}).a = 1",
        "local x = setmetatable({}, {__index = function() BODY end}).a",
        "local x = setmetatable({}, {__concat = function() BODY end}) .. 'x'",
        "local x = setmetatable({}, {__lt = function() BODY end}) table.sort({x, x, x})",
        "table.sort({3, 1, 2}, function() BODY return true end)",
        "local function f() BODY return f() end f()",
        "local function f() BODY f() BODY end f()",
        "local function f(a, b, c) local r = many() BODY local s = f(a, b, c) return s end f()",
        "local function f() pcall(f) BODY return f() end f()",
        "local function f() ('x'):gsub('x', f) BODY end f()",
        "local function f() coroutine.wrap(f)() BODY end f()",
        "local function f() pcall(coroutine.wrap(f)) BODY end f()",
        "('%s'):format(setmetatable({}, {__tostring = function() BODY return 'x' end}))",
        "function f() BODY end local t = setmetatable({}, {__newindex = f, __call = f}) t.x = t()",
    ]
)


def _put_into(around: str, body: str) -> str:
    return around.replace("BODY", body)


scripts = st.recursive(
    simple.map("do {} end".format),
    lambda inner: st.builds(_put_into, wrapped, inner) | st.builds("{} {}".format, inner, inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def child() -> Iterator[LuaChild]:
    with LuaChild(LIMITS, PATIENCE_S) as lua:
        yield lua


def assert_ended_well(outcomes: list[Outcome]) -> None:
    *ended, last = outcomes
    assert {each.kind for each in ended} <= {"returned", "error", "instructions", "memory"}
    assert last == Outcome("returned", "(1, b'x')") or last.kind == "memory"


@pytest.mark.slow
@pytest.mark.parametrize("source", ONCE_A_CRASH)
def test_script_that_once_crashed_the_process_does_so_no_more(child: LuaChild, source: str) -> None:
    outcomes = child.run([source.encode(), GOES_ON])

    assert_ended_well(outcomes)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(scripts, min_size=1, max_size=4))
def test_call_ends_and_the_next_one_is_as_ever(child: LuaChild, sources: list[str]) -> None:
    outcomes = child.run([*(source.encode() for source in sources), GOES_ON])

    assert_ended_well(outcomes)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_a_script_or_an_error(child: LuaChild, source: bytes) -> None:
    outcomes = child.run([source, GOES_ON])

    assert_ended_well(outcomes)
