"""Whatever a script does, its call ends, and the state goes on."""

from hypothesis import given, settings
from hypothesis import strategies as st

from capture.errors import ScriptError
from capture.scripts.lua import Limits, LuaState

LIMITS = Limits(instructions=20_000, memory_bytes=4 * 1024 * 1024)
KINDS = ("error", "instructions", "memory")

simple = st.sampled_from(
    [
        *("x = (x or 0) + 1", "error('a')", "error({})", "error(nil)", "error(error)", "coroutine.yield(1)"),
        *("held = held or {} held[#held + 1] = ('x'):rep(50000) .. #held", "s = (s or 'x') .. (s or 'x')"),
        *("local t = {} for i = 1, 1e7 do t[i] = i end", "return ('x'):rep(1e9)", "x = nil", "x.y.z = 1"),
        *("pcall = nil", "string = nil", "_G.error = error", "for k in pairs(_G) do _G[k] = nil end"),
        *("local function f() return 1 + f() end f()", "local function f() return f() end f()", "return io"),
        *("setmetatable(_G, nil)", "string.find = nil", "getmetatable('').__index = nil", "return {}"),
        *(
            "x = setmetatable({}, {__index = function(t, k) return t[k .. 'a'] end}).b",
            "table.sort({2, 1}, x)",
        ),
        *(
            "x = tostring(setmetatable({}, {__tostring = function() while true do end end}))",
            "goto on ::on::",
        ),
    ]
)
wrapped = st.sampled_from(
    [
        *("while true do {} end", "repeat {} until false", "for i = 1, 10 do {} end", "do {} end"),
        *("pcall(function() {} end)", "while true do pcall(function() {} end) end", "if x then {} end"),
        "xpcall(function() {} end, function() while true do end end)",
        "xpcall(error, function() {} end)",
        "coroutine.wrap(function() {} end)()",
        "local c = coroutine.create(function() {} end) for i = 1, 9 do coroutine.resume(c) end",
        "('aa'):gsub('a', function() {} end)",
        "(function() {} end)()",
        "setmetatable({{}}, {{__index = function() {} end}}).a = 1",
    ]
)
scripts = st.recursive(
    simple.map("do {} end".format),
    lambda inner: st.builds(str.format, wrapped, inner) | st.builds("{} {}".format, inner, inner),
    max_leaves=8,
)


def outcome(lua: LuaState, source: bytes) -> tuple[object, ...] | str:
    """What the script returns, or the kind of its error."""
    try:
        return lua.call(lua.load("a.lua", source))
    except ScriptError as error:
        return error.kind


@settings(max_examples=200, deadline=None)
@given(st.lists(scripts, min_size=1, max_size=4))
def test_call_ends_and_the_next_one_is_as_ever(sources: list[str]) -> None:
    lua = LuaState(LIMITS)

    outcomes = [outcome(lua, source.encode()) for source in sources]

    assert all(isinstance(each, tuple) or each in KINDS for each in outcomes)
    assert outcome(lua, b"return 1, 'x'") in ((1, b"x"), "memory")


@given(st.binary(max_size=200))
def test_bytes_are_a_script_or_an_error(source: bytes) -> None:
    found = outcome(LuaState(LIMITS), source)

    assert isinstance(found, tuple) or found in KINDS
