"""What counts as failing, and what is only worth a word."""

from typing import Any

import pytest

from api.figures import Journal
from api.filters import GOES_ON_US, Filters, put_together
from api.health import Part, judge
from capture.journal.figures import IntakeFigure, Trouble, WorkerFigure
from tests.support.filter_reports import a_report, a_script

NOW_US = 1_800_000_000_000_000
SEARCHING = Part(ok=True, message="searching")


def a_journal(
    intake: dict[str, int] | None = None, worker: dict[str, int] | None = None, **changes: Any
) -> Journal:
    zeros = {figure.name.lower(): 0 for figure in (*IntakeFigure, *WorkerFigure)}
    facts: dict[str, Any] = {"name": "0000", "bytes": 0, "waiting": 0, "waiting_us": 0}
    facts |= {"has_intake": True, "has_worker": True} | changes
    return Journal(intake=zeros | (intake or {}), worker=zeros | (worker or {}), **facts)


def test_idle_installation_is_well() -> None:
    health = judge([a_journal()], SEARCHING, NOW_US)

    assert health.status == "ok"
    assert health.warnings == []


def test_what_is_said_of_filter_scripts_is_a_warning_and_no_failure() -> None:
    filters = Filters(trouble=["words"])

    health = judge([a_journal()], SEARCHING, NOW_US, filters)

    assert (health.status, health.warnings) == ("warning", ["filter scripts: words"])


def test_script_that_fails_is_a_warning_until_it_has_not_failed_for_a_while() -> None:
    script = a_script()
    script.count_error(3, "error", "a nil value", NOW_US)
    filters = put_together([a_report(script)], {})

    health = judge([a_journal()], SEARCHING, NOW_US + 1, filters)
    later = judge([a_journal()], SEARCHING, NOW_US + GOES_ON_US, filters)

    assert (health.status, health.warnings) == ("warning", ["failing: mask.lua: line 3: a nil value"])
    assert (later.status, later.warnings) == ("ok", [])


def test_data_node_that_is_away_is_a_warning_and_no_failure() -> None:
    health = judge([a_journal()], SEARCHING, NOW_US, nodes_away=["far"])

    words = "data node far cannot be searched: answers lack what it has"
    assert (health.status, health.warnings) == ("warning", [words])


def test_intake_that_does_not_run_cannot_receive() -> None:
    health = judge([a_journal(has_intake=False)], SEARCHING, NOW_US)

    assert health.status == "failing"
    assert health.receive == Part(ok=False, message="cannot receive: intake is not running")


def test_directory_without_journal_cannot_receive() -> None:
    assert judge([], SEARCHING, NOW_US).status == "failing"


def test_journal_left_over_from_more_workers_is_no_failure() -> None:
    left_over = a_journal(name="0001", has_intake=False, has_worker=False)

    assert judge([a_journal(), left_over], SEARCHING, NOW_US).status == "ok"


def test_full_journal_cannot_receive() -> None:
    health = judge([a_journal(intake={"full": 1})], SEARCHING, NOW_US)

    assert health.receive == Part(ok=False, message="cannot receive: no room in journal 0000")


def test_worker_without_database_cannot_store() -> None:
    health = judge([a_journal(worker={"database_away": 1})], SEARCHING, NOW_US)

    words = "cannot store: the worker of journal 0000 cannot write to the database"
    assert health.status == "failing"
    assert health.store == Part(ok=False, message=words)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [(Trouble.REFUSED, "has its batches refused"), (Trouble.NO_PARTITION, "finds no partition")],
)
def test_database_that_is_there_and_takes_nothing_is_told_in_its_own_words(
    trouble: Trouble, words: str
) -> None:
    health = judge([a_journal(worker={"trouble": int(trouble)})], SEARCHING, NOW_US)

    assert health.store is not None
    assert not health.store.ok
    assert f"the worker of journal 0000 {words}" in health.store.message


def test_worker_that_ended_with_nothing_left_to_store_is_no_failure() -> None:
    left_over = a_journal(name="0001", has_intake=False, has_worker=False, worker={"database_away": 1})

    assert judge([a_journal(), left_over], SEARCHING, NOW_US).status == "ok"


@pytest.mark.parametrize(
    ("has_worker", "words"),
    [
        (True, "cannot store: the worker of journal 0000 commits nothing, 5 packets wait"),
        (False, "cannot store: the worker of journal 0000 is not running, 5 packets wait"),
    ],
)
def test_packets_that_wait_without_any_commit_are_not_stored(has_worker: bool, words: str) -> None:
    stuck = a_journal(
        waiting=5,
        waiting_us=60_000_000,
        has_worker=has_worker,
        worker={"last_commit_us": NOW_US - 60_000_000},
    )

    health = judge([stuck], SEARCHING, NOW_US)

    assert health.store == Part(ok=False, message=words)


def test_backlog_that_is_being_worked_on_is_a_warning() -> None:
    behind = a_journal(waiting=5, waiting_us=60_000_000, worker={"last_commit_us": NOW_US - 100_000})

    health = judge([behind], SEARCHING, NOW_US)

    assert health.status == "warning"
    assert health.warnings == ["journal 0000: 5 packets wait, the oldest for 60 s"]


def test_packet_after_a_long_silence_is_no_failure() -> None:
    fresh = a_journal(waiting=1, waiting_us=50_000, worker={"last_commit_us": NOW_US - 3_600_000_000})

    assert judge([fresh], SEARCHING, NOW_US).status == "ok"


def test_worker_that_is_not_running_is_a_warning_before_packets_wait() -> None:
    health = judge([a_journal(has_worker=False)], SEARCHING, NOW_US)

    assert (health.status, health.warnings) == ("warning", ["journal 0000: no worker is running"])


def test_database_that_does_not_answer_cannot_search() -> None:
    away = Part(ok=False, message="cannot search: the database does not answer")

    assert judge([a_journal()], away, NOW_US).status == "failing"


def test_figures_on_another_machine_are_not_judged() -> None:
    health = judge(None, SEARCHING, NOW_US)

    assert (health.status, health.receive, health.store) == ("ok", None, None)


@pytest.mark.parametrize(("minutes", "warns"), [(14, False), (16, True)])
def test_retention_that_fails_for_long_is_worth_a_word(minutes: int, warns: bool) -> None:
    since = {"retention_failing_us": NOW_US - minutes * 60_000_000}
    health = judge([a_journal(worker=since, retention_error="lock timeout")], SEARCHING, NOW_US)

    words = ["retention: what is to be deleted cannot be, for 16 minutes: lock timeout"]
    assert health.warnings == (words if warns else [])
    assert health.status == ("warning" if warns else "ok")
