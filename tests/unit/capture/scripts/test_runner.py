"""One script and one message: what stays of what it did, and what is counted."""

from capture.draft import Draft
from capture.script_report import ScriptReport
from capture.scripts.folder import make_script
from capture.scripts.host import Host
from capture.scripts.lua import Limits, LuaState
from capture.scripts.message import load_new_script
from capture.scripts.runner import Runner
from capture.scripts.services import Services
from capture.settings import FilterSettings
from tests.support.drafts import INVITE, a_draft
from tests.support.filtering import tags_of


def a_runner(body: str, services: Services | None = None) -> Runner:
    """`on_sip(message)` of this body, in which line 2 is the first."""
    script = make_script("a.lua", f"function on_sip(message)\n{body}\nend".encode())
    state = LuaState(Limits(instructions=50_000))
    host = Host(state)
    functions = load_new_script(script, state, host, services or Services(None, FilterSettings()), {})
    return Runner(script, state, host, functions, ScriptReport(script.name))


def changed(draft: Draft) -> tuple[dict[str, object], bytes, str | None]:
    return dict(draft.changes), draft.payload, draft.dropped


def test_failing_script_has_all_its_changes_undone() -> None:
    draft = a_draft()

    error = a_runner(
        "set('from_user', 'x') tag('a', 1) mask('to_user', 0) route('default') correlate('leg')\n"
        "error('oops')"
    ).run(draft)

    assert str(error) == "a.lua:3: oops"
    assert changed(draft) == ({}, INVITE, None)
    assert (draft.read("from_user"), draft.read("to_user")) == ("alice", "bob")


def test_script_that_never_ends_has_its_changes_undone() -> None:
    draft = a_draft()

    error = a_runner("tag('a', 1)\nwhile true do end").run(draft)

    assert error is not None
    assert error.kind == "instructions"
    assert changed(draft) == ({}, INVITE, None)


def test_what_an_earlier_script_changed_stays_when_a_later_one_fails() -> None:
    draft = a_draft()
    a_runner("set('from_user', 'x') tag('a', 1)").run(draft)

    a_runner("set('from_user', 'y') tag('a', 2) tag('b', 2)\nerror('oops')").run(draft)

    assert (draft.read("from_user"), tags_of(draft)) == ("x", {"a": "1"})


def test_what_a_failing_script_has_kept_and_counted_stays() -> None:
    services = Services(None, FilterSettings())

    a_runner("cache.set('a', 1) count('seen')\nerror('oops')", services).run(a_draft())

    assert services.cache.get(b"a") == 1
    assert [series.value for series in services.metrics.snapshot()] == [1]


def test_message_is_read_as_it_was_after_a_script_has_failed() -> None:
    runner = a_runner("if message.from_user == 'alice' then\nset('from_user', 'x')\nerror('oops')\nend")
    draft = a_draft()
    runner.run(draft)

    error = runner.run(draft)

    assert str(error) == "a.lua:4: oops"


def test_drops_are_counted_by_reason() -> None:
    runner = a_runner("drop('scanner')")

    draft = a_draft()
    assert runner.run(draft) is None

    assert draft.dropped == "scanner"
    assert runner.report.drops == {"scanner": 1}
