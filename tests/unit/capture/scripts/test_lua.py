"""A Lua state that scripts cannot break out of, stop or fill."""

import resource
import time

import pytest

from capture.errors import ScriptError
from capture.scripts.lua import Function, Limits, LuaState, Service, Value

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
        "while true do pcall(error) end",
        "setmetatable({}, {__newindex = function() while true do end end}).a = 1",
        "return ('x'):gsub('x', setmetatable({}, {__index = function() while true do end end}))",
        "('%s'):format(setmetatable({}, {__tostring = function() while true do end end}))",
        "os.time(setmetatable({}, {__index = function() while true do end end}))",
        # Where the stack is full there is no room for the hook: its own error is caught again and again.
        "local function f() pcall(f) return f() end f()",
        "local function f() xpcall(f, f) return f() end f()",
        "local function f(...) pcall(f, 1, ...) return f(...) end f()",
    ],
)
def test_endless_loop_is_ended(lua: LuaState, loop: str) -> None:
    assert error_of(lua, loop).kind == "instructions"
    assert run(lua, "return 1") == (1,)


@pytest.mark.parametrize(
    "slow",
    [
        "local t = {} for i = 1, 5000 do t[i] = -i end while true do table.sort(t) end",
        "local t = {} for i = 1, 5000 do t[i] = i end while true do table.insert(t, 1, 0) end",
        "local t = {} for i = 1, 5000 do t[i] = i end while true do t[#t + 1] = table.remove(t, 1) end",
        "local s = ('x'):rep(1000) while true do s:find('y') end",
    ],
)
def test_time_in_functions_of_c_counts(lua: LuaState, slow: str) -> None:
    before = time.process_time()

    assert error_of(lua, slow).kind == "instructions"

    assert time.process_time() - before < 1


def test_call_that_was_ended_says_where(lua: LuaState) -> None:
    error = error_of(lua, "local n = 0\nlocal function turn() n = n + 1 end\nwhile true do turn() end")

    assert error.file == "a.lua"
    assert error.line in (2, 3)
    assert error.words == f"more than {FEW.instructions} instructions"


def test_file_with_a_long_name_is_named_in_full(lua: LuaState) -> None:
    name = "x" * 100 + ".lua"

    with pytest.raises(ScriptError) as caught:
        lua.call(lua.load(name, b"\nlocal a = nil + 1"))

    assert (caught.value.file, caught.value.line) == (name, 2)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ("string.find(nil, 'a')", "bad argument #1 to 'find' (string expected, got nil)"),
        ("string.rep()", "bad argument #1 to 'rep' (string expected, got nil)"),
        ("('a'):gsub(nil, type)", "bad argument #1 to 'gsub' (string expected, got nil)"),
        ("('a'):gsub('(', type)", "unfinished capture"),
        ("('%d'):format({})", "bad argument #1 to 'format' (number expected, got table)"),
        ("table.sort({1, {}})", "attempt to compare table with number"),
        ("table.concat({{}})", "invalid value (table) at index 1 in table for 'concat'"),
        ("coroutine.resume(1)", "bad argument #1 to 'resume' (coroutine expected)"),
        ("coroutine.wrap(1)", "bad argument #1 to 'wrap' (function expected)"),
        ("os.time({})", "field 'day' missing in date table"),
    ],
)
def test_error_in_a_bounded_function_names_the_line_of_the_use(lua: LuaState, use: str, words: str) -> None:
    error = error_of(lua, f"\n\nlocal a = {use}")

    assert (error.file, error.line) == ("a.lua", 3)
    assert error.words.replace("#2 to 'gsub'", "#1 to 'gsub'").replace("#2 to 'f", "#1 to 'f") == words


@pytest.mark.parametrize(
    "recursion",
    [
        "local function f() return (('x'):gsub('x', f)) end f()",
        "local function f() table.sort({2, 1}, f) return true end f()",
        "local function f() coroutine.wrap(f)() end f()",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return ('%s'):format(t) end"
        " tostring(t)",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function() return os.time(t) end"
        " os.time(t)",
    ],
)
def test_recursion_through_c_ends_before_the_stack_of_c_does(lua: LuaState, recursion: str) -> None:
    assert "nested too deeply" in error_of(lua, recursion).words
    assert run(lua, "return 1") == (1,)


