"""What scripts count themselves, and what they cannot."""

import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.script_report import Series
from capture.scripts.metrics import BOUNDS, MOST_LABEL_CHARS, MOST_LABELS, Metrics

LUA = "trunks.lua"


def only(metrics: Metrics) -> Series:
    (series,) = metrics.snapshot()
    return series


def test_counter_adds_up_by_its_labels() -> None:
    metrics = Metrics(10)
    for trunk, amount in [(b"north", 1), (b"north", 2.5), (b"south", 1)]:
        assert metrics.count(LUA, b"calls", amount, (b"trunk", trunk)) is None

    assert metrics.snapshot() == [
        Series("calls", {"script": LUA, "trunk": "north"}, 3.5),
        Series("calls", {"script": LUA, "trunk": "south"}, 1.0),
    ]


def test_order_of_labels_does_not_matter() -> None:
    metrics = Metrics(10)

    metrics.count(LUA, b"calls", 1, (b"a", b"1", b"b", b"2"))
    metrics.count(LUA, b"calls", 1, (b"b", b"2", b"a", b"1"))

    assert only(metrics) == Series("calls", {"script": LUA, "a": "1", "b": "2"}, 2.0)


def test_each_script_has_its_own_series_of_a_name() -> None:
    metrics = Metrics(10)

    metrics.count("a.lua", b"calls", 1)
    metrics.count("b.lua", b"calls", 1)

    assert [series.labels for series in metrics.snapshot()] == [{"script": "a.lua"}, {"script": "b.lua"}]


def test_counter_with_the_ending_of_one_is_the_same_as_without() -> None:
    metrics = Metrics(10)

    metrics.count(LUA, b"calls", 1)
    metrics.count(LUA, b"calls_total", 1)

    assert only(metrics).value == 2


def test_value_stands_in_the_bucket_whose_bound_it_does_not_exceed() -> None:
    metrics = Metrics(10)
    for value in (-1, 0.001, 0.0011, 1, 100_000, 100_001):
        assert metrics.observe(LUA, b"seconds", value) is None

    series = only(metrics)
    assert series.bounds == list(BOUNDS)
    assert series.value == pytest.approx(200_001.0021)
    assert {BOUNDS[at] if at < len(BOUNDS) else math.inf: n for at, n in enumerate(series.counts) if n} == {
        0.001: 2,
        0.0025: 1,
        1: 1,
        100_000: 1,
        math.inf: 1,
    }


def test_bounds_rise_from_a_thousandth_to_a_hundred_thousand() -> None:
    assert list(BOUNDS) == sorted(BOUNDS)
    assert (BOUNDS[0], BOUNDS[1], BOUNDS[-1], len(BOUNDS)) == (0.001, 0.0025, 100_000.0, 25)


@pytest.mark.parametrize(
    "name",
    [b"", b"1st", b"no-name", b"a b", b"\xff", b"a:b", b"x_bucket", b"x_total_total", b"x_sum", b"a" * 101],
)
def test_name_that_prometheus_does_not_know_is_refused(name: bytes) -> None:
    metrics = Metrics(10)

    assert metrics.count(LUA, name, 1)
    assert metrics.observe(LUA, name, 1)
    assert not metrics.snapshot()


@pytest.mark.parametrize("label", [b"", b"1st", b"no-name", b"__x", b"script", b"le", b"\xff", b"a" * 101])
def test_label_that_prometheus_does_not_know_is_refused(label: bytes) -> None:
    metrics = Metrics(10)

    assert "label" in (metrics.count(LUA, b"calls", 1, (label, b"x")) or "")
    assert not metrics.snapshot()


def test_more_labels_than_a_metric_may_have_are_refused() -> None:
    metrics = Metrics(10)
    labels = tuple(text for n in range(MOST_LABELS + 1) for text in (b"l%d" % n, b"x"))

    assert str(MOST_LABELS) in (metrics.count(LUA, b"calls", 1, labels) or "")
    assert metrics.count(LUA, b"calls", 1, labels[2:]) is None


def test_label_value_is_text_and_cut() -> None:
    metrics = Metrics(10)

    metrics.count(LUA, b"calls", 1, (b"a", b"\xff\0" + b"x" * 1000))

    assert only(metrics).labels["a"] == "\ufffd\ufffd" + "x" * (MOST_LABEL_CHARS - 2)


