"""Log lines: repeated ones are held back and counted, each names its role."""

import json
import logging

import pytest

from rhapsode.logs import BURST, WINDOW_S, Repeats, set_up_logs
from rhapsode.settings import LogSettings


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_record(message: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, __file__, 1, message, values, None)


def test_line_that_comes_again_and_again_is_written_a_few_times() -> None:
    repeats = Repeats(Clock())

    passed = [repeats.filter(a_record("lost %d", number)) for number in range(BURST + 10)]

    assert passed.count(True) == BURST


def test_next_window_tells_how_many_were_held_back() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    for number in range(BURST + 10):
        repeats.filter(a_record("lost %d", number))
    clock.now = WINDOW_S
    record = a_record("lost %d", 99)

    assert repeats.filter(record)

    assert record.getMessage() == "lost 99 (and 10 more like it before)"


def test_other_lines_are_not_held_back_with_it() -> None:
    repeats = Repeats(Clock())
    for number in range(BURST + 10):
        repeats.filter(a_record("lost %d", number))

    assert repeats.filter(a_record("found"))


def test_every_step_of_a_migration_is_told() -> None:
    repeats = Repeats(Clock())
    steps = [a_record("Running upgrade %s", number) for number in range(BURST + 10)]
    for step in steps:
        step.name = "alembic.runtime.migration"

    assert all(repeats.filter(step) for step in steps)


def test_json_lines_name_role_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(LogSettings(format="json"), "worker 0000")

    logging.getLogger("capture.worker").warning("away for %d s", 3)

    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "away for 3 s"
    assert (line["role"], line["level"], line["logger"]) == ("worker 0000", "warning", "capture.worker")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(LogSettings(level="error"), "api")

    logging.getLogger("x").warning("quiet")

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("logger", ["httpx", "httpcore.http11"])
def test_what_users_ask_of_other_servers_is_not_logged(
    logger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(LogSettings(level="debug"), "api")

    logging.getLogger(logger).info("HTTP Request: GET http://loki/?query=%s", "somebody's number")

    assert capsys.readouterr().err == ""


def test_console_lines_are_plain_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(LogSettings(), "intake")

    logging.getLogger("x").info("hello %s", "there")

    written = capsys.readouterr().err
    assert "hello there" in written
    assert "\x1b" not in written
