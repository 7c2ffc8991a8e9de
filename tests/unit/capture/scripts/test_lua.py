"""A Lua state that scripts cannot break out of, stop or fill."""

import resource
import time

import pytest

from capture.errors import ScriptError
from capture.scripts.lua import Limits, LuaState

FEW = Limits(instructions=100_000, memory_bytes=8 * 1024 * 1024, subject_bytes=1000)
FOR_EVER = "while true do end"


@pytest.fixture
def lua() -> LuaState:
    return LuaState(FEW)


def run(lua: LuaState, source: str | bytes, *arguments: bytes | float | None) -> tuple[object, ...]:
    text = source.encode() if isinstance(source, str) else source
    return lua.call(lua.load("a.lua", text), *arguments)


def error_of(lua: LuaState, source: str | bytes) -> ScriptError:
    with pytest.raises(ScriptError) as caught:
        run(lua, source)
    return caught.value


def test_values_go_in_and_out_as_they_are(lua: LuaState) -> None:
    given = (1, 2.5, b"a\0\xff", None, True)

    assert run(lua, "return ...", *given) == given


def test_function_without_results_gives_none(lua: LuaState) -> None:
    assert run(lua, "return") == ()


def test_globals_of_one_script_are_seen_by_the_next(lua: LuaState) -> None:
    run(lua, "shared = 5")

    assert run(lua, "return shared") == (5,)


def test_globals_of_one_state_are_not_seen_in_another(lua: LuaState) -> None:
    run(lua, "shared = 5")

    assert run(LuaState(FEW), "return shared") == (None,)


def test_syntax_error_names_file_and_line(lua: LuaState) -> None:
    error = error_of(lua, "local a = 1\nlocal = 2")

    assert (error.kind, error.file, error.line) == ("error", "a.lua", 2)
    assert str(error).startswith("a.lua:2: ")


def test_error_at_run_time_names_file_and_line(lua: LuaState) -> None:
    error = error_of(lua, "local nothing\n\nreturn nothing.field")

    assert (error.kind, error.file, error.line) == ("error", "a.lua", 3)


@pytest.mark.parametrize("thrown", ["{}", "nil", "true", "setmetatable({}, {__tostring = error})"])
def test_error_object_that_is_no_text_is_named_by_its_type(lua: LuaState, thrown: str) -> None:
    assert "error object of type" in error_of(lua, f"error({thrown})").words


@pytest.mark.parametrize(
    "loop",
    [
        FOR_EVER,
        f"while true do pcall(function() {FOR_EVER} end) end",
        f"pcall(function() {FOR_EVER} end)",
        f"xpcall(function() {FOR_EVER} end, function() {FOR_EVER} end)",
        f"xpcall(error, function() {FOR_EVER} end)",
        f"return coroutine.wrap(function() return pcall(function() {FOR_EVER} end) end)()",
        f"local c = coroutine.create(function() {FOR_EVER} end) while true do coroutine.resume(c) end",
        "while true do coroutine.wrap(coroutine.yield)() end",
        "local function f() return f() end f()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k + 1] end"
        " while true do pcall(function() return t[1] end) end",
        "table.sort({3, 1, 2}, function() while true do end end)",
        "('x'):gsub('x', function() while true do end end)",
        "tostring(setmetatable({}, {__tostring = function() while true do end end}))",
        "while true do local s = ('x'):rep(1000) end",
    ],
)
def test_endless_loop_is_ended(lua: LuaState, loop: str) -> None:
    assert error_of(lua, loop).kind == "instructions"
    assert run(lua, "return 1") == (1,)


def test_budget_is_of_each_call_alone(lua: LuaState) -> None:
    for _ in range(5):
        run(lua, "for i = 1, 15000 do end")


