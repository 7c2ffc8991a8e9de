"""Deleting what an import brought, by its label.

Every key row of an import bears the label (`capture.pipeline`), and the index of what key rows have besides
finds those in each partition; they name the calls whose messages may bear it. So nothing is read but what
belongs to the import, and messages of the same calls that were received stay.
"""

import json
import time
from pathlib import Path
from typing import Final

from capture.errors import ImportBusy, NoSuchImport
from capture.imported import LABEL, ImportReport, read_reports, reports_directory, write_report
from capture.imports.journal import last_appended, quiet_journal
from capture.store.connection import Connection
from capture.store.partitions import Leaf, leaves_of
from capture.store.rotate import read_catalog

_CALLS_AT_ONCE: Final = 500
"""In one transaction: a few thousand messages."""


async def remove_import(database_url: str, data_dir: Path, label: str, by: str) -> int:
    """Delete the messages of all imports of this label; how many there were.

    NoSuchImport, or ImportBusy while some of it is still to be stored. A deletion that was broken off is
    gone on with by the next one. DatabaseAway when the database does not answer.
    """
    directory = reports_directory(data_dir)
    with quiet_journal(data_dir) as is_stored:
        reports = [report for report in read_reports(directory) if report.label == label]
        reports = [report for report in reports if not report.deleted_us]
        if not reports:
            raise NoSuchImport(f"there is no import with the label {label}")
        # One that was broken off does not say where it ended.
        if not all(is_stored(report.last_record or last_appended(data_dir)) for report in reports):
            raise ImportBusy(f"some of {label} is still to be stored: try again when it is")
        removed = await _remove(database_url, label)
        for report in reports:
            _mark(directory, report, by)
    return removed


def _mark(directory: Path, report: ImportReport, by: str) -> None:
    report.deleted_us, report.deleted_by = time.time_ns() // 1000, by
    write_report(directory, report)


async def _remove(database_url: str, label: str) -> int:
    connection = await Connection.open(database_url)
    try:
        removed = 0
        for leaf in leaves_of(await read_catalog(connection)):
            removed += await _remove_from(connection, leaf, label)
    finally:
        await connection.close()
    return removed


async def _remove_from(connection: Connection, leaf: Leaf, label: str) -> int:
    key = json.dumps({f"custom:{LABEL}": [label]})
    if not await _is_there(connection, leaf):
        return 0
    found = await connection.fetch(
        tuple[int],
        f"select distinct call from {leaf.keys_table} where extra @> $1::jsonb",  # noqa: S608 - words of our own
        key,
    )
    calls = [call for (call,) in found]
    removed = 0
    for start in range(0, len(calls), _CALLS_AT_ONCE):
        some = calls[start : start + _CALLS_AT_ONCE]
        async with connection.transaction():
            tag = await connection.execute(
                f"delete from {leaf.messages_table}"  # noqa: S608 - words of our own
                f" where call = any ($1::bigint[]) and extra->'fields'->>'custom:{LABEL}' = $2",
                some,
                label,
            )
            # Last, since they are what finds the messages.
            await connection.execute(
                f"delete from {leaf.keys_table}"  # noqa: S608 - words of our own
                " where call = any ($1::bigint[]) and extra @> $2::jsonb",
                some,
                key,
            )
        removed += int(tag.split()[1])
    return removed


async def _is_there(connection: Connection, leaf: Leaf) -> bool:
    """Whether retention has not taken it away since the catalog was read."""
    ((there,),) = await connection.fetch(
        tuple[bool],
        "select to_regclass($1) is not null and to_regclass($2) is not null",
        leaf.messages_table,
        leaf.keys_table,
    )
    return there
