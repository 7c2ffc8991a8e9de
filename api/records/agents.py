"""Agents that have told where they can be asked: kept until they expire. Knows no HTTP."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from api.records.kind import Values
from api.records.kinds import AGENT
from api.records.store import Change, find_rows, hold, make_row
from api.tables import agents

SECONDS = 3600
"""How long one is kept that does not say."""


async def subscribe(change: Change, values: Values) -> datetime:
    """Keep one in place of an earlier one of its uuid; until when it is kept."""
    await hold(change, AGENT)
    await forget_expired(change.connection)
    now = datetime.now(UTC)
    until = now + timedelta(seconds=values.get("ttl") or SECONDS)
    await change.connection.execute(delete(agents).where(agents.c.guid == values["guid"]))
    await make_row(change, AGENT, values | {"create_date": now, "expire_date": until, "active": 1})
    return until


async def of_type(connection: AsyncConnection, type_: str) -> list[Values]:
    """Those that have not expired and whose type has this in it."""
    now = datetime.now(UTC)
    rows = await find_rows(connection, AGENT)
    return [row for row in rows if type_ in row["type"] and row["expire_date"] > now]


async def forget_expired(connection: AsyncConnection) -> None:
    await connection.execute(delete(agents).where(agents.c.expire_date < datetime.now(UTC)))
