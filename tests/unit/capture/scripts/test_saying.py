"""What scripts log, and what is held back and counted."""

import logging

import pytest

from capture.scripts.saying import MOST_CHARS, MOST_LINES, MOST_PLACES, Sayings


class Log:
    """What was written, and a clock put forward by the test."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []
        self.levels: list[int] = []
        self.sayings = Sayings(self._write, lambda: self.now_s)

    def _write(self, level: int, place: str, words: str) -> None:
        self.levels.append(level)
        self.lines.append(f"{place}: {words}")

    def after(self, seconds: float) -> list[str]:
        """What is written at a flush some time later, and since the last look."""
        self.now_s += seconds
        self.sayings.flush()
        lines, self.lines = self.lines, []
        return lines


def test_first_lines_are_written_and_the_others_counted() -> None:
    log = Log()
    for number in range(MOST_LINES + 1234):
        log.sayings.say("info", f"word {number}", "a.lua", 7)

    assert log.after(1) == [f"a.lua:7: word {number}" for number in range(MOST_LINES)]
    assert log.after(60) == ["a.lua:7: … 1,234 more in the last minute"]
    assert log.after(120) == []


def test_next_minute_has_its_own_lines() -> None:
    log = Log()
    for number in range(3 * MOST_LINES):
        log.sayings.say("info", str(number), "a.lua", 7)
    log.after(61)

    log.sayings.say("info", "again", "a.lua", 7)

    assert log.after(0) == ["a.lua:7: again"]


def test_one_line_of_a_script_does_not_hold_up_another() -> None:
    log = Log()
    for _ in range(100):
        log.sayings.say("info", "loud", "a.lua", 7)
    log.after(1)

    log.sayings.say("info", "quiet", "a.lua", 8)
    log.sayings.say("info", "quiet", "b.lua", 7)
    log.sayings.say("info", "quiet", "c.lua", 0)

    assert log.after(0) == ["a.lua:8: quiet", "b.lua:7: quiet", "c.lua: quiet"]


def test_count_is_written_before_the_next_line_without_a_flush() -> None:
    log = Log()
    for _ in range(MOST_LINES + 1):
        log.sayings.say("info", "x", "a.lua", 7)
    log.after(0)

    log.now_s += 300
    log.sayings.say("info", "y", "a.lua", 7)

    assert log.lines == ["a.lua:7: … 1 more in the last 5 minutes", "a.lua:7: y"]


def test_error_is_written_once_and_then_as_a_rate_for_as_long_as_it_goes_on() -> None:
    log = Log()
    for _ in range(3):
        for _ in range(1001):
            log.sayings.fail("error", "attempt to index a nil value", "mask.lua", 3)
        log.now_s += 60.0
        log.sayings.flush()

    assert log.lines == [
        "mask.lua:3: attempt to index a nil value",
        "mask.lua:3: … 1,000 more in the last minute",
        "mask.lua:3: … 1,001 more in the last minute",
        "mask.lua:3: … 1,001 more in the last minute",
    ]


def test_error_that_comes_back_after_a_quiet_minute_is_news() -> None:
    log = Log()
    log.sayings.fail("error", "bad", "mask.lua", 3)
    log.after(61)

    log.sayings.fail("error", "bad again", "mask.lua", 3)

    assert log.after(0) == ["mask.lua:3: bad again"]


def test_each_kind_of_error_at_a_line_is_written() -> None:
    log = Log()

    log.sayings.say("error", "said by the script", "a.lua", 3)
    for kind in ("error", "memory", "memory"):
        log.sayings.fail(kind, kind, "a.lua", 3)
    log.sayings.fail("error", "where?", "a.lua", None)

    assert log.after(0) == [
        "a.lua:3: said by the script",
        "a.lua:3: error",
        "a.lua:3: memory",
        "a.lua: where?",
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", 10), ("info", 20), ("warn", 30), ("error", 40), ("NOTICE", 10), ("", 10)],
)
def test_level_is_that_of_logging(level: str, expected: int) -> None:
    log = Log()

    log.sayings.say(level, "x", "a.lua", 1)

    assert log.levels == [expected]


def test_rest_is_counted_at_its_gravest_level() -> None:
    log = Log()
    for level in ["info"] * MOST_LINES + ["error", "info"]:
        log.sayings.say(level, "x", "a.lua", 1)

    log.after(60)

    assert log.levels[-1] == logging.ERROR


def test_level_that_is_not_logged_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sayings = Sayings()
    for _ in range(100):
        sayings.say("debug", "x", "a.lua", 1)

    sayings.say("info", "y", "a.lua", 1)

    assert [record.getMessage() for record in caplog.records] == ["a.lua:1: y"]


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("a\nb\r\n2026 [error] forged", "a\\nb\\r\\n2026 [error] forged"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("Grüße 日本", "Grüße 日本"),
        ("a\u2028b\udc80", "a\\u2028b\\udc80"),
        ("", ""),
        ("x" * MOST_CHARS, "x" * MOST_CHARS),
        ("x" * MOST_CHARS + "y", "x" * (MOST_CHARS - 1) + "…"),
    ],
)
def test_words_are_one_line_of_bounded_length(words: str, written: str) -> None:
    log = Log()

    log.sayings.say("info", words, "a.lua", 1)

    assert log.lines == [f"a.lua:1: {written}"]


def test_places_without_number_do_not_fill_the_memory() -> None:
    log = Log()
    for number in range(MOST_PLACES + 500):
        log.sayings.say("info", "x", f"{number}.lua", 1)

    written = log.after(0)

    assert len(written) == MOST_PLACES + MOST_LINES
    assert log.after(60) == [f"scripts, at other lines: … {500 - MOST_LINES} more in the last minute"]


def test_lines_reach_the_log_with_a_template_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    sayings = Sayings()

    sayings.say("warn", "100 % of %s", "50%.lua", 1)
    sayings.fail("error", "bad", "b.lua", 2)

    assert [record.getMessage() for record in caplog.records] == ["50%.lua:1: 100 % of %s", "b.lua:2: bad"]
    assert len({record.msg for record in caplog.records}) == 2
    # What a script did to a packet is undone or cut short by it, and the packet may be dropped.
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
