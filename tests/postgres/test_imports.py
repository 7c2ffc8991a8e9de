"""Capture files on their way from the journal into the database: found like anything else, and deleted."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from capture.errors import DatabaseAway, ImportBusy, NoSuchImport
from capture.imported import read_reports, reports_directory, write_report
from capture.imports.remove import remove_import
from capture.imports.task import ImportResult
from capture.journal.log import JournalWriter
from capture.settings import JournalSettings
from tests.support.api import add_user, an_api
from tests.support.database import connected, execute, fetch
from tests.support.importing import NOW_US, a_file, a_message, import_file, sip_frames
from tests.support.sender import hep3
from tests.support.working import append, working

WAIT = {"wait_s": 20}


def imported(data_dir: Path, database_url: str, path: Path, **given: Any) -> ImportResult:
    """Imported and stored."""
    (data_dir / "journal" / "import").mkdir(parents=True, exist_ok=True)
    with working(data_dir / "journal" / "import", database_url):
        return import_file(data_dir, path, imports=WAIT, **given)


async def search(database_url: str, **fields: str) -> list[dict[str, Any]]:
    """Rows of calls of the last two hours that have these values."""
    elements = [{"name": name, "value": value, "type": "string"} for name, value in fields.items()]
    body = {
        "timestamp": {"from": NOW_US // 1000 - 7_200_000, "to": NOW_US // 1000 + 7_200_000},
        "param": {"search": {"1_call": elements}},
    }
    async with an_api(database_url) as api:
        await add_user(api.context.engine)
        answer = await api.client.post("/api/v3/search/call/data", json=body, headers=await api.log_in())
        await execute(database_url, "delete from users where username = 'admin'")
    assert answer.status_code == 201
    assert "x-rhapsode-warning" not in answer.headers, answer.headers
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


async def test_what_is_imported_is_searched_like_anything_else(database_url: str, tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(3))

    result = imported(tmp_path, database_url, path, label="ticket-7")

    (row,) = await search(database_url, **{"data_header.callid": "import-2@192.0.2.10"})
    by_label = await search(database_url, **{"data_header.import_label": "ticket-7"})
    others = await search(database_url, **{"data_header.import_label": "!=ticket-7"})
    by_both = await search(
        database_url, **{"data_header.import_label": "ticket-7", "data_header.from_user": "al%"}
    )
    assert result.is_stored
    assert (result.report.inserted, result.rejected) == (3, 0)
    assert row["import_label"] == "ticket-7"
    assert len(by_label) == len(by_both) == 3
    assert others == []


async def test_file_imported_twice_is_there_twice_under_its_two_labels(
    database_url: str, tmp_path: Path
) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(2))
    (tmp_path / "journal" / "import").mkdir(parents=True)

    # One worker for both, so that it remembers the first when the second comes.
    with working(tmp_path / "journal" / "import", database_url):
        import_file(tmp_path, path, imports=WAIT, label="first")
        import_file(tmp_path, path, imports=WAIT, label="second")
        removed = await remove_import(database_url, tmp_path, "first", "admin")

    by_user = await search(database_url, **{"data_header.to_user": "bob"})
    assert removed == 2
    assert [row["import_label"] for row in by_user] == ["second", "second"]
    assert len(await search(database_url, **{"data_header.import_label": "second"})) == 2


async def test_deletion_takes_what_the_import_brought_and_nothing_else(
    database_url: str, tmp_path: Path
) -> None:
    imported(tmp_path, database_url, a_file(tmp_path / "a.pcap", sip_frames(2)), label="ticket-7")
    received = tmp_path / "journal" / "0000"
    with closing(JournalWriter.open(received, JournalSettings(min_free_bytes=1))) as writer:
        append(writer, [hep3(a_message(1), NOW_US)])
        with working(received, database_url):
            await _until(lambda: fetch(database_url, "select 1 from messages_1_call"), 3)

    removed = await remove_import(database_url, tmp_path, "ticket-7", "bob")

    (row,) = await search(database_url, **{"data_header.from_user": "alice"})
    keys = await fetch(database_url, "select 1 from keys_1_call where extra is not null")
    (report,) = read_reports(reports_directory(tmp_path))
    assert removed == 2
    assert "import_label" not in row
    assert row["callid"] == "import-1@192.0.2.10"
    assert keys == []
    assert report.deleted_us > report.ended_us
    assert report.deleted_by == "bob"


async def _until(ask: Callable[[], Any], rows: int) -> None:
    give_up = time.monotonic() + 20
    while len(await ask()) < rows:
        assert time.monotonic() < give_up


async def test_deleted_import_is_no_longer_known(database_url: str, tmp_path: Path) -> None:
    imported(tmp_path, database_url, a_file(tmp_path / "a.pcap", sip_frames(1)), label="ticket-7")
    await remove_import(database_url, tmp_path, "ticket-7", "admin")

    for label in ("ticket-7", "other"):
        with pytest.raises(NoSuchImport, match=f"there is no import with the label {label}"):
            await remove_import(database_url, tmp_path, label, "admin")


async def test_import_that_is_still_to_be_stored_is_not_deleted(database_url: str, tmp_path: Path) -> None:
    import_file(tmp_path, a_file(tmp_path / "a.pcap", sip_frames(1)), label="ticket-7")

    with pytest.raises(ImportBusy, match="some of ticket-7 is still to be stored"):
        await remove_import(database_url, tmp_path, "ticket-7", "admin")


async def test_import_that_was_broken_off_is_deleted_once_all_of_it_is_stored(
    database_url: str, tmp_path: Path
) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(3))
    reports = reports_directory(tmp_path)
    report = import_file(tmp_path, path, label="ticket-7").report
    report.ended_us = report.last_record = report.inserted = 0
    write_report(reports, report)

    with pytest.raises(ImportBusy):
        await remove_import(database_url, tmp_path, "ticket-7", "admin")
    imported(tmp_path, database_url, path, label="later")
    with working(tmp_path / "journal" / "import", database_url):
        await _until(lambda: fetch(database_url, "select 1 from messages_1_call"), 6)

    assert await remove_import(database_url, tmp_path, "ticket-7", "admin") == 3
    assert len(await fetch(database_url, "select 1 from messages_1_call")) == 3


async def test_database_that_is_away_is_said_and_the_import_stays_known(
    database_url: str, tmp_path: Path
) -> None:
    imported(tmp_path, database_url, a_file(tmp_path / "a.pcap", sip_frames(1)), label="ticket-7")

    with pytest.raises(DatabaseAway):
        await remove_import("postgresql://nobody@/x?host=/nonexistent", tmp_path, "ticket-7", "admin")

    assert await remove_import(database_url, tmp_path, "ticket-7", "admin") == 1


async def test_rows_of_a_label_are_found_by_an_index(database_url: str, tmp_path: Path) -> None:
    imported(tmp_path, database_url, a_file(tmp_path / "a.pcap", sip_frames(5)), label="ticket-7")
    ((leaf,),) = await fetch(
        database_url,
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'keys_1_call'::regclass",
    )

    async with connected(database_url) as connection:
        # Five rows are read faster as they stand.
        await connection.execute("set enable_seqscan = off")
        plan = await connection.fetch(
            tuple[str],
            f"explain select distinct call from {leaf} where extra @> $1::jsonb",
            '{"custom:import_label": ["ticket-7"]}',
        )

    assert any(f"{leaf}_extra_idx" in line for (line,) in plan), plan


async def test_what_scripts_drop_is_counted_among_the_rejected(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "journal" / "import").mkdir(parents=True)
    path = a_file(tmp_path / "a.pcap", sip_frames(4))

    def drop_odd(draft: Any) -> None:
        if draft.meaning.sid[7] in "13":
            draft.drop("odd")

    with working(tmp_path / "journal" / "import", database_url, script=drop_odd):
        result = import_file(tmp_path, path, imports=WAIT)

    assert (result.is_stored, result.report.inserted) == (True, 2)
    assert result.report.rejected == {"filtered by a script": 2}


async def test_counts_are_not_mixed_with_what_an_earlier_import_left(
    database_url: str, tmp_path: Path
) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(4))
    import_file(tmp_path, path)

    result = imported(tmp_path, database_url, path)

    assert not result.is_stored
    assert result.report.inserted == 4
