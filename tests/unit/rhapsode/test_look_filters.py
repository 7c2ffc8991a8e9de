"""What a doctor, and `status`, say of filter scripts."""

import time
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from api.filters import GOES_ON_US, Filters, put_together
from capture.script_report import FolderProblem, ScriptErrors, ScriptReport, WorkerReport
from capture.script_report_files import Reported
from capture.script_switches import SwitchedOff
from rhapsode.look.filters import RECENT_US, examine_filters
from rhapsode.look.filters import render as render_list
from rhapsode.look.finding import Finding
from rhapsode.look.status import status
from rhapsode.look.table import render
from rhapsode.settings import Settings
from tests.support.filter_reports import SHA, a_report, a_script
from tests.unit.rhapsode.test_look_doctor import WELL, a_machine, found

NOW_US = 1_800_000_000_000_000
LOOPS = SwitchedOff("loops", 5, "worker", SHA, "mask-1.pcap")
DISABLED = SwitchedOff("disabled by alice", 5, "alice")


def told(*scripts: ScriptReport, off: dict[str, SwitchedOff] | None = None, **report: Any) -> list[Finding]:
    filters = put_together([a_report(*scripts, **report)], off or {})
    return list(examine_filters(filters, NOW_US))


def failed(ago_us: int) -> ScriptReport:
    script = a_script(calls=9)
    script.count_error(3, "error", "a nil value", NOW_US - ago_us)
    return script


def test_without_scripts_there_is_nothing_to_say() -> None:
    assert list(examine_filters(Filters(), NOW_US)) == []


def test_scripts_that_run_are_named() -> None:
    assert told(a_script("a.lua"), a_script("b.lua")) == [
        Finding("filters", "ok", "filter scripts run: a.lua, b.lua")
    ]


def test_script_that_switched_itself_off_is_wrong_and_how_to_have_it_back_is_said() -> None:
    (finding,) = told(a_script(), off={"mask.lua": LOOPS})

    assert finding.state == "problem"
    assert finding.words == "switched off: mask.lua: loops (packet packets/mask-1.pcap)"
    assert "`rhapsode filter enable mask.lua`" in finding.advice


def test_script_that_a_person_disabled_is_only_noted() -> None:
    (finding,) = told(a_script(), off={"mask.lua": DISABLED})

    assert (finding.state, finding.words) == (
        "note",
        "filter script mask.lua does not run: disabled by alice",
    )


def test_worker_that_runs_no_scripts_beside_others_is_wrong() -> None:
    without = Reported(WorkerReport("0001"), runs=False, is_without=True)

    wrong, _ = examine_filters(put_together([a_report(a_script()), without], {}), NOW_US)

    assert wrong.state == "problem"
    assert "journal 0001" in wrong.words
    assert "`lua_dir`" in wrong.advice


def test_file_that_cannot_be_loaded_is_wrong() -> None:
    wrong, runs = told(a_script(load_error="line 3: '=' expected"))

    assert (wrong.state, runs.state) == ("problem", "ok")
    assert wrong.words == "not loaded: mask.lua: line 3: '=' expected (an earlier version runs)"
    assert "`rhapsode filter check`" in wrong.advice


@pytest.mark.parametrize(
    ("ago_us", "states"),
    [
        (GOES_ON_US - 1, ["problem", "ok"]),
        (GOES_ON_US, ["note", "ok"]),
        (RECENT_US + 1, ["ok"]),
        (-5, ["problem", "ok"]),
    ],
)
def test_script_that_fails_is_wrong_while_it_goes_on_and_worth_a_word_for_a_day(
    ago_us: int, states: list[str]
) -> None:
    assert [finding.state for finding in told(failed(ago_us))] == states


def test_error_is_named_with_its_line() -> None:
    assert told(failed(2_000_000))[0].words == "filter script mask.lua failed 2.0 s ago: line 3: a nil value"


def test_script_that_was_mended_is_only_noted() -> None:
    script = failed(2_000_000)
    script.take_text("before")
    script.take_text("mended")

    finding, _ = told(script)

    assert finding.state == "note"
    assert finding.words == "filter script mask.lua failed 2.0 s ago: in an earlier text: a nil value"


def test_script_that_is_off_does_not_fail_any_more() -> None:
    (finding,) = told(failed(5), off={"mask.lua": DISABLED})

    assert finding.words == "filter script mask.lua does not run: disabled by alice"


