"""What has become of accounts since their tokens were made: disabled, deleted, logged out, another group.

Kept for `KNOWN_S`, so that a request seldom waits for it. Knows nothing of HTTP or of tokens.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.records.shared import SharedReading
from api.tables import ended_logins, users

KNOWN_S = 2.0
"""So much later at most another process is told of a change; this one is at once."""
MOST_KNOWN = 10_000


class Standing(NamedTuple):
    """An account as it is now."""

    guid: str
    enabled: bool
    usergroup: str
    displayname: str
    epoch: int
    """Logins of another one have ended."""
    ended: frozenset[str]
    """Logins of this one that have ended by themselves."""


class Standings:
    """Asks the database, and remembers for a moment."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[str, tuple[float, Standing | None]] = {}
        self._changes = 0
        self._readings: dict[str, SharedReading[Standing | None]] = {}

    async def of(self, username: str) -> Standing | None:
        """Of the user of this name; None when there is none. DatabaseError while that cannot be told."""
        now_s = self._clock()
        known = self._known.get(username)
        if known is not None and now_s < known[0]:
            return known[1]
        while True:
            changes = self._changes
            reading = self._readings.setdefault(username, SharedReading())
            standing = await reading.get(partial(_read, self._engine, username))
            if changes == self._changes:
                # Else it may be older than the change.
                break
        self._readings.pop(username, None)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[username] = now_s + KNOWN_S, standing
        return standing

    def forget(self, username: str | None = None) -> None:
        """One user's has changed; None: anybody's may have."""
        self._changes += 1
        self._readings.clear()
        if username is None:
            self._known.clear()
        else:
            self._known.pop(username, None)


async def _read(engine: AsyncEngine, username: str) -> Standing | None:
    if "\0" in username:
        return None
    ended = (
        select(func.array_agg(ended_logins.c.login_id))
        .where(ended_logins.c.username == username, ended_logins.c.expires_at > func.now())
        .scalar_subquery()
    )
    wanted = select(
        users.c.guid,
        users.c.enabled,
        users.c.usergroup,
        users.c.firstname,
        users.c.lastname,
        users.c.login_epoch,
        ended,
    ).where(users.c.username == username)
    async with engine.connect() as connection:
        row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        return None
    guid, enabled, usergroup, firstname, lastname, epoch, logins = row
    displayname = f"{firstname} {lastname}".strip() or username
    return Standing(guid, enabled, usergroup, displayname, epoch, frozenset(logins or ()))