def test_depth_of_calls_through_c_is_given_back_by_errors_that_are_caught(lua: LuaState) -> None:
    caught = "for i = 1, 110 do pcall(string.gsub, 'x', 'x', error) end"
    resumed = "for i = 1, 110 do coroutine.resume(coroutine.create(error)) pcall(coroutine.wrap(error)) end"

    assert run(lua, f"{caught} {resumed} return ('x'):gsub('x', {{x = 'y'}})") == (b"y", 1)


def test_coroutines_work_as_ever(lua: LuaState) -> None:
    iterate = "local s = '' for v in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)"
    through_pcall = "coroutine.wrap(function() pcall(coroutine.yield, 'in') return 'out' end)"

    assert run(lua, f"{iterate} do s = s .. v end return s") == (b"123",)
    assert run(lua, f"local c = {through_pcall} return c(), c()") == (b"in", b"out")
    assert run(lua, "return coroutine.resume(coroutine.create(error), 'x')") == (False, b"x")


def test_handler_of_xpcall_gets_the_error_and_its_result_is_returned(lua: LuaState) -> None:
    assert run(lua, "return xpcall(error, function(e) return e .. '!' end, 'x')") == (False, b"x!")
    assert run(lua, "return xpcall(type, error, 1)") == (True, b"number")


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


@pytest.mark.parametrize(
    "made",
    [
        "('x'):rep(1e12)",
        "('x'):rep(3, ('y'):rep(4e6))",
        "string.rep(5, 1e9)",
        "('%s%s%s%s%s'):format(t, t, {}, t, t)",
        "table.concat({t, t, t, t, t})",
        "table.concat({1, 2, 3, 4, 5, 6}, t)",
        "('x'):rep(100):gsub('x', t)",
    ],
)
def test_text_beyond_the_limit_is_refused_before_it_is_made(lua: LuaState, made: str) -> None:
    error = error_of(lua, f"local t = ('x'):rep(2e6)\nlocal a = {made}")

    assert (error.kind, error.words) == ("memory", f"more than {FEW.memory_bytes} bytes of memory")
    assert (error.file, error.line) == ("a.lua", 2)


def test_end_for_want_of_memory_cannot_be_caught(lua: LuaState) -> None:
    error = error_of(lua, "while true do pcall(string.rep, 'x', 1e9) end")

    assert error.kind == "memory"


def test_memory_of_an_ended_call_is_given_back_at_once(lua: LuaState) -> None:
    before = lua.memory_bytes

    assert error_of(lua, "local s = 'x' while true do s = s .. s end").kind == "memory"

    assert lua.memory_bytes < before + 1024 * 1024
    assert run(lua, "return 1") == (1,)


def test_memory_held_over_calls_counts(lua: LuaState) -> None:
    hold = lua.load("a.lua", b"held = held or {} held[#held + 1] = ('x'):rep(100000) .. #held return #held")

    held = [lua.call(hold) for _ in range(70)]

    assert held[-1] == (70,)
    assert [outcome_of(lua, hold) for _ in range(15)][-1] == "memory"


def outcome_of(lua: LuaState, function: Function) -> tuple[Value, ...] | str:
    try:
        return lua.call(function)
    except ScriptError as error:
        return error.kind


def test_garbage_of_many_calls_does_not_count(lua: LuaState) -> None:
    waste = lua.load("a.lua", b"local s = ('x'):rep(1000000) .. 'y' return #s")

    assert {lua.call(waste) for _ in range(50)} == {(1_000_001,)}


def test_state_that_is_full_says_so_at_every_call(lua: LuaState) -> None:
    fill = "held = held or {} for i = 1, 1e9 do held[#held + 1] = ('x'):rep(10000) .. #held end"
    error_of(lua, fill)

    errors = [error_of(lua, fill) for _ in range(5)]

    assert {error.kind for error in errors} == {"memory"}
    assert {error.words for error in errors} == {f"more than {FEW.memory_bytes} bytes of memory"}


def test_state_that_was_full_can_be_emptied(lua: LuaState) -> None:
    function = lua.load("a.lua", b"held = nil")
    error_of(lua, "held = ('x'):rep(5e6) held = held .. held")

    lua.call(function)

    assert run(lua, "return held") == (None,)


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


def test_function_within_tables_is_found_and_called(lua: LuaState) -> None:
    run(lua, "rules = {n = 5, deep = {}} function rules.deep.get(n) return n end")
    run(lua, "function rules:own(n) return self.n + n end")

    dotted, method = lua.function("rules.deep.get"), lua.function("rules:own")

    assert dotted is not None
    assert method is not None
    assert lua.call(dotted, 1) == (1,)
    assert lua.call(method, 1) == (6,)


