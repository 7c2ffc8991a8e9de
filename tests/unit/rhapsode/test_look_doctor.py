"""What is wrong, from what was seen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.figures import Journal
from capture.journal.figures import IntakeFigure, WorkerFigure
from capture.route import MessageClass
from capture.stats import Outcome
from capture.store.senders import Sender
from capture.store.survey import StoredClass
from rhapsode.look.database import DatabaseLook
from rhapsode.look.doctor import examine
from rhapsode.look.finding import Finding, as_json, is_well
from rhapsode.look.machine import DiskLook, MachineLook, Rates
from rhapsode.look.nodes import NodeLook
from rhapsode.settings import Settings

NOW_US = 1_800_000_000_000_000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
GB = 1_000_000_000
NO_RATES = Rates(0.0, dict.fromkeys(Outcome, 0.0), 0)
A_DAY_OF_CALLS = {MessageClass.CALL: StoredClass(NOW_US - DAY_US, GB, GB, DAY_US)}
WELL = DatabaseLook(
    "embedded",
    version=180_006,
    version_words="18.6",
    bytes=GB,
    stored=A_DAY_OF_CALLS,
    senders=[Sender("sbc-1", NOW_US - 1_000_000, NOW_US - 1_000_000)],
)


def a_journal(
    intake: dict[str, int] | None = None, worker: dict[str, int] | None = None, **changes: Any
) -> Journal:
    zeros = {figure.name.lower(): 0 for figure in (*IntakeFigure, *WorkerFigure)}
    facts: dict[str, Any] = {"name": "0000", "bytes": 0, "waiting": 0, "waiting_us": 0}
    facts |= {"has_intake": True, "has_worker": True} | changes
    return Journal(intake=zeros | (intake or {}), worker=zeros | (worker or {}), **facts)


def a_machine(*journals: Journal, **changes: Any) -> MachineLook:
    machine = MachineLook(
        data_dir=Path("/data"),
        processes=[(7, "rhapsode up")],
        listeners=[],
        journals=list(journals) or [a_journal({"last_number": 100}, {"number": 101})],
        rates=NO_RATES,
        aside=0,
        disk=DiskLook(Path("/data"), 100 * GB, 50 * GB, 2 * GB),
    )
    return replace(machine, **changes)


def found(
    machine: MachineLook | None = None, database: DatabaseLook = WELL, **settings: Any
) -> dict[str, Finding]:
    """What is not ok, by the name of the check."""
    findings = examine(Settings(**settings), machine or a_machine(), database, [], NOW_US)
    return {finding.check: finding for finding in findings if finding.state != "ok"}


def problems(machine: MachineLook | None = None, database: DatabaseLook = WELL, **settings: Any) -> set[str]:
    findings = found(machine, database, **settings)
    assert all(finding.advice for finding in findings.values() if finding.state == "problem")
    return {check for check, finding in findings.items() if finding.state == "problem"}


def test_installation_that_is_well_has_nothing_wrong() -> None:
    findings = examine(Settings(), a_machine(), WELL, [], NOW_US)

    assert {finding.state for finding in findings} == {"ok"}
    assert is_well(findings)
    assert as_json(findings)["well"] is True
    assert {"check": "aside", "state": "ok", "words": "no packet is set aside", "advice": ""} in as_json(
        findings
    )["findings"]


def test_system_that_does_not_run_is_wrong_and_its_embedded_database_is_not_blamed() -> None:
    stopped = a_machine(a_journal(has_intake=False, has_worker=False, waiting=5), processes=[])

    findings = found(stopped, DatabaseLook("embedded", error="no database runs"))

    assert {check for check, finding in findings.items() if finding.state == "problem"} == {"running"}
    assert findings["journal"].words == "5 packets wait in the journal and are stored at the next start"


def test_directory_where_nothing_was_ever_started_is_named() -> None:
    findings = found(a_machine(journals=[], processes=[]), DatabaseLook("embedded", error="no database runs"))

    assert findings["running"].words == "nothing was ever started on /data"


@pytest.mark.parametrize(
    ("journal", "check", "words"),
    [
        (a_journal({"full": 1}), "journal", "journal 0000 is full"),
        (a_journal(has_worker=False), "worker", "journal 0000 has no worker"),
        (a_journal(worker={"database_away": 1}), "worker", "cannot write to the database"),
        (
            a_journal(waiting=9, waiting_us=6_000_000),
            "journal",
            "storing is behind: 9 packets wait, the oldest for 6.0 s",
        ),
        (
            a_journal(has_intake=False, has_worker=False, waiting=9),
            "worker",
            "left over with 9 packets, and nobody drains it",
        ),
    ],
)
def test_journal_in_trouble_is_named(journal: Journal, check: str, words: str) -> None:
    findings = found(a_machine(journal))

    assert findings[check].state == "problem"
    assert words in findings[check].words


def test_packets_set_aside_are_wrong() -> None:
    assert problems(a_machine(aside=3)) == {"aside"}


@pytest.mark.parametrize(
    ("rates", "state"),
    [(NO_RATES, "note"), (replace(NO_RATES, kernel_drops=1), "problem")],
)
def test_kernel_drops_are_wrong_while_they_go_on_and_worth_a_word_later(rates: Rates, state: str) -> None:
    machine = a_machine(a_journal({"last_number": 9_999, "kernel_drops": 1}, {"number": 10_000}), rates=rates)

    assert found(machine)["drops"].state == state


def test_packets_dropped_for_want_of_room_are_wrong_while_they_go_on() -> None:
    machine = a_machine(a_journal({"last_number": 9, "dropped": 4}, {"number": 10}))
    going_on = replace(NO_RATES, outcomes=NO_RATES.outcomes | {Outcome.DROPPED: 4.0})

    assert found(machine)["drops"].state == "note"
    assert found(replace(machine, rates=going_on))["drops"].state == "problem"


@pytest.mark.parametrize(
    ("database", "check", "words"),
    [
        (DatabaseLook("db/x", error="connection refused"), "database", "connection refused"),
        (
            DatabaseLook("db/x", version=140_010, version_words="14.10"),
            "database",
            "PostgreSQL 14.10, too old",
        ),
        (replace(WELL, read_only=True), "database", "takes no writes"),
        (replace(WELL, schema_error="of level 1, this version needs 3"), "schema", "level 1"),
    ],
)
def test_database_in_trouble_is_named(database: DatabaseLook, check: str, words: str) -> None:
    findings = found(database=database)

    assert findings[check].state == "problem"
    assert words in findings[check].words


def test_sender_is_named_by_how_long_it_has_been_silent() -> None:
    silent = [
        Sender("gone", NOW_US - 40 * HOUR_US, NOW_US - 38 * HOUR_US),
        Sender("quiet", NOW_US - 5 * HOUR_US, NOW_US - 5 * HOUR_US),
    ]
    findings = examine(Settings(), a_machine(), replace(WELL, senders=[*silent, *WELL.senders]), [], NOW_US)

    assert [(each.state, each.words) for each in findings if each.check == "senders"] == [
        ("problem", "silent for more than a day: gone (at least 38 h ago)"),
        ("note", "silent for more than an hour: quiet (5 h ago)"),
        ("ok", "heard within the hour: sbc-1 (1.0 s ago)"),
    ]


def test_no_packet_at_all_is_wrong_only_where_some_have_come_before() -> None:
    silent = replace(WELL, senders=[])

    assert problems(database=silent) == {"senders"}
    assert found(a_machine(a_journal()), silent)["senders"].state == "note"


def test_packets_too_old_to_be_kept_are_wrong_while_they_come() -> None:
    machine = a_machine(rates=replace(NO_RATES, expired=7))

    finding = found(machine)["senders"]

    assert finding.state == "problem"
    assert "older than they are kept: 7 within the last second" in finding.words


def test_agent_with_a_wrong_clock_is_told_from_one_that_does_not_reach_us() -> None:
    machine = a_machine(a_journal({"last_number": 100}, {"number": 101, "filtered_expired": 100}))

    finding = found(machine, replace(WELL, senders=[]))["senders"]

    assert finding.words == "no packet of the last days is stored; 100 were older than they are kept"
    assert "clock of the agent" in finding.advice


def test_many_senders_are_counted() -> None:
    many = [Sender(f"pbx-{number}", NOW_US, NOW_US) for number in range(12)]
    findings = examine(Settings(), a_machine(), replace(WELL, senders=many), [], NOW_US)

    (senders,) = [each for each in findings if each.check == "senders"]
    assert senders.words.endswith("pbx-4 (0 ms ago), and 7 more")


def test_silent_senders_are_named_one_by_one() -> None:
    gone = [Sender(f"pbx-{number}", NOW_US - 40 * HOUR_US, NOW_US - 40 * HOUR_US) for number in range(12)]

    assert found(database=replace(WELL, senders=gone))["senders"].words.endswith("pbx-11 (40 h ago)")


def test_nothing_is_said_of_retention_where_nobody_deletes() -> None:
    stopped = examine(Settings(), a_machine(processes=[]), WELL, [], NOW_US)
    away = examine(Settings(), a_machine(), DatabaseLook("db/x", error="away"), [], NOW_US)

    assert "retention" not in {each.check for each in (*stopped, *away)}


@pytest.mark.parametrize(("minutes", "expected"), [(14, set()), (16, {"retention"})])
def test_retention_that_fails_for_long_is_wrong(minutes: int, expected: set[str]) -> None:
    worker = {"retention_failing_us": NOW_US - minutes * 60_000_000}

    assert problems(a_machine(a_journal(worker=worker, retention_error="lock timeout"))) == expected


@pytest.mark.parametrize(
    ("free", "expected"), [(50 * GB, set()), (4 * GB, {"disk"}), (2 * GB, {"disk"}), (1 * GB, {"disk"})]
)
def test_disk_that_is_full_within_days_is_wrong(free: int, expected: set[str]) -> None:
    machine = a_machine(disk=DiskLook(Path("/data"), 100 * GB, free, 2 * GB))

    assert problems(machine) == expected


def test_disk_of_a_database_elsewhere_is_not_guessed_at() -> None:
    machine = a_machine(disk=DiskLook(Path("/data"), 100 * GB, 4 * GB, 2 * GB))

    assert problems(machine, database_url="postgresql://db/x") == set()


def test_data_node_that_is_away_is_worth_a_note_with_what_to_do() -> None:
    nodes = [NodeLook("near"), NodeLook("far", error="the connection is lost")]

    findings = examine(Settings(), a_machine(), WELL, [], NOW_US, nodes)

    far, near = [each for each in findings if each.check == "nodes"]
    assert (near.state, near.words) == ("ok", "data nodes answer: near")
    assert (far.state, far.words) == ("note", "data node far cannot be searched: the connection is lost")
    assert "nodes.far.url" in far.advice
    assert is_well(findings)