def test_name_of_a_counter_cannot_be_a_histogram_nor_the_reverse() -> None:
    metrics = Metrics(10)
    metrics.count("a.lua", b"calls", 1)
    metrics.observe("a.lua", b"seconds", 1)

    assert "calls is a counter" in (metrics.observe("b.lua", b"calls", 1) or "")
    assert "seconds is a histogram" in (metrics.count("b.lua", b"seconds", 1) or "")


@pytest.mark.parametrize("amount", [-1, 1e16, math.nan, math.inf, -math.inf])
def test_counter_grows_by_numbers_alone(amount: float) -> None:
    metrics = Metrics(10)

    assert "only grows" in (metrics.count(LUA, b"calls", amount) or "")
    assert only(metrics).value == 0


@pytest.mark.parametrize("value", [math.nan, 1e16, -1e300, math.inf, -math.inf])
def test_only_numbers_are_observed(value: float) -> None:
    metrics = Metrics(10)

    assert metrics.observe(LUA, b"seconds", value)
    assert only(metrics).counts == [0] * (len(BOUNDS) + 1)


def test_series_beyond_the_limit_is_not_counted_and_that_is_said_once() -> None:
    metrics = Metrics(2)
    for number in range(5):
        assert metrics.count(LUA, b"calls", 1, (b"call_id", b"%d" % number)) is None
    metrics.count(LUA, b"calls", 1, (b"call_id", b"0"))
    problem = metrics.problem
    assert metrics.observe("other.lua", b"seconds", 1) is None

    assert [series.value for series in metrics.snapshot()] == [2, 1]
    assert metrics.refused == 4
    assert "2 series" in problem
    assert LUA in problem
    assert metrics.problem == problem


def test_script_that_is_gone_makes_room_for_others() -> None:
    metrics = Metrics(2)
    metrics.count("gone.lua", b"calls", 1)
    metrics.count(LUA, b"other", 1)
    metrics.count(LUA, b"third", 1)
    while_full = metrics.problem

    metrics.keep_only([LUA])
    metrics.observe(LUA, b"calls", 1)
    metrics.count(LUA, b"other", 1)

    assert while_full
    assert metrics.problem == ""
    assert [(series.labels["script"], series.name, bool(series.counts)) for series in metrics.snapshot()] == [
        (LUA, "other", False),
        (LUA, "calls", True),
    ]
    assert [series.value for series in metrics.snapshot()] == [2, 1]


def test_name_that_found_no_room_is_of_no_kind_yet() -> None:
    metrics = Metrics(1)
    metrics.count(LUA, b"calls", 1)

    metrics.count(LUA, b"other", 1)

    assert metrics.observe(LUA, b"other", 1) is None


def test_ways_to_name_a_series_do_not_fill_the_memory() -> None:
    metrics = Metrics(1)

    tracemalloc.start()
    try:
        for number in range(1000):
            metrics.count(LUA, b"calls", 1, (b"a", b"x" * MOST_LABEL_CHARS + b"%d" % number))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert only(metrics).value == 1000
    assert taken < 50_000


def test_long_labels_do_not_fill_the_memory() -> None:
    metrics = Metrics(1000)

    tracemalloc.start()
    try:
        for number in range(100):
            metrics.count(LUA, b"calls", 1, (b"a", b"x" * 100_000 + b"%d" % number))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert only(metrics).value == 100
    assert taken < 50_000


texts = st.binary(max_size=6) | st.sampled_from([b"calls", b"calls_total", b"trunk", b"a", b"b"])


@given(
    st.lists(
        st.tuples(texts, st.floats() | st.integers(), st.lists(texts, max_size=6), st.booleans()), max_size=30
    )
)
def test_whatever_scripts_count_there_is_a_page_for_it(
    calls: list[tuple[bytes, float, list[bytes], bool]],
) -> None:
    metrics = Metrics(5)
    for name, value, labels, is_histogram in calls:
        add = metrics.observe if is_histogram else metrics.count
        assert add(LUA, name, value, tuple(labels)) != ""

    series = metrics.snapshot()

    assert len(series) <= 5
    assert len({(each.name, tuple(sorted(each.labels.items()))) for each in series}) == len(series)
    assert all(math.isfinite(each.value) for each in series)
    assert all(not each.counts or sum(each.counts) >= 0 for each in series)
    kinds: dict[str, bool] = {}
    assert all(kinds.setdefault(each.name, bool(each.counts)) == bool(each.counts) for each in series)