@pytest.mark.parametrize(
    "bomb",
    [
        "return ('x'):rep(1e9)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100000) .. i end",
        "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(100000) .. i end return table.concat(t)",
    ],
)
def test_memory_is_bounded(lua: LuaState, bomb: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert error_of(lua, bomb).kind in ("memory", "instructions")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024
    assert run(lua, "return 1") == (1,)


def test_text_that_grows_without_end_is_ended_and_leaves_the_state_usable() -> None:
    lua = LuaState(Limits(instructions=20_000, memory_bytes=4 * 1024 * 1024))
    longer = "x = setmetatable({}, {__index = function(t, k) return t[k .. 'a'] end}).b"

    error = error_of(lua, f"pcall(function() while true do pcall(function() {longer} end) end end)")

    assert error.kind == "memory"
    assert lua.function("none") is None
    assert run(lua, "return 1") == (1,)


def test_state_that_is_full_says_so_and_takes_no_arguments(lua: LuaState) -> None:
    fill = "held = held or {} for i = 1, 1e9 do held[#held + 1] = ('x'):rep(10000) .. #held end"
    for _ in range(20):
        error = error_of(lua, fill)

    assert (error.kind, error.words) == ("memory", f"more than {FEW.memory_bytes} bytes of memory")


@pytest.mark.parametrize("value", ["{}", "type", "function() end", "coroutine.create(error)"])
def test_only_plain_values_are_returned(lua: LuaState, value: str) -> None:
    assert "cannot be returned" in error_of(lua, f"return 1, {value}").words


def test_global_function_is_found_and_called(lua: LuaState) -> None:
    run(lua, "function twice(n) return 2 * n end text = 'a'")

    twice = lua.function("twice")

    assert twice is not None
    assert lua.call(twice, 4) == (8,)
    assert lua.function("text") is None
    assert lua.function("io") is None


def test_recursion_without_end_is_an_error(lua: LuaState) -> None:
    assert "stack overflow" in error_of(lua, "local function f() return 1 + f() end f()").words


@pytest.mark.parametrize(
    "name",
    [
        *("io", "debug", "ffi", "jit", "python", "package", "load", "loadstring", "loadfile"),
        *("dofile", "module", "collectgarbage", "newproxy", "getfenv", "setfenv", "string.dump"),
        *("os.execute", "os.exit", "os.remove", "os.rename", "os.tmpname", "os.getenv", "os.setlocale"),
    ],
)
def test_name_that_was_taken_away_says_so(lua: LuaState, name: str) -> None:
    error = error_of(lua, f"\nlocal taken = {name}")

    assert (error.file, error.line) == ("a.lua", 2)
    assert error.words.startswith(f"{name} is not there: ")


def test_what_tells_the_time_is_left(lua: LuaState) -> None:
    before = int(time.time())

    told, date, clock, difference = run(lua, "return os.time(), os.date('%Y'), os.clock(), os.difftime(2, 1)")

    assert isinstance(told, int | float)
    assert before <= told <= time.time()
    assert isinstance(date, bytes)
    assert len(date) == 4
    assert isinstance(clock, float)
    assert difference == 1


@pytest.mark.parametrize("name", ["bit", "coroutine", "math", "os", "string", "table"])
def test_library_that_is_there_can_be_required_too(lua: LuaState, name: str) -> None:
    assert run(lua, f"return require('{name}') == {name}") == (True,)


@pytest.mark.parametrize(
    "way",
    [
        "setmetatable(_G, nil)",
        "setmetatable(string, nil)",
        "getmetatable('').__index = nil",
        "rawset(getmetatable(''), '__index', {})",
    ],
)
def test_environment_of_others_cannot_be_changed(lua: LuaState, way: str) -> None:
    error_of(lua, way)

    assert run(lua, "return ('abc'):upper()") == (b"ABC",)
    assert error_of(lua, "return io").kind == "error"


def test_compiled_lua_is_not_loaded(lua: LuaState) -> None:
    assert "only its source" in error_of(lua, b"\x1bLJ\x02").words


@pytest.mark.parametrize("call", ["find(s, 'a')", "match(s, 'a')", "gmatch(s, 'a')", "gsub(s, 'a', 'b')"])
def test_long_text_is_not_looked_through(lua: LuaState, call: str) -> None:
    error = error_of(lua, f"local s = ('x'):rep(1001)\nlocal found = string.{call}")

    assert (error.file, error.line) == ("a.lua", 2)
    assert "more than 1000 bytes" in error.words


def test_short_text_is(lua: LuaState) -> None:
    assert run(lua, "return ('a=1'):match('(%w)=(%w)')") == (b"a", b"1")
