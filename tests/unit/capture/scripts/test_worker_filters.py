"""A worker's scripts over its life: loaded, changed, broken, switched off, and what is said of each."""

import gc
import logging
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.journal.figures import WorkerFigure
from capture.mark import ScriptDeath
from capture.script_report_files import read_report
from capture.scripts.folder import make_script
from capture.scripts.lua import LuaState
from capture.scripts.runner import script_mark
from capture.scripts.worker_filters import WorkerFilters
from capture.settings import FilterSettings
from tests.support.script_worker import BROKEN, GREEDY, OLD_TAG, TAG, Scripts


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


def test_saved_file_is_taken_between_two_batches(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker() as worker:
        before = worker.version()
        scripts.save("a.lua", TAG % "two")
        worker.turn()

        assert (before, worker.version()) == ("one", "two")


def test_file_that_is_being_written_is_not_taken_yet(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker() as worker:
        scripts.save("a.lua", (TAG % "two")[:20])
        worker.filters.look()
        scripts.save("a.lua", TAG % "two")
        worker.filters.look()
        meanwhile = worker.version(), worker.report("a.lua").load_error
        worker.turn()

        assert meanwhile == ("one", "")
        assert worker.version() == "two"


def test_saved_file_is_taken_beside_a_link_that_leads_nowhere(scripts: Scripts) -> None:
    unreadable(scripts.folder / "A.lua")
    scripts.save("b.lua", TAG % "one")
    with scripts.worker() as worker:
        scripts.save("b.lua", TAG % "the other")
        worker.turn()

        assert worker.version() == "the other"


@pytest.mark.parametrize("text", [TAG, OLD_TAG])
def test_state_of_a_script_that_is_replaced_is_given_back_at_once(scripts: Scripts, text: str) -> None:
    scripts.save("a.lua", text % "one")
    # What other tests have left, the words of a failure for instance, is none of this one's.
    others = {id(each) for each in gc.get_objects() if isinstance(each, LuaState)}
    with scripts.worker() as worker:
        states = weakref.WeakSet(
            each for each in gc.get_objects() if isinstance(each, LuaState) and id(each) not in others
        )
        scripts.save("a.lua", text % "two")
        gc.disable()
        worker.turn()
        gc.enable()

        assert len(states) == 0


@pytest.mark.parametrize("text", [TAG, OLD_TAG])
def test_file_that_does_not_load_leaves_the_running_version_in_place(scripts: Scripts, text: str) -> None:
    scripts.save("a.lua", text % "one")
    with scripts.worker() as worker:
        before = worker.run().changes
        scripts.save("a.lua", BROKEN)
        worker.turn()

        report = worker.report("a.lua")
        assert worker.run().changes == before
        assert report.state == "running"
        assert report.load_error.startswith("line ")


def test_worker_that_starts_while_a_file_is_broken_goes_on_with_the_last_good_version(
    scripts: Scripts,
) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker():
        scripts.save("a.lua", BROKEN)

    with scripts.worker() as worker:
        assert worker.version() == "one"
        assert worker.report("a.lua").load_error.startswith("line ")


def test_file_that_never_loaded_does_not_run_and_is_named(scripts: Scripts) -> None:
    scripts.save("a.lua", BROKEN)
    scripts.save("b.lua", TAG % "one")

    with scripts.worker() as worker:
        assert worker.version() == "one"
        assert worker.report("a.lua").state == "not loaded"
        assert worker.report("a.lua").why.startswith("line 2: ")


def test_what_a_script_remembers_stays_when_another_is_saved(scripts: Scripts) -> None:
    scripts.save("a.lua", 'local n = 0\nfunction on_sip(message) n = n + 1 tag("version", n) end\n')
    scripts.save("b.lua", TAG.replace("version", "other") % "one")
    with scripts.worker() as worker:
        worker.run()
        scripts.save("b.lua", TAG.replace("version", "other") % "two")
        worker.turn()

        assert worker.version() == "2"


def test_cache_outlives_a_reload(scripts: Scripts) -> None:
    scripts.save("a.lua", 'function on_sip(message) cache.set("k", "kept") end\n')
    with scripts.worker() as worker:
        worker.run()
        scripts.save("a.lua", 'function on_sip(message) tag("version", cache.get("k") or "gone") end\n')
        worker.turn()

        assert worker.version() == "kept"


def test_script_that_takes_too_much_twice_is_switched_off_until_it_is_edited(scripts: Scripts) -> None:
    scripts.save("a.lua", GREEDY)
    scripts.save("b.lua", TAG % "one")
    with scripts.worker() as worker:
        outcomes = [worker.version() for _ in range(3)]
        worker.filters.look()
        off = worker.report("a.lua")
        calls = off.calls
        scripts.save("a.lua", TAG.replace("version", "mended") % "yes")
        worker.turn()

        assert outcomes == ["one"] * 3
        assert (off.state, calls, off.failed) == ("switched off", 2, 2)
        assert "instructions" in off.why
        assert worker.run().changes["custom:mended"] == "yes"


def test_script_switched_off_stays_so_in_the_next_worker(scripts: Scripts) -> None:
    scripts.save("a.lua", GREEDY)
    with scripts.worker() as worker:
        worker.run()
        worker.run()

    with scripts.worker() as worker:
        assert not worker.filters.engine.reach(1)
        assert worker.report("a.lua").state == "switched off"


def test_person_disables_and_enables(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker() as worker:
        scripts.switches.disable("a.lua", "alice")
        worker.turn()
        disabled = worker.version(), worker.report("a.lua").why
        scripts.switches.enable("a.lua", "alice")
        worker.turn()

        assert disabled == (None, "disabled by alice")
        assert worker.version() == "one"


@pytest.mark.parametrize("name", ["a", "a.lua"])
def test_setting_disables_by_name(scripts: Scripts, name: str) -> None:
    scripts.save("a.lua", TAG % "one")

    with scripts.worker(disabled=[name]) as worker:
        assert worker.version() is None
        assert worker.report("a.lua").state == "disabled"
        assert worker.report("a.lua").is_off_by_setting


def death_by(scripts: Scripts, name: str, *, by_watchdog: bool = True) -> ScriptDeath:
    script = make_script(name, (scripts.folder / name).read_bytes())
    return ScriptDeath((1, 64), script_mark(script), by_watchdog=by_watchdog)


def test_script_that_held_a_packet_too_long_twice_is_switched_off_with_the_packet(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    death = death_by(scripts, "a.lua")

    with scripts.worker(death) as worker:
        first = worker.version()
    with scripts.worker(death) as worker:
        second = worker.version()
        why = worker.report("a.lua").why

    assert (first, second) == ("one", None)
    assert "longer than 1 s" in why
    assert "packets/" in why


def test_script_that_did_not_come_back_while_it_was_loaded_twice_is_switched_off(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    death = death_by(scripts, "a.lua")._replace(place=None)

    with scripts.worker(death) as worker:
        first = worker.version()
    with scripts.worker(death) as worker:
        second = worker.version()
        why = worker.report("a.lua").why

    assert (first, second) == ("one", None)
    assert "was being loaded for longer than 1 s" in why


def test_script_in_which_two_workers_died_is_switched_off_at_once(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")

    with scripts.worker(death_by(scripts, "a.lua", by_watchdog=False)) as worker:
        assert worker.version() is None
        assert "two workers" in worker.report("a.lua").why


def test_script_edited_since_the_death_is_not_blamed_for_it(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    death = death_by(scripts, "a.lua", by_watchdog=False)
    scripts.save("a.lua", TAG % "two")

    with scripts.worker(death) as worker:
        assert worker.version() == "two"


@pytest.mark.parametrize("text", [BROKEN, GREEDY])
def test_what_a_failing_script_would_see_does_not_pass_where_the_setting_says_so(
    scripts: Scripts, text: str
) -> None:
    scripts.save("a.lua", text)

    with scripts.worker(on_error="drop") as worker:
        dropped = [worker.run().dropped for _ in range(3)]
        worker.filters.look()
        dropped.append(worker.run().dropped)

    assert None not in dropped


@pytest.mark.parametrize(
    "hides",
    [
        "SetHEPField('SrcIP', 'hidden')",
        "GetHEPStruct().DstIP = 'x.x.x.x'",
        "SetRawMessage(('x'):rep(1e5))",
        "SetSIPHeader('FromUser', ('x'):rep(1e5))",
        "SetSIPHeader(('x'):rep(100), 'hidden')",
        "SetHEPField('SrcIP', 'hidden') SetHEPField('SrcIP', '192.0.2.9')",
    ],
)
def test_packet_of_which_an_old_script_sets_what_cannot_be_passes_only_where_the_setting_lets_it(
    scripts: Scripts, hides: str
) -> None:
    scripts.save("a.lua", f"function hide() {hides} end\n")
    scripts.save("b.lua", TAG % "one")

    with scripts.worker() as worker:
        kept = worker.run()
    with scripts.worker(on_error="drop") as worker:
        dropped = worker.run()

        assert (kept.dropped, kept.changes["custom:version"]) == (None, "one")
        assert dropped.dropped == "script error"
        assert worker.report("a.lua").drops == {"script error": 1}
        assert worker.report("b.lua").calls == 1


def test_packet_dropped_for_a_script_just_switched_off_counts_for_that_one_and_ends_there(
    scripts: Scripts,
) -> None:
    scripts.save("a.lua", GREEDY)
    scripts.save("b.lua", TAG % "one")

    with scripts.worker(on_error="drop") as worker:
        for _ in range(3):
            worker.run()

        assert sum(worker.report("a.lua").drops.values()) == 3
        assert worker.report("b.lua").calls == 0


def test_counts_go_on_over_reload_and_restart(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker() as worker:
        worker.run()
        scripts.save("a.lua", TAG % "two")
        worker.turn()
        worker.run()

    with scripts.worker() as worker:
        worker.run()
        worker.filters.stop()
        assert worker.report("a.lua").calls == 3


def unreadable(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "not a file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"local x = 1\n"), "no function"),
        (lambda path: path.write_bytes(b"-- \xff\nfunction on_sip(m) end"), "not UTF-8"),
        (unreadable, "cannot be read"),
    ],
)
def test_what_is_no_script_is_named_and_the_others_run(
    scripts: Scripts, make: Callable[[Path], object], words: str
) -> None:
    make(scripts.folder / "x.lua")
    scripts.save("b.lua", TAG % "one")

    with scripts.worker() as worker:
        assert worker.version() == "one"
        problems = worker.whole_report().problems
        assert any(problem.name == "x.lua" and words in problem.words for problem in problems)


def test_module_that_changes_is_taken_by_the_scripts_that_require_it(scripts: Scripts) -> None:
    (scripts.folder / "lib").mkdir()
    scripts.save("lib/words.lua", 'return { version = "one" }\n')
    scripts.save(
        "a.lua", 'local words = require("lib.words")\nfunction on_sip(m) tag("version", words.version) end\n'
    )
    with scripts.worker() as worker:
        before = worker.version()
        scripts.save("lib/words.lua", 'return { version = "two" }\n')
        worker.turn()

        assert (before, worker.version()) == ("one", "two")


def test_lines_of_errors_are_forgotten_when_the_script_is_mended_and_kept_over_a_restart(
    scripts: Scripts,
) -> None:
    scripts.save("a.lua", "function on_sip(message) error('oh') end\n")
    with scripts.worker() as worker:
        worker.run()
    with scripts.worker() as worker:
        after_restart = [(each.line, each.count) for each in worker.report("a.lua").errors]
        scripts.save("a.lua", TAG % "mended")
        worker.turn()

        assert after_restart == [(1, 1)]
        assert [(each.line, each.count, each.is_past) for each in worker.report("a.lua").errors] == [
            (0, 1, True)
        ]


@pytest.mark.parametrize("text", [TAG, OLD_TAG])
def test_memory_of_a_script_that_runs_is_reported(scripts: Scripts, text: str) -> None:
    scripts.save("a.lua", text % "one")

    with scripts.worker() as worker:
        running = worker.report("a.lua").memory_bytes
        scripts.switches.disable("a.lua", "alice")
        worker.turn()

        assert 10_000 < running < 10_000_000
        assert worker.report("a.lua").memory_bytes == 0


def test_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    journal = tmp_path / "journal" / "0000"
    journal.mkdir(parents=True)

    filters = WorkerFilters(tmp_path / "none", FilterSettings(), journal, [0] * len(WorkerFigure))
    filters.start(None, lambda place: None)
    filters.stop()

    report = read_report(journal.parent / "filters", "0000")
    assert report is not None
    assert any(str(tmp_path / "none") in problem.words for problem in report.problems)


def test_what_is_wrong_with_tables_and_metrics_is_reported(scripts: Scripts) -> None:
    scripts.save("a.csv", "a,b\n1,x\n2\n")
    scripts.save(
        "a.lua",
        "function on_sip(message)\n"
        "    tag('version', lookup.file('a.csv', '1'))\n"
        "    count('calls', { a = 1 }) count('calls', { a = 2 })\n"
        "end\n",
    )

    with scripts.worker(series=1) as worker:
        version = worker.version()
        worker.filters.look()
        report = read_report(scripts.journal.parent / "filters", "0000")

    assert version == "x"
    assert report is not None
    table, metrics = report.problems
    assert (table.name, table.words) == (
        "a.csv",
        "line 3 has not the 2 columns of the header and is left out",
    )
    assert metrics.words.startswith("scripts have 1 series of metrics")


def test_value_too_large_to_be_kept_is_said(scripts: Scripts, caplog: pytest.LogCaptureFixture) -> None:
    scripts.save("a.lua", "function keep()\n HashTable('set', 'large', ('x'):rep(5000000))\nend")
    with scripts.worker() as worker:
        worker.run()

    assert "a.lua:2: HashTable: 5000325 bytes are too many for one value" in caplog.text


def test_what_becomes_of_a_script_is_in_the_log_step_by_step(
    scripts: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with scripts.worker() as worker:

        def said() -> list[tuple[str, str]]:
            caplog.clear()
            worker.turn()
            return [(record.levelname, record.getMessage()) for record in caplog.records]

        scripts.save("a.lua", TAG % "one")
        assert said() == [("INFO", "script a.lua: running")]
        scripts.save("a.lua", BROKEN)
        level, words = said()[0]
        assert level == "ERROR"
        assert words.startswith("script a.lua: cannot be loaded: line ")
        assert words.endswith("; its last good version runs on")
        assert said() == []
        scripts.save("a.lua", TAG % "one")
        assert said() == [("INFO", "script a.lua: running")]
        scripts.save("a.lua", TAG % "two")
        assert said() == [("INFO", "script a.lua: has changed, and runs as it is now")]
        scripts.switches.disable("a.lua", "somebody")
        assert said() == [("INFO", "script a.lua: disabled by somebody")]
        scripts.save("a.lua", TAG % "three")
        assert said() == []
        scripts.switches.enable("a.lua", "somebody")
        assert said() == [("INFO", "script a.lua: running")]
        (scripts.folder / "a.lua").unlink()
        assert said() == [("INFO", "script a.lua: is gone, and runs no more")]


def test_every_script_has_its_own_line_in_the_log(scripts: Scripts, caplog: pytest.LogCaptureFixture) -> None:
    # Lines of one template are counted from the sixth on, so that a folder of twenty must not share one.
    caplog.set_level(logging.INFO)
    for number in range(10):
        scripts.save(f"good_{number}%.lua", TAG % "one")
        scripts.save(f"bad_{number}%.lua", BROKEN)
        scripts.save(f"odd_{number}.lua", "")

    with scripts.worker():
        lines = [record.getMessage() for record in caplog.records]

    assert "script good_3%.lua: running" in lines
    assert "scripts: odd_3.lua: is empty" in lines
    assert len({record.msg for record in caplog.records}) == len(lines) == 40


def test_nothing_but_its_error_is_said_of_a_file_that_cannot_be_loaded(
    scripts: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    scripts.save("a.lua", "x = = 1\n")
    with scripts.worker() as worker:
        broken = [record.getMessage() for record in caplog.records]
        caplog.clear()
        scripts.save("a.lua", "x = 1\n")
        worker.turn()

        assert len(broken) == 1
        assert broken[0].startswith("script a.lua: cannot be loaded: line 1: unexpected symbol")
        assert "has no function that is run for packets" in caplog.text


def test_script_that_is_gone_takes_its_metrics_along_and_one_that_is_off_does_not(scripts: Scripts) -> None:
    counts = 'function on_sip(message) count("calls") end\n'
    for name in ("a.lua", "b.lua", "gone.lua"):
        scripts.save(name, counts)
    with scripts.worker() as worker:
        worker.run()
    with scripts.worker() as worker:
        worker.run()
        scripts.switches.disable("b.lua", "alice")
        (scripts.folder / "gone.lua").unlink()
        worker.turn()
        report = worker.whole_report()

    assert [each.labels for each in report.series] == [{"script": "a.lua"}, {"script": "b.lua"}]
    assert report.earlier == report.series


def test_packet_that_is_dropped_before_the_script_fails_is_one_drop(scripts: Scripts) -> None:
    scripts.save("old.lua", 'function a() SetHEPField("ProtoType", "0") error("oh") end\n')
    with scripts.worker(on_error="drop") as worker:
        dropped = worker.run().dropped
        report = worker.report("old.lua")

    assert dropped == "ProtoType 0"
    assert (report.drops, report.failed) == ({"ProtoType 0": 1}, 1)


def test_packets_that_are_dropped_in_place_of_a_script_are_said(
    scripts: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    scripts.save("a.lua", BROKEN)
    with scripts.worker(on_error="drop") as worker:
        broken = worker.report("a.lua").is_barrier
        scripts.save("a.lua", GREEDY)
        worker.turn()
        mended = worker.report("a.lua").is_barrier
        worker.run()
        worker.run()
        off = worker.report("a.lua").is_barrier
        scripts.switches.disable("a.lua", "somebody")
        worker.turn()

        assert (broken, mended, off, worker.report("a.lua").is_barrier) == (True, False, True, False)
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said[0].endswith("; it does not run, and all packets that it is for are dropped")
    assert said[-1] == "script a.lua: does not run, and all packets that it is for are dropped"


def test_nothing_is_dropped_in_place_of_a_script_unless_the_settings_want_it(scripts: Scripts) -> None:
    scripts.save("a.lua", BROKEN)

    with scripts.worker() as worker:
        assert not worker.report("a.lua").is_barrier


def test_report_says_when_the_worker_was_started(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    before_us = time.time_ns() // 1000
    with scripts.worker() as worker:
        first = worker.whole_report().started_us
    with scripts.worker() as worker:
        assert before_us <= first < worker.whole_report().started_us <= time.time_ns() // 1000