@pytest.mark.parametrize("name", ["rules", "rules.none", "rules.n", "rules.n.x", "none.x", "none:x"])
def test_name_of_no_function_is_not_found(lua: LuaState, name: str) -> None:
    run(lua, "rules = setmetatable({n = 5}, {__index = function() while true do end end})")

    assert lua.function(name) is None


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


def test_use_of_a_name_that_was_taken_away_names_the_line_within_a_function(lua: LuaState) -> None:
    error = error_of(lua, "local function clean()\n  os.execute('ls')\nend\n\nclean()")

    assert (error.file, error.line) == ("a.lua", 2)
    assert error.words == "os.execute is not there: a script cannot start programs or end the process"


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


# ---- modules ----


def with_modules(**sources: str) -> LuaState:
    def find(name: str) -> tuple[str, bytes] | None:
        source = sources.get(name.replace("/", "_").replace(".", "_"))
        return None if source is None else (f"{name}.lua", source.encode())

    return LuaState(FEW, find)


def test_module_is_loaded_once_and_its_value_returned() -> None:
    lua = with_modules(numbers="loads = (loads or 0) + 1 return {e164 = function(n) return '+' .. n end}")

    use = "return require('numbers').e164('49'), require('numbers') == require('numbers'), loads"

    assert run(lua, use) == (b"+49", True, 1)


def test_module_without_a_value_is_true() -> None:
    lua = with_modules(setup="ready = 1")

    assert run(lua, "return require('setup'), ready") == (True, 1)


def test_module_in_a_folder_is_found_by_dots_or_slashes() -> None:
    lua = with_modules(lib_numbers="return ...")

    assert run(lua, "return require('lib.numbers'), (require 'lib/numbers')") == (
        b"lib.numbers",
        b"lib/numbers",
    )


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../x", "a//x", "", ".", "a\\b", "a b", "a\\0", "a\\nb", "x" * 256]
)
def test_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    error = error_of(with_modules(), f"\nlocal a = require('{name}')")

    assert "is no name of a module" in error.words
    assert (error.file, error.line) == ("a.lua", 2)


def test_module_that_is_not_there_is_an_error() -> None:
    assert "there is no module none" in error_of(with_modules(), "require('none')").words
    assert "there is no module none" in error_of(LuaState(FEW), "require('none')").words


def test_module_that_requires_itself_is_an_error() -> None:
    lua = with_modules(a="\nrequire('b')", b="require('a')")

    error = error_of(lua, "require('a')")

    assert (error.file, error.line) == ("b.lua", 1)
    assert "a requires itself" in error.words


def test_error_in_a_module_names_the_module_and_is_told_each_time() -> None:
    lua = with_modules(wrong="\nlocal a = nil + 1", broken="x = = 1")

    for name, line in (("wrong", 2), ("broken", 1), ("wrong", 2)):
        error = error_of(lua, f"require('{name}')")
        assert (error.file, error.line) == (f"{name}.lua", line)


def test_module_that_never_ends_is_ended_and_can_be_tried_again() -> None:
    lua = with_modules(loop=FOR_EVER)

    for _ in range(2):
        assert error_of(lua, "pcall(require, 'loop')").kind == "instructions"


# ---- preludes and services ----


def with_service(service: Service, limits: Limits = FEW) -> LuaState:
    lua = LuaState(limits)
    lua.add_library("ours.lua", b"local environment, service = ... environment.service = service", service)
    return lua


def test_prelude_uses_all_of_lua_and_gives_functions_to_python(lua: LuaState) -> None:
    source = b"return function() return type(io.open), type(debug) end, function(n) return n + 1 end"

    kinds, plus_one = lua.add_library("ours.lua", source)

    assert lua.call(kinds) == (b"function", b"table")
    assert lua.call(plus_one, 1) == (2,)
    assert error_of(lua, "return io").kind == "error"


def test_prelude_that_does_not_run_is_an_error(lua: LuaState) -> None:
    with pytest.raises(ScriptError) as caught:
        lua.add_library("ours.lua", b"local a = nil + 1")

    assert caught.value.file == "ours.lua"
    assert "[ours.lua]:1: " in caught.value.words


