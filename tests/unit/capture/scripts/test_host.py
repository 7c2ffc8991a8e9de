"""The message at hand, as Lua sees it."""

import tracemalloc

import pytest

from capture.errors import ScriptError
from capture.scripts.host import Host
from capture.scripts.lua import Function, Limits, LuaState
from tests.support.drafts import a_draft

PRELUDE = b"""
local environment = ...
local core = environment.__core
environment.__core = nil
environment.read, environment.write, environment.generation = core.read, core.write, core.generation
environment.tag = core.tag
environment.entries = {}
setmetatable(environment.entries, {__newindex = function(t, name, f) rawset(t, name, core.entry(f)) end})
"""


class Scripts:
    """A state with one script, whose `entries` are run for messages."""

    def __init__(self, source: str, limits: Limits = Limits()) -> None:  # noqa: B008 (an immutable tuple)
        self.state = LuaState(limits)
        self.host = Host(self.state)
        self.state.add_library("prelude.lua", PRELUDE)
        self.state.call(self.state.load("a.lua", source.encode()))

    def entry(self, name: str) -> Function:
        found = self.state.function(f"entries.{name}")
        assert found is not None
        return found


def test_generation_is_the_same_in_each_function_that_sees_a_message() -> None:
    scripts = Scripts(
        "at_load = generation()\n"
        "function entries.first() seen = generation() end\n"
        "function entries.second() assert(generation() == seen and at_load == 0) end\n"
        "function entries.next_one() assert(generation() ~= seen) end\n"
    )
    draft = a_draft()

    scripts.host.run(scripts.entry("first"), draft)
    scripts.host.run(scripts.entry("second"), draft)

    scripts.host.run(scripts.entry("next_one"), a_draft())


@pytest.mark.parametrize("trick", ["string.format", "string.rep", "tostring"])
def test_script_gets_no_code_of_its_own_into_what_brings_the_usual_fields_along(trick: str) -> None:
    scripts = Scripts(
        f"{trick} = function() return 'getfenv(0).os.execute = 1 --' end\n"
        "function entries.often() for i = 1, 100 do source = read('source') end end\n"
        "function entries.check() assert(read('source') == '192.0.2.1') end\n"
    )

    for _ in range(60):
        scripts.host.run(scripts.entry("often"), a_draft())

    scripts.host.run(scripts.entry("check"), a_draft())


def test_function_sees_what_another_state_has_changed_since() -> None:
    source = (
        "function entries.look() seen = (seen or '') .. read('from_user') .. ' ' end\n"
        "function said() return seen end"
    )
    one, other = Scripts(source), Scripts("function entries.set() write('from_user', 'bob') end")
    draft = a_draft()

    one.host.run(one.entry("look"), draft)
    one.host.run(one.entry("look"), draft)
    other.host.run(other.entry("set"), draft)
    one.host.run(one.entry("look"), draft)
    one.host.run(one.entry("look"), a_draft())
    draft.undo(None)
    one.host.run(one.entry("look"), draft)

    said = one.state.function("said")
    assert said is not None
    assert one.state.call(said) == (b"alice alice bob alice alice ",)


def test_function_sees_what_the_one_before_it_has_changed() -> None:
    scripts = Scripts(
        "function entries.set() read('from_user') write('from_user', 'bob') end\n"
        "function entries.check() assert(read('from_user') == 'bob') end\n"
    )
    draft = a_draft()

    scripts.host.run(scripts.entry("set"), draft)

    scripts.host.run(scripts.entry("check"), draft)


