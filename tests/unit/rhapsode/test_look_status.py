"""What `status` tells of what was seen, as JSON and as a table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from capture.route import MessageClass
from capture.stats import Outcome
from capture.store.survey import StoredClass
from rhapsode.look.database import DatabaseLook
from rhapsode.look.machine import DiskLook, MachineLook, Rates
from rhapsode.look.nodes import NodeLook
from rhapsode.look.status import status
from rhapsode.look.table import render
from rhapsode.settings import Settings
from tests.unit.rhapsode.test_look_doctor import GB, WELL, a_journal, a_machine

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_OLDEST_US = WELL.stored[MessageClass.CALL].oldest_us or 0
RATES = Rates(2000.04, dict.fromkeys(Outcome, 0.0) | {Outcome.WRITTEN: 1999.0}, 0)


def seen(
    machine: MachineLook | None = None, database: DatabaseLook = WELL, **settings: Any
) -> dict[str, Any]:
    return status(Settings(**settings), machine or a_machine(rates=RATES), database)


def shown(found: dict[str, Any], width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(render(found))
    return captured.get()


def calls(oldest_us: int, recent_us: int, recent_bytes: int = GB) -> DatabaseLook:
    return replace(WELL, stored={MessageClass.CALL: StoredClass(oldest_us, 5 * GB, recent_bytes, recent_us)})


def test_rates_and_totals_stand_side_by_side() -> None:
    packets = seen()["packets"]

    assert packets["received"] == {"per_second": 2000.0, "total": 100}
    assert packets["written"] == {"per_second": 1999.0, "total": 0}
    assert set(packets) == {"received", "kernel_drops", *(outcome.name.lower() for outcome in Outcome)}


@pytest.mark.parametrize(
    ("free", "kept", "fills", "days"),
    [(12 * GB, "0", True, 10.0), (12 * GB, "14d", True, 10.0), (90 * GB, "14d", False, None)],
)
def test_disk_fills_unless_retention_comes_first(
    free: int, kept: str, fills: bool, days: float | None
) -> None:
    disk = DiskLook(Path("/data"), 100 * GB, free, 2 * GB)
    found = seen(a_machine(disk=disk), retention={"call": kept})["disk"]

    assert (found["fills"], found["days_until_full"]) == (fills, days)


def test_disk_of_another_machine_and_a_first_hour_are_not_guessed_at() -> None:
    elsewhere = seen(database_url="postgresql://db/x")["disk"]
    young = seen(database=calls(_OLDEST_US, HOUR_US - 1))["disk"]

    assert elsewhere["fills"] is young["fills"] is None


def test_disk_of_an_installation_without_packets_is_not_called_safe() -> None:
    nothing = replace(WELL, stored=dict.fromkeys(MessageClass, StoredClass(None, GB, 0, 0)), senders=[])

    assert seen(database=nothing)["disk"]["fills"] is None
    assert "how long that lasts shows after an hour" in shown(seen(database=nothing))


def test_class_that_came_a_minute_ago_hides_no_other() -> None:
    young = StoredClass(_OLDEST_US + 23 * HOUR_US, GB, GB, 60_000_000)
    disk = DiskLook(Path("/data"), 100 * GB, 6 * GB, 2 * GB)
    both = replace(WELL, stored={**WELL.stored, MessageClass.RTCP: young})

    found = seen(a_machine(disk=disk), both, retention={"call": "0", "rtcp": "0"})

    assert found["disk"]["days_until_full"] == 2.0
    assert [each["bytes_per_day"] for each in found["classes"]] == [GB, GB]


def test_table_says_it_in_words_within_eighty_columns() -> None:
    page = shown(seen())

    assert page.splitlines()[0] == "Rhapsode is running, 2,000 packets/s   /data"
    assert "full in" in page or "never full" in page
    assert "nothing of registrations" not in page, "only classes that were asked for"
    assert max(map(len, page.splitlines())) <= 80


@pytest.mark.parametrize(
    ("journal", "words"),
    [
        (a_journal({"full": 1}), "full, drops packets"),
        (a_journal(worker={"database_away": 1}), "no database"),
        (a_journal(has_worker=False), "no worker"),
        (a_journal(has_intake=False), "being drained"),
        (a_journal(has_intake=False, has_worker=False, waiting=7), "stopped"),
        (a_journal(has_intake=False, has_worker=False), "empty"),
        (a_journal(waiting=7, waiting_us=6_000_000), "behind"),
        (a_journal(), "ok"),
    ],
)
def test_state_of_a_journal_is_one_word(journal: Any, words: str) -> None:
    page = shown(seen(a_machine(journal)))

    assert next(line for line in page.splitlines() if line.startswith("0000")).rstrip().endswith(words)


def test_what_is_not_known_is_not_invented() -> None:
    stopped = a_machine(journals=[], processes=[])
    page = shown(seen(stopped, DatabaseLook("embedded", error="no database runs")))

    assert "Rhapsode is not running" in page
    assert "nothing received" in page
    assert "embedded, not running" in page


def test_error_of_the_database_and_packets_set_aside_are_shown() -> None:
    page = shown(seen(a_machine(aside=2), DatabaseLook("db/x", error="connection refused")))

    assert "connection refused" in page
    assert "aside     2 packets" in page


def test_data_node_that_is_away_is_shown() -> None:
    nodes = [NodeLook("near"), NodeLook("far", error="gone")]
    found = status(Settings(), a_machine(rates=RATES), WELL, nodes)

    assert found["nodes"] == [{"name": "near", "error": None}, {"name": "far", "error": "gone"}]
    assert "node      far cannot be searched: gone" in shown(found)
    assert "near" not in shown(found)
