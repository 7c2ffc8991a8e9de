"""What Prometheus is told of filter scripts."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import render_metrics
from capture.script_report import BUCKETS, OTHERS, FolderProblem, MemoryReport, ScriptReport, Series
from capture.script_report_files import Reported
from capture.script_switches import Switches
from tests.support.filter_reports import SHA, a_report, a_script, kept

Samples = dict[tuple[str, ...], float]


def samples(page: bytes) -> Samples:
    """Values by series name and the values of its labels, that of `script` first; no series stands there
    twice."""
    found: Samples = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = sorted(sample.labels, key=lambda label: (label != "script", label))
            key = (sample.name, *(sample.labels[label] for label in labels))
            assert key not in found, key
            found[key] = sample.value
    return found


def told(data_dir: Path, *reports: Reported) -> Samples:
    with kept(data_dir, *reports):
        return samples(render_metrics(data_dir))


def own(data_dir: Path, *series: Series) -> Samples:
    """What is told of the scripts' own metrics, without what is put before their names."""
    found = told(data_dir, a_report(series=list(series)))
    prefix = "rhapsode_script_"
    return {
        (key[0].removeprefix(prefix), *key[1:]): value
        for key, value in found.items()
        if key[0].startswith(prefix)
    }


def test_script_that_has_done_nothing_yet_begins_at_zero(tmp_path: Path) -> None:
    found = told(tmp_path, a_report(a_script()))

    assert found["rhapsode_filter_calls_total", "mask.lua"] == 0
    assert found["rhapsode_filter_drops_total", "mask.lua", OTHERS] == 0
    assert found["rhapsode_filter_errors_total", "mask.lua", "0"] == 0
    assert found["rhapsode_filter_seconds_count", "mask.lua"] == 0
    assert found["rhapsode_filter_switched_off", "mask.lua"] == 0
    assert found["rhapsode_filter_disabled", "mask.lua"] == 0
    assert found["rhapsode_filter_loaded", "mask.lua"] == 1


def test_without_scripts_only_what_is_common_to_them_is_told(tmp_path: Path) -> None:
    found = samples(render_metrics(tmp_path))

    of_filters = {key for key in found if key[0].startswith("rhapsode_filter_")}
    assert {len(key) for key in of_filters} == {1}
    assert found["rhapsode_filter_cache_evicted_total",] == 0
    assert found["rhapsode_filter_series_refused_total",] == 0


def test_calls_drops_and_errors_are_summed_over_workers(tmp_path: Path) -> None:
    first, second = a_script(calls=2), a_script(calls=3)
    first.count_drop("scanner", 5)
    second.count_drop("scanner", 2)
    for script in (first, second):
        script.count_error(3, "error", "words", 1)
    second.count_error(3, "memory", "words", 1)

    found = told(tmp_path, a_report(first), a_report(second, journal="0001"))

    assert found["rhapsode_filter_calls_total", "mask.lua"] == 5
    assert found["rhapsode_filter_drops_total", "mask.lua", "scanner"] == 7
    assert found["rhapsode_filter_errors_total", "mask.lua", "3"] == 3


def test_counts_do_not_go_back_when_a_worker_ends(tmp_path: Path) -> None:
    script = a_script(calls=2)

    before = told(tmp_path, a_report(a_script(calls=1)), a_report(script, journal="0001"))
    after = told(tmp_path, a_report(a_script(calls=1)), a_report(script, journal="0001", runs=False))

    assert before["rhapsode_filter_calls_total", "mask.lua"] == 3
    assert after["rhapsode_filter_calls_total", "mask.lua"] == 3


def test_no_error_is_counted_again_when_the_script_is_edited(tmp_path: Path) -> None:
    script = a_script()
    script.take_text("first")
    for line in (3, 3, 4):
        script.count_error(line, "error", "words", 1)
    script.take_text("second")
    script.count_error(3, "error", "words", 1)

    found = told(tmp_path, a_report(script))

    errors = {key[2]: value for key, value in found.items() if key[0] == "rhapsode_filter_errors_total"}
    assert errors == {"0": 0, "3": 3, "4": 1}


def test_times_are_a_histogram(tmp_path: Path) -> None:
    script = a_script()
    for nanoseconds in (100, 700, 2_000_000, 20_000_000_000):
        script.count_call(nanoseconds)

    found = told(tmp_path, a_report(script))

    buckets = {
        float(key[2]): value for key, value in found.items() if key[0] == "rhapsode_filter_seconds_bucket"
    }
    assert len(buckets) == BUCKETS
    assert (buckets[5e-07], buckets[1e-06], buckets[0.002048], buckets[float("inf")]) == (1, 2, 3, 4)
    assert found["rhapsode_filter_seconds_count", "mask.lua"] == 4
    assert found["rhapsode_filter_seconds_sum", "mask.lua"] == pytest.approx(20.0020008)


