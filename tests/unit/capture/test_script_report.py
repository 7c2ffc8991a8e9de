"""What a worker says of its scripts, and how that is put together again."""

import pytest

from capture.script_report import (
    BOUNDS_S,
    BUCKETS,
    MOST_EARLIER,
    MOST_REASONS,
    OTHERS,
    ScriptReport,
    Series,
    WorkerReport,
    add_series,
    quantile_s,
    said_of,
)


def a_worker(journal: str = "0000", **scripts: int) -> WorkerReport:
    """Scripts by their names without `.lua`, and how often each was called."""
    return WorkerReport(
        journal, scripts=[ScriptReport(f"{name}.lua", calls=calls) for name, calls in scripts.items()]
    )


def test_calls_are_counted_by_how_long_they_took() -> None:
    script = ScriptReport("x.lua")

    for nanoseconds in (0, 499, 500, 1_000, 60_000_000_000):
        script.count_call(nanoseconds)

    assert script.calls == 5
    assert script.latency_ns == 60_000_001_999
    assert script.latency[:3] == [2, 1, 1]
    assert script.latency[BUCKETS - 1] == 1


def test_every_time_is_below_the_bound_of_its_bucket() -> None:
    for bound_s in BOUNDS_S:
        script = ScriptReport("x.lua")
        script.count_call(round(bound_s * 1e9) - 1)
        script.count_call(round(bound_s * 1e9))

        first = next(index for index, count in enumerate(script.latency) if count)

        assert BOUNDS_S[first] == bound_s
        assert script.latency[first + 1] == 1


def test_quantiles_lie_between_the_bounds_of_their_bucket() -> None:
    latency = [0] * BUCKETS
    latency[3], latency[10] = 98, 2

    assert quantile_s(latency, 0.5) == pytest.approx(BOUNDS_S[2] + (BOUNDS_S[3] - BOUNDS_S[2]) * 50 / 98)
    assert quantile_s(latency, 0.99) == pytest.approx((BOUNDS_S[9] + BOUNDS_S[10]) / 2)


def test_without_calls_there_is_no_quantile_and_beyond_the_last_bound_none_is_guessed() -> None:
    latency = [0] * BUCKETS

    nothing = quantile_s(latency, 0.5)
    latency[BUCKETS - 1] = 1

    assert nothing is None
    assert quantile_s(latency, 0.5) == BOUNDS_S[-1]


def test_reasons_that_a_script_makes_up_are_bounded() -> None:
    script = ScriptReport("x.lua")

    for number in range(MOST_REASONS + 20):
        script.count_drop(f"reason {number}")
        script.count_error(number + 1, "error", f"words {number}", number)

    assert len(script.drops) == MOST_REASONS + 1
    assert script.drops[OTHERS] == 20
    assert script.dropped == script.failed == MOST_REASONS + 20
    assert len(script.errors) == MOST_REASONS + 1
    assert (script.errors[-1].line, script.errors[-1].count) == (0, 20)
    assert (len(script.failed_in), script.failed_in[0]) == (MOST_REASONS + 1, 20)


def test_errors_are_counted_by_line_and_kind_with_the_last_words() -> None:
    script = ScriptReport("x.lua")

    script.count_error(3, "error", "a nil value (field 'x')", 1)
    script.count_error(3, "error", "a nil value (field 'y')", 2)
    script.count_error(3, "instructions", "too many", 3)
    script.count_error(None, "error", "somewhere", 4)

    assert [(each.line, each.count, each.words) for each in script.errors] == [
        (3, 2, "a nil value (field 'y')"),
        (3, 1, "too many"),
        (0, 1, "somewhere"),
    ]


def test_lines_of_an_earlier_text_are_not_named_any_more_and_still_counted() -> None:
    script = ScriptReport("x.lua")
    script.take_text("first")
    script.count_error(3, "error", "oh", 1)
    script.count_error(4, "error", "no", 2)

    script.take_text("first")
    unchanged = [(each.line, each.count, each.is_past) for each in script.errors]
    script.take_text("second")
    script.count_error(3, "error", "new", 3)

    assert unchanged == [(3, 1, False), (4, 1, False)]
    assert [(each.line, each.count, each.words, each.is_past) for each in script.errors] == [
        (0, 2, "no", True),
        (3, 1, "new", False),
    ]


def test_counters_of_lines_stay_what_they_are_when_a_script_is_edited() -> None:
    script, merged = ScriptReport("x.lua"), ScriptReport("x.lua")
    script.take_text("first")
    script.count_error(3, "error", "oh", 1)
    script.count_error(3, "memory", "no", 1)
    script.count_error(None, "error", "somewhere", 1)
    before = {**script.failed_in}
    script.take_text("second")
    script.count_error(3, "error", "new", 3)

    merged.take_text("second")
    merged.add_counts(script)

    assert before == {3: 2, 0: 1}
    assert script.failed_in == merged.failed_in == {3: 3, 0: 1}


def test_counters_of_several_workers_are_added_one_by_one_however_many_there_are() -> None:
    first, second, merged = ScriptReport("x.lua"), ScriptReport("x.lua"), ScriptReport("x.lua")
    for number in range(MOST_REASONS):
        first.count_drop(f"first {number}")
        second.count_drop(f"second {number}")
        first.count_error(number + 1, "error", "oh", 1)
        second.count_error(number + 1001, "error", "oh", 1)

    merged.add_counts(first)
    merged.add_counts(second)

    assert merged.drops == first.drops | second.drops
    assert merged.failed_in == first.failed_in | second.failed_in


