"""Whether Rhapsode can receive, store and search, in words; one failing part is enough to say no.

Receiving and storing are judged by the files of intake and workers, so only on their machine. Knows nothing
of HTTP.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.errors import DatabaseError, DatabaseMismatch
from api.figures import Journal
from api.filters import Filters, failures_of, warnings_of

STUCK_US = 30_000_000
"""A backlog of which nothing was committed for so long is not being stored."""
BEHIND_US = 5_000_000
"""A backlog older than this is worth a word."""
UNDELETED_US = 900_000_000
"""A search, a backup or a lock may hold up retention for so long."""


class Part(msgspec.Struct):
    """One of the three things Rhapsode must be able to do."""

    ok: bool
    message: str


class Health(msgspec.Struct):
    """`status` is `failing` as soon as one part is not ok, `warning` when something may become a failure."""

    status: Literal["ok", "warning", "failing"]
    receive: Part | None
    """Null where intake runs on another machine."""
    store: Part | None
    """Null where the workers run on another machine."""
    search: Part
    warnings: list[str]


def judge(
    journals: list[Journal] | None,
    search: Part,
    now_us: int | None = None,
    filters: Filters | None = None,
    ui_trouble: str | None = None,
    nodes_away: Iterable[str] = (),
) -> Health:
    """The whole from its parts; None for journals that are elsewhere. `nodes_away` names data nodes."""
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    receive = None if journals is None else judge_receiving(journals)
    store = None if journals is None else judge_storing(journals, now_us)
    warnings = [] if journals is None else list(_warnings(journals, now_us))
    if filters is not None:
        warnings += [*warnings_of(filters), *failures_of(filters, now_us)]
    if ui_trouble is not None:
        warnings.append(ui_trouble)
    # Not why: whoever asks need not be logged in, and the words name machines.
    warnings += [f"data node {name} cannot be searched: answers lack what it has" for name in nodes_away]
    if not all(part.ok for part in (receive, store, search) if part is not None):
        return Health("failing", receive, store, search, warnings)
    return Health("warning" if warnings else "ok", receive, store, search, warnings)


def judge_receiving(journals: list[Journal]) -> Part:
    """One intake serves several journals: left-over ones without any are being drained."""
    current = [journal for journal in journals if journal.has_intake]
    if not current:
        return Part(ok=False, message="cannot receive: intake is not running")
    full = [journal.name for journal in current if journal.intake["full"]]
    if full:
        return Part(ok=False, message=f"cannot receive: no room in journal {', '.join(full)}")
    return Part(ok=True, message="receiving")


def judge_storing(journals: list[Journal], now_us: int) -> Part:
    """A worker that idles need not have committed lately; one with packets waiting must."""
    for journal in journals:
        # A worker that has drained a left-over journal and ended says nothing about today.
        if journal.trouble and (journal.has_worker or journal.waiting):
            words = f"cannot store: the worker of journal {journal.name} {journal.trouble}"
            return Part(ok=False, message=words)
        if not journal.waiting or journal.waiting_us < STUCK_US:
            continue
        if now_us - journal.worker["last_commit_us"] > STUCK_US:
            what = "is not running" if not journal.has_worker else "commits nothing"
            words = (
                f"cannot store: the worker of journal {journal.name} {what}, {journal.waiting} packets wait"
            )
            return Part(ok=False, message=words)
    return Part(ok=True, message="storing")


async def judge_searching(engine: AsyncEngine, timeout_s: float) -> Part:
    """Asks the database for one row."""
    try:
        async with asyncio.timeout(timeout_s), engine.connect() as connection:
            await connection.execute(text("select 1"))
    except DatabaseMismatch as error:
        return Part(ok=False, message=f"cannot search: {error}")
    except (DatabaseError, SQLAlchemyError, TimeoutError):
        return Part(ok=False, message="cannot search: the database does not answer")
    return Part(ok=True, message="searching")


def _warnings(journals: list[Journal], now_us: int) -> Iterator[str]:
    for journal in journals:
        failing_us = journal.worker["retention_failing_us"]
        if journal.has_worker and failing_us and now_us - failing_us > UNDELETED_US:
            yield (
                f"retention: what is to be deleted cannot be, for {(now_us - failing_us) // 60_000_000}"
                f" minutes: {journal.retention_error}"
            )
        if journal.waiting_us > BEHIND_US:
            yield (
                f"journal {journal.name}: {journal.waiting} packets wait, the oldest for"
                f" {journal.waiting_us // 1_000_000} s"
            )
        if journal.has_intake and not journal.has_worker:
            yield f"journal {journal.name}: no worker is running"