def test_fields_come_along_as_they_are_even_if_their_choice_was_interrupted() -> None:
    values = {
        "source": "192.0.2.1",
        "destination": "192.0.2.2",
        "source_port": 5060,
        "call_id": "abc@192.0.2.1",
    }
    source = "local none\n" + "".join(
        f"function entries.{name}() assert(read('{name}') == {value!r}) end\n"
        for name, value in values.items()
    )
    source += "function entries.ask() for i = 1, 60 do none = read('vlan') end end\n"

    kinds = set()

    for shift in range(0, 1000, 50):
        # Whatever call is under way when 1,000 instructions have been used is stopped.
        scripts = Scripts(source, Limits(instructions=1))
        for name in ("source", "destination", "source_port", "call_id", "ask", *values):
            for _ in range(1 if name == "ask" else 55 + shift // 10):
                try:
                    scripts.host.run(scripts.entry(name), a_draft())
                except ScriptError as error:
                    kinds.add(error.kind)

    assert kinds == {"instructions"}


def test_function_sees_its_own_message_even_if_the_one_before_it_was_interrupted() -> None:
    scripts = Scripts(
        "function entries.check_1() assert(read('source') == '192.0.2.1') end\n"
        "function entries.check_9() assert(read('source') == '192.0.2.9') end\n",
        Limits(instructions=1),
    )
    kinds = set()

    for number in range(3000):
        last = "19"[number % 2]
        draft = a_draft(source=f"192.0.2.{last}")
        for _ in range(2):
            try:
                scripts.host.run(scripts.entry(f"check_{last}"), draft)
            except ScriptError as error:
                kinds.add(error.kind)

    assert kinds == {"instructions"}


class Tagging(Scripts):
    """Scripts that tag, run until the names of their tags are known."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        warm = self.state.function("entries.warm")
        assert warm is not None
        self.host.run(warm, a_draft())

    def run(self, name: str = "run") -> dict[str, object]:
        draft = a_draft()
        self.host.run(self.entry(name), draft)
        return dict(draft.changes)


WARM = "function entries.warm() tag('custom:a', 'x') tag('custom:b', 'x') end\n"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("tag('custom:a', '1')", {"custom:a": "1"}),
        ("tag('custom:a', '1') tag('custom:a', '2')", {"custom:a": "2"}),
        ("tag('custom:a', '1') tag('custom:b', '2')", {"custom:a": "1", "custom:b": "2"}),
        ("tag('custom:a', '1') tag('custom:a', nil)", {"custom:a": None}),
        ("tag('custom:a', nil) tag('custom:a', '1')", {"custom:a": "1"}),
        ("tag('custom:a', '1') tag('custom:new', '2')", {"custom:a": "1", "custom:new": "2"}),
        ("tag('custom:a', '1') write('custom:a', '2') tag('custom:a', '3')", {"custom:a": "3"}),
        ("tag('custom:a', 'caf\\195\\169 \\255')", {"custom:a": "café \ufffd"}),
    ],
)
def test_last_tag_of_a_name_is_what_is_left(body: str, left: dict[str, object]) -> None:
    assert Tagging(WARM + f"function entries.run() {body} end").run() == left


def test_tag_is_read_back_at_once_even_when_the_payload_changes() -> None:
    scripts = Tagging(
        WARM + "function entries.run()\n"
        "tag('custom:a', '1') assert(read('custom:a') == '1')\n"
        "write('payload', 'x') assert(read('custom:a') == '1') end"
    )

    assert scripts.run()["custom:a"] == "1"


def test_tags_of_a_function_that_fails_are_not_lost_and_not_the_next_messages() -> None:
    scripts = Tagging(
        WARM + "function entries.run() tag('custom:a', '1') error('on purpose') end\n"
        "function entries.other() end"
    )
    draft = a_draft()

    with pytest.raises(ScriptError, match="on purpose"):
        scripts.host.run(scripts.entry("run"), draft)

    assert draft.changes == {"custom:a": "1"}
    assert scripts.run("other") == {}


def test_name_that_can_be_no_tag_is_refused_every_time() -> None:
    scripts = Tagging(WARM + "function entries.run() refused = tag('custom:', '1') assert(refused) end")

    assert [scripts.run(), scripts.run()] == [{}, {}]


def test_name_of_a_tag_that_is_not_utf8_is_the_same_each_time() -> None:
    scripts = Scripts("function entries.set() for i = 1, 3 do tag('custom:\\255', 'a' .. i) end end")
    drafts = [a_draft() for _ in range(3)]

    for draft in drafts:
        scripts.host.run(scripts.entry("set"), draft)

    assert [draft.changes for draft in drafts] == [{"custom:\ufffd": "a3"}] * 3


def test_names_of_fields_that_are_none_do_not_fill_the_memory() -> None:
    scripts = Scripts("function entries.ask() for n = 1, 20 do read(n .. ('x'):rep(1000000)) end end")
    tracemalloc.start()
    try:
        scripts.host.run(scripts.entry("ask"), a_draft())
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert held < 1_000_000