def test_scripts_that_are_off_are_told_apart_by_who_switched_them(tmp_path: Path) -> None:
    scripts = [a_script("by itself.lua"), a_script("by hand.lua")]
    with kept(tmp_path, a_report(*scripts)) as filters:
        Switches(filters).switch_off("by itself.lua", SHA, "loops")
        Switches(filters).disable("by hand.lua", "alice")
        found = samples(render_metrics(tmp_path))

    assert found["rhapsode_filter_switched_off", "by itself.lua"] == 1
    assert found["rhapsode_filter_disabled", "by itself.lua"] == 0
    assert found["rhapsode_filter_switched_off", "by hand.lua"] == 0
    assert found["rhapsode_filter_disabled", "by hand.lua"] == 1


def test_file_that_cannot_be_loaded_is_told_whether_an_earlier_version_runs_or_not(tmp_path: Path) -> None:
    scripts = [a_script("edited.lua", load_error="line 3"), a_script("new.lua", state="not loaded")]
    problems = [
        FolderProblem("x.lua", "not a file", is_left_out=True),
        FolderProblem("empty.lua", "is empty", is_left_out=False),
        FolderProblem("", "no such folder", is_left_out=True),
    ]

    found = told(tmp_path, a_report(*scripts, a_script("empty.lua"), problems=problems))

    loaded = {key[1]: value for key, value in found.items() if key[0] == "rhapsode_filter_loaded"}
    assert loaded == {"edited.lua": 0, "new.lua": 0, "empty.lua": 1, "x.lua": 0}


def test_memories_are_told(tmp_path: Path) -> None:
    script = a_script(memory_bytes=500)
    report = a_report(
        script, cache=MemoryReport(3, 40, 100, 7), hash_table=MemoryReport(1, 2, 3, 4), series_refused=6
    )

    found = told(tmp_path, report)

    assert found["rhapsode_filter_memory_bytes", "mask.lua"] == 500
    assert (found["rhapsode_filter_cache_entries",], found["rhapsode_filter_cache_bytes",]) == (3, 40)
    assert found["rhapsode_filter_cache_limit_bytes",] == 100
    assert found["rhapsode_filter_cache_evicted_total",] == 7
    assert found["rhapsode_filter_hash_table_evicted_total",] == 4
    assert found["rhapsode_filter_series_refused_total",] == 6


def test_name_of_a_script_and_reason_of_a_drop_may_be_any_text(tmp_path: Path) -> None:
    script = a_script('a "b"\\n.lua')
    script.count_drop('no\nway "here"\\')

    found = told(tmp_path, a_report(script))

    assert found["rhapsode_filter_drops_total", 'a "b"\\n.lua', 'no\nway "here"\\'] == 1


def test_own_counters_and_histograms_stand_under_their_names_behind_a_prefix(tmp_path: Path) -> None:
    found = own(
        tmp_path,
        Series("calls", {"trunk": "a"}, 2.0),
        Series("calls", {"trunk": "b"}, 3.5),
        Series("hops", {}, 7.0, [1, 2, 0], [1.0, 5.0]),
    )

    assert found == {
        ("calls_total", "a"): 2,
        ("calls_total", "b"): 3.5,
        ("hops_bucket", "1.0"): 1,
        ("hops_bucket", "5.0"): 3,
        ("hops_bucket", "+Inf"): 3,
        ("hops_count",): 3,
        ("hops_sum",): 7,
    }


def test_counter_with_the_ending_of_one_is_the_same_as_without(tmp_path: Path) -> None:
    found = own(tmp_path, Series("calls", {}, 2.0), Series("calls_total", {}, 3.0))

    assert found == {("calls_total",): 5}


@pytest.mark.parametrize(
    "series",
    [
        Series("no-name", {}, 1.0),
        Series("calls", {"no-label": "a"}, 1.0),
        Series("calls", {"__label": "a"}, 1.0),
        Series("calls", {"le": "a"}, 1.0),
        Series("", {}, 1.0),
        Series("hops", {}, 1.0, [1, 2, 3], [1.0]),
    ],
)
def test_metric_that_no_page_can_hold_is_left_out(tmp_path: Path, series: Series) -> None:
    assert own(tmp_path, series, Series("good", {}, 1.0)) == {("good_total",): 1}


def test_name_of_two_kinds_is_the_first_one_only(tmp_path: Path) -> None:
    found = own(tmp_path, Series("calls", {"a": "1"}, 2.0), Series("calls", {"a": "2"}, 3.0, [1, 0], [1.0]))

    assert found == {("calls_total", "1"): 2}


def test_report_of_another_version_with_fewer_buckets_can_be_read(tmp_path: Path) -> None:
    script = ScriptReport("mask.lua", calls=1, latency=[1])

    found = told(tmp_path, a_report(script))

    assert found["rhapsode_filter_seconds_count", "mask.lua"] == 1
