"""`rhapsode status` as values: what `--json` prints, and what the table is made of."""

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from api.filters import failures_of, warnings_of
from capture.route import MessageClass
from capture.stats import Outcome
from rhapsode.look.database import DatabaseLook
from rhapsode.look.forecast import LEAST_US, Growth, days_until_full, growth
from rhapsode.look.machine import MachineLook
from rhapsode.look.nodes import NodeLook
from rhapsode.settings import Settings

Json = dict[str, Any]
"""Values that JSON has. Names are only ever added: scripts read them."""


def status(
    settings: Settings, machine: MachineLook, database: DatabaseLook, nodes: Sequence[NodeLook] = ()
) -> Json:
    """Everything that is known; None for what is not."""
    now_us = time.time_ns() // 1000
    return {
        "time": _moment(now_us),
        "data_dir": str(machine.data_dir),
        "runs": machine.runs,
        "listens": [f"{each.protocol} {each.address}" for each in machine.listeners],
        "packets": _packets(machine),
        "journals": _journals(machine),
        "aside": machine.aside,
        "filters": _filters(machine, now_us),
        "database": _database(database),
        "nodes": [{"name": node.name, "error": node.error or None} for node in nodes],
        "classes": _classes(settings, database, now_us),
        "disk": _disk(settings, machine, database, now_us),
    }


def _packets(machine: MachineLook) -> Json:
    rates = machine.rates
    return {
        "received": {"per_second": round(rates.received, 1), "total": machine.received},
        **{
            outcome.name.lower(): {
                "per_second": round(rates.outcomes[outcome], 1),
                "total": machine.total(outcome),
            }
            for outcome in Outcome
        },
        "kernel_drops": {"per_second": rates.kernel_drops, "total": machine.kernel_drops},
    }


def _journals(machine: MachineLook) -> list[Json]:
    return [
        {
            "name": journal.name,
            "intake": journal.has_intake,
            "worker": journal.has_worker,
            "database_away": bool(journal.worker["database_away"]),
            "full": bool(journal.intake["full"]),
            "waiting_packets": journal.waiting,
            "waiting_seconds": round(journal.waiting_us / 1_000_000, 3),
            "bytes": journal.bytes,
            "commit_delay_seconds": round(journal.worker["lag_us"] / 1_000_000, 3),
        }
        for journal in machine.journals
    ]


def _filters(machine: MachineLook, now_us: int) -> Json:
    return {
        "scripts": [{"name": each.name, "state": each.state} for each in machine.filters.scripts],
        "warnings": [*warnings_of(machine.filters), *failures_of(machine.filters, now_us)],
    }


def _database(database: DatabaseLook) -> Json:
    return {
        "name": database.name,
        "usable": database.usable,
        "error": database.error or database.schema_error or None,
        "version": database.version_words or None,
        "bytes": database.bytes if database.version else None,
    }


def _classes(settings: Settings, database: DatabaseLook, now_us: int) -> list[Json]:
    return [
        {
            "class": message_class.retention_key,
            "homer": message_class.key,
            "oldest": _moment(stored.oldest_us) if stored.oldest_us is not None else None,
            "age_seconds": None
            if stored.oldest_us is None
            else max(0, now_us - stored.oldest_us) // 1_000_000,
            "kept": getattr(settings.retention, message_class.retention_key),
            "bytes": stored.bytes,
            "bytes_per_day": _bytes_a_day(settings, database, message_class, now_us),
        }
        for message_class, stored in database.stored.items()
    ]


def _disk(settings: Settings, machine: MachineLook, database: DatabaseLook, now_us: int) -> Json:
    disk = machine.disk
    days = _days_until_full(settings, machine, database, now_us)
    return {
        "path": str(disk.path),
        "total_bytes": disk.total,
        "free_bytes": disk.free,
        "left_alone_bytes": disk.left_alone,
        "days_until_full": None if days is None or math.isinf(days) else round(days, 1),
        "fills": None if days is None else not math.isinf(days),
    }


def _days_until_full(
    settings: Settings, machine: MachineLook, database: DatabaseLook, now_us: int
) -> float | None:
    """None when it cannot be told: another machine's disk, or less than an hour of packets."""
    known = growths(settings, database, now_us)
    return None if known is None else days_until_full(machine.disk.room, known)


def growths(settings: Settings, database: DatabaseLook, now_us: int) -> list[Growth] | None:
    """How each class grows on the disk of the data directory; None when that cannot be told."""
    if settings.database_url is not None or not database.stored:
        return None
    found = [_growth(settings, database, message_class, now_us) for message_class in database.stored]
    return [each for each in found if each is not None] or None


def _growth(
    settings: Settings, database: DatabaseLook, message_class: MessageClass, now_us: int
) -> Growth | None:
    stored = database.stored[message_class]
    age_us = 0 if stored.oldest_us is None else now_us - stored.oldest_us
    kept_us = settings.retention.kept_us(message_class.retention_key)
    watched_us = stored.recent_us
    if watched_us < LEAST_US:
        # Where others have been stored for longer, it is known that of this class nothing came before.
        watched_us = max(each.recent_us for each in database.stored.values())
    return growth(stored.recent_bytes, watched_us, age_us, kept_us)


def _bytes_a_day(
    settings: Settings, database: DatabaseLook, message_class: MessageClass, now_us: int
) -> int | None:
    found = _growth(settings, database, message_class, now_us)
    return None if found is None else round(found.bytes_a_day)


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
