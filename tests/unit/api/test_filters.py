"""Reports of several workers and the switches, put together."""

from pathlib import Path

import pytest

from api.filters import Filters, FilterScript, failures_of, put_together, read_filters, warnings_of
from capture.script_report import FolderProblem, MemoryReport, Series
from capture.script_report_files import Reported
from capture.script_switches import OFF_NAME, SwitchedOff, Switches
from tests.support.filter_reports import SHA, a_report, a_script, kept

LOOPS = SwitchedOff("loops", 5, "worker", SHA, "mask-1.pcap")
DISABLED = SwitchedOff("disabled by alice", 5, "alice")


def only(filters: Filters) -> FilterScript:
    (script,) = filters.scripts
    return script


def test_counts_are_those_of_all_workers_and_states_of_the_living(tmp_path: Path) -> None:
    first, second, ended = a_script(calls=2), a_script(calls=3), a_script(calls=10)
    first.count_drop("scanner")
    ended.count_drop("scanner", 4)
    second.count_error(3, "error", "words", 1)

    with kept(
        tmp_path,
        a_report(first),
        a_report(second, journal="0001"),
        a_report(ended, journal="0002", runs=False),
    ):
        script = only(read_filters(tmp_path))

    assert (script.counts.calls, script.counts.dropped, script.counts.failed) == (15, 5, 1)
    assert sum(script.counts.latency) == 15
    assert script.workers == {"0000": "running", "0001": "running"}
    assert (script.state, script.why) == ("running", "")


def test_nothing_is_known_where_no_worker_ever_had_a_script(tmp_path: Path) -> None:
    assert read_filters(tmp_path) == Filters()


def test_worker_without_scripts_is_a_warning_where_others_run_some_and_its_counts_still_count() -> None:
    ended = Reported(a_report(a_script(calls=10), journal="0001").worker, runs=False, is_without=True)

    filters = put_together([a_report(a_script(calls=2)), ended], {})

    assert (only(filters).counts.calls, only(filters).workers) == (12, {"0000": "running"})
    assert list(warnings_of(filters)) == [
        "filter scripts: the worker of journal 0001 runs none, as its settings name none; others run some"
    ]


def test_where_no_worker_has_scripts_any_more_there_is_nothing_to_say() -> None:
    before = Series("calls", {"script": "mask.lua"}, 2.0)
    report = a_report(a_script(calls=10), series=[before]).worker

    filters = put_together([Reported(report, runs=False, is_without=True)], {})

    assert (filters.scripts, filters.series, list(warnings_of(filters))) == ([], [], [])


def test_metrics_of_a_script_that_is_gone_are_gone() -> None:
    series = [Series("calls", {"script": name}, 2.0) for name in ("gone.lua", "mask.lua")]
    ended = a_report(a_script("gone.lua"), a_script(), journal="0001", runs=False, series=series)

    filters = put_together([a_report(a_script()), ended], {})

    assert filters.series == series[1:]


def test_without_a_living_worker_scripts_are_stopped() -> None:
    script = only(put_together([a_report(a_script(calls=2), runs=False)], {}))

    assert (script.state, script.why, script.counts.calls) == ("stopped", "no worker runs", 2)


def test_scripts_come_in_the_order_in_which_they_run_and_those_that_are_gone_do_not() -> None:
    living = a_report(a_script("b.lua"), a_script("a.lua"))
    ended = a_report(a_script("gone.lua"), a_script("a.lua"), journal="0001", runs=False)

    filters = put_together([living, ended], {"gone.lua": LOOPS})

    assert [script.name for script in filters.scripts] == ["b.lua", "a.lua"]
    assert filters.off == {"gone.lua": LOOPS}


def test_script_that_switched_itself_off_is_shown_with_the_packet() -> None:
    script = only(put_together([a_report(a_script())], {"mask.lua": LOOPS}))

    assert (script.state, script.packet) == ("switched off", "mask-1.pcap")
    assert script.why == "loops (packet packets/mask-1.pcap)"