def test_script_that_fails_shows_as_failing_in_the_list() -> None:
    mended = failed(5)
    mended.name = "mended.lua"
    mended.take_text("before")
    mended.take_text("mended")
    off = failed(5)
    off.name = "off.lua"
    filters = put_together([a_report(failed(5), mended, off)], {"off.lua": DISABLED})
    console = Console(file=StringIO(), width=100, force_terminal=False)

    console.print(render_list(filters, NOW_US))
    shown = console.file.getvalue()  # type: ignore[attr-defined]

    states = {line.split()[0]: line.split()[2] for line in shown.splitlines()[1:4]}
    assert states == {"mask.lua": "failing", "mended.lua": "running", "off.lua": "disabled"}
    assert "  1 × line 3: a nil value" in shown
    assert "  1 × in earlier texts, the last: a nil value" in shown


def test_script_that_was_never_read_is_of_no_kind() -> None:
    unread = a_script(state="not loaded", load_error="cannot be read: not a file")
    unread.sha256 = ""
    console = Console(file=StringIO(), width=100, force_terminal=False)

    console.print(render_list(put_together([a_report(unread)], {}), NOW_US))

    assert console.file.getvalue().splitlines()[1].startswith("mask.lua  –     not loaded")  # type: ignore[attr-defined]


def test_status_has_a_line_for_each_script_that_fails() -> None:
    script = failed(5)
    script.errors[0].last_us = time.time_ns() // 1000
    machine = a_machine(filters=put_together([a_report(script)], {}))

    found = status(Settings(), machine, WELL)

    assert found["filters"]["warnings"] == ["failing: mask.lua: line 3: a nil value"]
    assert "filters   failing: mask.lua: line 3: a nil value" in shown(found).splitlines()


def test_folder_that_cannot_be_read_is_said_once_and_not_to_be_mended_as_a_file() -> None:
    words = "the folder /f cannot be read: permission denied"
    problem = FolderProblem("", words, is_left_out=True)

    folder, runs = told(a_script(load_error=words), a_script("b.lua", load_error=words), problems=[problem])

    assert (folder.state, folder.words) == ("problem", f"filter scripts: {words}")
    assert "the account of the service may read it" in folder.advice
    assert runs == Finding("filters", "ok", "filter scripts run: mask.lua, b.lua")


def test_what_is_left_out_is_wrong_and_what_is_odd_is_noted() -> None:
    findings = told(
        problems=[
            FolderProblem("x.lua", "cannot be read: permission denied", is_left_out=True),
            FolderProblem("y.lua", "is empty", is_left_out=False),
            FolderProblem("z.csv", "is empty; the version before it is used", is_left_out=True),
        ],
        switches_problem="no room",
    )

    assert [(finding.state, finding.words) for finding in findings] == [
        ("problem", "filter scripts: x.lua: cannot be read: permission denied"),
        ("note", "filter scripts: y.lua: is empty"),
        ("problem", "filter scripts: z.csv: is empty; the version before it is used"),
        ("problem", "filter scripts: no room"),
    ]
    assert all(finding.advice for finding in findings if finding.state == "problem")


def test_doctor_says_it_among_the_rest() -> None:
    filters = put_together([a_report(a_script())], {"mask.lua": LOOPS})

    findings = found(a_machine(filters=filters))

    assert findings["filters"].words.startswith("switched off: mask.lua")


def test_status_has_a_line_for_each_script_that_does_not_run_as_it_should() -> None:
    filters = put_together(
        [a_report(a_script(), a_script("b.lua"), a_script("c.lua"))],
        {"mask.lua": SwitchedOff("loops", 5, "worker", SHA), "b.lua": DISABLED},
    )

    found = status(Settings(), a_machine(filters=filters), WELL)

    assert found["filters"] == {
        "scripts": [
            {"name": "mask.lua", "state": "switched off"},
            {"name": "b.lua", "state": "disabled"},
            {"name": "c.lua", "state": "running"},
        ],
        "warnings": ["switched off: mask.lua: loops"],
    }
    lines = shown(found).splitlines()
    assert "filters   switched off: mask.lua: loops" in lines
    assert "filters   disabled: b.lua" in lines
    assert not [line for line in lines if "c.lua" in line]


def shown(found: dict[str, Any]) -> str:
    console = Console(width=80, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(render(found))
    return captured.get()


def test_list_writes_names_and_words_as_they_are_and_nothing_that_a_terminal_obeys() -> None:
    script = a_script("[red]a\x1b[2J.lua")
    script.errors = [ScriptErrors(3, "error", "oh\x1b[2J\nno", 1)]
    filters = put_together([a_report(script)], {script.name: DISABLED})
    console = Console(file=StringIO(), width=100, force_terminal=False)

    console.print(render_list(filters, NOW_US))
    shown = console.file.getvalue()  # type: ignore[attr-defined]

    assert shown.splitlines()[1].startswith("[red]a·[2J.lua  old   disabled")
    assert "disabled: [red]a·[2J.lua: disabled by alice" in shown
    assert "errors of [red]a·[2J.lua:\n  1 × line 3: oh·[2J·no\n" in shown