def test_prelude_goes_on_whatever_scripts_do_to_what_they_see(lua: LuaState) -> None:
    (shout,) = lua.add_library(
        "ours.lua",
        b"return function(s) return string.upper(s), table.concat({1, 2}), math.max(1, 2), tostring(1) end",
    )

    run(
        lua,
        "string.upper = nil table.concat = nil math.max = nil tostring = nil"
        " local g = _G for name in pairs(g) do g[name] = nil end",
    )

    assert lua.call(shout, b"a") == (b"A", b"12", 2, b"1")


def test_method_that_a_script_gives_to_strings_works(lua: LuaState) -> None:
    run(lua, "function string.twice(s) return s .. s end")

    assert run(lua, "return ('ab'):twice()") == (b"abab",)


@pytest.mark.parametrize(
    ("returned", "arrives"),
    [
        (None, (None,)),
        (b"a", (b"a",)),
        (True, (True,)),
        (2.5, (2.5,)),
        ((), ()),
        ((None, b"why"), (None, b"why")),
    ],
)
def test_what_a_service_returns_arrives_as_values(
    returned: Value | tuple[Value, ...], arrives: tuple[Value, ...]
) -> None:
    assert run(with_service(lambda: returned), "return service()") == arrives


def test_service_gets_the_values_as_they_are() -> None:
    given: list[object] = []
    lua = with_service(lambda *values: given.extend(values))

    run(lua, "service(1, 2.5, 'a\\0', true, nil)")

    assert given == [1, 2.5, b"a\0", True, None]


@pytest.mark.parametrize("value", ["{}", "type", "coroutine.create(type)", "service"])
def test_service_is_given_plain_values_only(value: str) -> None:
    given: list[object] = []

    refused = run(with_service(lambda *values: given.extend(values)), f"return service({value})")

    assert refused == (None, b"only texts, numbers and booleans can be given here")
    assert given == []


def test_exception_in_a_service_is_raised_when_the_call_has_ended() -> None:
    lua = with_service(lambda: int("none"))

    with pytest.raises(ValueError, match="none"):
        run(lua, "local ok, e = pcall(service) went_on = tostring(ok) .. type(e)")

    assert run(lua, "return went_on") == (b"truenil",)


@pytest.mark.parametrize("wrong", [{}, "text", 2**63, [1], (b"a", object()), ((1,),)])
def test_service_that_returns_an_object_is_found_out(wrong: object) -> None:
    lua = with_service(lambda: wrong)  # type: ignore[arg-type, return-value]

    with pytest.raises(TypeError, match="a service returned"):
        run(lua, "return type(service())")


@pytest.mark.parametrize("way", ["pcall(f)", "coroutine.resume(coroutine.create(f))", "xpcall(f, type)"])
def test_exception_at_the_door_to_a_service_reaches_no_script(way: str) -> None:
    # With so many values there is no room on a stack that is nearly full, and lupa raises a MemoryError.
    lua = with_service(lambda: (b"v",) * 150, Limits())
    brink = "local function f(a, b, c) local r = service() local s = f(a, b, c) return s end"

    error = error_of(lua, f"{brink} local ok, e = {way} if type(e) == 'userdata' then leaked = true end")

    assert "a service could not be called" in error.words
    assert run(lua, "return leaked") == (None,)


def test_service_is_called_within_a_coroutine() -> None:
    lua = with_service(lambda name: b"<" + name + b">")

    assert run(lua, "return coroutine.wrap(function() return service('a') end)()") == (b"<a>",)


def test_service_is_a_function_that_shows_nothing_of_python() -> None:
    lua = with_service(lambda: None)

    assert run(lua, "return type(service), getmetatable(service)") == (b"function", None)


def test_words_of_an_error_are_cut(lua: LuaState) -> None:
    error = error_of(lua, "error(('x'):rep(1000000))")

    assert 1000 < len(error.words) < 3000
    assert error.line == 1


def test_exception_in_a_service_is_no_later_call_s() -> None:
    lua = LuaState()
    lua.add_library("prelude.lua", b"local _, service = ... service()", lambda: int("none"))

    assert run(lua, "return 1") == (1,)


@pytest.mark.parametrize("place", ["b.lua:1", "\033[2Jb.lua:1", "a.lua:" + "9" * 30, "../../a.lua:1"])
def test_place_that_a_script_made_up_is_words(lua: LuaState, place: str) -> None:
    lua.load("a.lua", b"")

    error = error_of(lua, f"error([[{place}: oh]], 0)")

    assert (error.file, error.line) == (None, None)
    assert error.words == f"{place}: oh"