def test_what_was_just_switched_is_shown_before_the_workers_have_seen_it() -> None:
    script = only(put_together([a_report(a_script())], {"mask.lua": DISABLED}))

    assert (script.state, script.why) == ("disabled", "disabled by alice")
    assert script.workers == {"0000": "running"}


def test_what_was_just_switched_on_again_is_shown_before_the_workers_have_seen_it() -> None:
    still_off = a_script(state="switched off", why="loops")

    script = only(put_together([a_report(still_off)], {}))

    assert (script.state, script.why) == ("running", "")
    assert script.workers == {"0000": "switched off"}


def test_what_only_the_worker_knows_or_nobody_can_read_is_shown_as_the_worker_says() -> None:
    still_off = a_script(state="switched off", why="loops")

    unwritten = only(put_together([a_report(still_off, switches_problem="the disk is full")], {}))
    unreadable = only(put_together([a_report(still_off)], {}, "off.json is broken"))

    assert (unwritten.state, unwritten.why) == (unreadable.state, unreadable.why) == ("switched off", "loops")


def test_edited_script_is_not_off_any_more() -> None:
    edited = a_script()
    edited.sha256 = "b" * 64

    script = only(put_together([a_report(edited)], {"mask.lua": LOOPS}))

    assert (script.state, script.why, script.packet) == ("running", "", None)


def test_script_that_only_a_setting_disables_is_shown_as_the_worker_says() -> None:
    by_setting = a_script(state="disabled", why="filters.disabled names it", is_off_by_setting=True)

    script = only(put_together([a_report(by_setting)], {}))

    assert (script.state, script.why) == ("disabled", "filters.disabled names it")


def test_script_that_runs_in_one_worker_only_is_shown_as_running_with_the_other_one_named() -> None:
    stuck = a_script(state="not loaded", why="line 3: unexpected symbol")

    script = only(put_together([a_report(stuck), a_report(a_script(), journal="0001")], {}))

    assert script.state == "running"
    assert script.workers == {"0000": "not loaded", "0001": "running"}


def test_switches_are_shown_before_the_first_worker_has_started() -> None:
    filters = put_together([], {"mask.lua": DISABLED})

    assert only(filters).state == "disabled"


def test_switch_of_a_script_that_was_deleted_is_not_shown_when_no_worker_runs() -> None:
    off = {"gone.lua": LOOPS, "mask.lua": LOOPS, "new.lua": DISABLED}

    filters = put_together([a_report(a_script(), runs=False)], off)

    assert [(each.name, each.state) for each in filters.scripts] == [
        ("mask.lua", "switched off"),
        ("new.lua", "disabled"),
    ]
    assert only(put_together([], {"gone.lua": LOOPS})).state == "switched off"


def test_memory_is_that_of_the_living_and_evictions_are_those_of_all() -> None:
    cache = MemoryReport(entries=1, bytes=10, limit_bytes=100, evicted=7)

    filters = put_together(
        [a_report(cache=cache), a_report(cache=cache, journal="0001", runs=False)],
        {},
    )

    assert filters.cache == MemoryReport(entries=1, bytes=10, limit_bytes=100, evicted=14)


def test_own_metrics_are_summed_over_workers_and_lives() -> None:
    calls = Series("calls", {"trunk": "a"}, 2.0)

    filters = put_together(
        [a_report(series=[calls], earlier=[calls]), a_report(series=[calls], journal="0001", runs=False)], {}
    )

    assert filters.series == [Series("calls", {"trunk": "a"}, 6.0)]


def test_all_well_is_no_warning() -> None:
    assert list(warnings_of(put_together([a_report(a_script(calls=1))], {}))) == []


def test_script_that_switched_itself_off_is_a_warning_and_one_that_a_person_disabled_is_none() -> None:
    filters = put_together([a_report(a_script(), a_script("b.lua"))], {"mask.lua": LOOPS, "b.lua": DISABLED})

    assert list(warnings_of(filters)) == ["switched off: mask.lua: loops (packet packets/mask-1.pcap)"]