@pytest.mark.parametrize(("text", "line"), [("first", 3), ("second", 0)])
def test_next_life_knows_lines_of_the_text_that_it_runs_only(text: str, line: int) -> None:
    before, now = a_worker(mask=0), a_worker(mask=0)
    before.scripts[0].take_text("first")
    before.scripts[0].count_error(3, "error", "oh", 1)
    now.scripts[0].take_text(text)

    now.carry_on(before)

    assert [(each.line, each.count) for each in now.scripts[0].errors] == [(line, 1)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a.lua:3: \x1b[2J\nno", r"line 3: \x1b[2J\nno"),
        ("x" * 2001, "x" * 1999 + "…"),
        ("a.lua:3: oh: no", "line 3: oh: no"),
        ("a.lua: oh", "oh"),
        ("b.lua:3: oh", "b.lua:3: oh"),
        ("lib/a.lua:3: oh", "lib/a.lua:3: oh"),
        ("oh", "oh"),
        ("", ""),
    ],
)
def test_who_knows_the_script_need_not_be_told_its_name(words: str, said: str) -> None:
    assert said_of("a.lua", words) == said


def test_words_of_an_error_do_not_repeat_where_it_is() -> None:
    script = ScriptReport("a.lua")

    script.count_error(3, "error", "a.lua:3: oh", 1)
    script.count_error(4, "error", "lib.lua:4: oh", 1)

    assert [each.words for each in script.errors] == ["oh", "lib.lua:4: oh"]


def test_next_life_goes_on_with_the_counts_of_the_scripts_that_it_runs() -> None:
    before = a_worker(mask=5, gone=9)
    before.scripts[0].count_drop("scanner", 2)
    before.scripts[0].count_error(3, "error", "words", 1)
    before.scripts[0].count_call(700)
    before.cache.evicted = 4
    before.series_refused = 1
    now = a_worker(mask=0, new=0)

    now.carry_on(before)
    now.scripts[0].count_call(700)

    assert [(each.name, each.calls) for each in now.scripts] == [("mask.lua", 7), ("new.lua", 0)]
    assert (now.scripts[0].drops, now.scripts[0].failed) == ({"scanner": 2}, 1)
    assert (now.scripts[0].latency[1], now.scripts[0].latency_ns) == (2, 1400)
    assert (now.cache.evicted, now.series_refused) == (4, 1)
    assert before.scripts[0].calls == 6


def test_first_life_has_nothing_to_carry_on() -> None:
    report = a_worker(mask=0)

    report.carry_on(None)

    assert report == a_worker(mask=0)


def test_metrics_of_scripts_go_on_over_any_number_of_lives() -> None:
    lives = [a_worker(mask=0), a_worker(mask=0), a_worker(mask=0)]

    for number, life in enumerate(lives):
        life.carry_on(lives[number - 1] if number else None)
        life.series = [Series("calls", {"script": "mask.lua"}, 10.0)]

    assert add_series([*lives[2].series, *lives[2].earlier]) == [
        Series("calls", {"script": "mask.lua"}, 30.0)
    ]


def test_series_are_added_by_name_and_labels_and_leave_what_they_are_made_of_alone() -> None:
    first = Series("seconds", {"a": "1", "b": "2"}, 1.5, [1, 0], [0.1])
    same = Series("seconds", {"b": "2", "a": "1"}, 2.5, [0, 2], [0.1])
    other = Series("seconds", {"a": "1"}, 4.0, [1, 1], [0.1])

    added = add_series([first, same, other])

    assert added == [Series("seconds", {"a": "1", "b": "2"}, 4.0, [1, 2], [0.1]), other]
    assert first.counts == [1, 0]


def test_of_series_with_other_buckets_the_first_is_taken() -> None:
    is_histogram = Series("seconds", {}, 2.5, [0, 2], [0.1])
    was_counter = Series("seconds", {}, 9.0)

    assert add_series([is_histogram, was_counter]) == [is_histogram]


def test_metrics_of_a_script_that_is_gone_are_not_carried_on_and_no_more_than_can_be_held() -> None:
    before = a_worker(mask=1, gone=1)
    before.series = [Series("calls", {"script": "gone.lua"}, 1.0)]
    before.series += [
        Series("calls", {"script": "mask.lua", "to": str(number)}, 1.0) for number in range(MOST_EARLIER)
    ]
    before.earlier = [Series("old", {"script": "mask.lua"}, 1.0)]
    now = a_worker(mask=0)

    now.carry_on(before)

    assert now.earlier == before.series[1:]


def test_last_words_are_those_of_the_later_error() -> None:
    mine, theirs = ScriptReport("x.lua"), ScriptReport("x.lua")
    mine.count_error(3, "error", "later", 20)
    theirs.count_error(3, "error", "earlier", 10)

    mine.add_counts(theirs)
    theirs.add_counts(mine)

    assert [(each.words, each.count, each.last_us) for each in mine.errors] == [("later", 2, 20)]
    assert [(each.words, each.count) for each in theirs.errors] == [("later", 3)]