def test_packets_that_are_dropped_because_a_script_is_switched_off_are_said() -> None:
    filters = put_together([a_report(a_script(state="switched off", is_barrier=True))], {"mask.lua": LOOPS})

    assert list(warnings_of(filters)) == [
        "switched off: mask.lua: loops (packet packets/mask-1.pcap) (all packets that it is for are dropped)"
    ]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            a_script(load_error="line 3: '=' expected"),
            "not loaded: mask.lua: line 3: '=' expected (an earlier version runs)",
        ),
        (
            a_script(state="not loaded", why="line 3: '=' expected"),
            "not loaded: mask.lua: line 3: '=' expected",
        ),
        (
            a_script(state="not loaded", why="line 3: '=' expected", is_barrier=True),
            "not loaded: mask.lua: line 3: '=' expected (all packets that it is for are dropped)",
        ),
    ],
)
def test_file_that_cannot_be_loaded_is_a_warning_with_its_error(script: object, words: str) -> None:
    assert list(warnings_of(put_together([a_report(script)], {}))) == [words]  # type: ignore[arg-type]


def test_problems_of_the_folder_are_warnings_said_once() -> None:
    problems = [
        FolderProblem("", "the folder /x cannot be read: no such file or directory", is_left_out=True),
        FolderProblem("a.lua", "is empty", is_left_out=False),
        FolderProblem("b.lua", "cannot be read: permission denied", is_left_out=True),
        FolderProblem("mask.lua", "line 3: '=' expected", is_left_out=True),
    ]
    broken = a_script(state="not loaded", load_error="line 3: '=' expected")

    filters = put_together(
        [a_report(broken, problems=problems), a_report(broken, journal="0001", problems=problems)], {}
    )

    assert list(warnings_of(filters)) == [
        "not loaded: mask.lua: line 3: '=' expected",
        "filter scripts: the folder /x cannot be read: no such file or directory",
        "filter scripts: a.lua: is empty",
        "not loaded: b.lua: cannot be read: permission denied",
    ]


def test_script_fails_no_more_once_all_workers_were_started_after_its_last_error() -> None:
    script = a_script()
    script.count_error(3, "error", "a nil value", 1_000_000)

    def failures(*started_us: int) -> list[str]:
        reports = [
            a_report(script, journal=f"000{number}", started_us=each)
            for number, each in enumerate(started_us)
        ]
        return list(failures_of(put_together(reports, {}), 1_000_005))

    assert failures(1_000_000) == failures(1_000_001, 999) == ["failing: mask.lua: line 3: a nil value"]
    assert failures(1_000_001) == failures(1_000_001, 1_000_002) == []


def test_folder_that_cannot_be_read_is_one_warning_for_all_scripts_that_run_on() -> None:
    words = "the folder /x cannot be read: no such file or directory"
    problems = [FolderProblem("", words, is_left_out=True)]

    filters = put_together(
        [
            a_report(
                a_script("a.lua", load_error=words),
                a_script("b.lua", load_error=words),
                a_script("c.lua", state="not loaded", load_error=words),
                problems=problems,
            )
        ],
        {},
    )

    assert list(warnings_of(filters)) == [
        f"not loaded: c.lua: {words}",
        f"filter scripts: {words} (earlier versions run)",
    ]


def test_switches_that_cannot_be_read_are_a_warning(tmp_path: Path) -> None:
    with kept(tmp_path, a_report(a_script(), switches_problem="the disk is full")) as filters:
        Switches(filters).disable("mask.lua", "alice")
        (filters / OFF_NAME).write_text("broken")
        warnings = list(warnings_of(read_filters(tmp_path)))

    assert len(warnings) == 2
    assert f"filter scripts: {filters / OFF_NAME} is broken" in warnings[0]
    assert warnings[1] == "filter scripts: the disk is full"
