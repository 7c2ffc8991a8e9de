"""Dashboards: JSON of the web UI's, a row of the user's settings each, and those that everybody begins with.

Source: the web UI's dashboards and widgets, by the names that it goes by. What is in one is for the UI to
know; here only its name, its place in the menu and whether it is shared matter. Knows no HTTP.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Text, cast, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api.errors import RequestError
from api.records.kind import Values
from api.records.store import Change
from api.tables import user_settings

MOST_OWN = 100
"""Dashboards of one user: the menu of the web UI shows them all, and reads them all to do so."""
MOST_SETTINGS = 1000
"""Settings of one user, dashboards among them: they are listed as a whole, without pages."""
CATEGORY = "dashboard"
HOME, SMART, REGISTRATION = "home", "smartsearch", "registration"

_MINE = user_settings.c.category == CATEGORY


class Dashboard(NamedTuple):
    """One dashboard."""

    id: str
    owner: str
    data: Any

    @property
    def is_shared(self) -> bool:
        """Everybody sees it."""
        return isinstance(self.data, dict) and self.data.get("shared") in (True, 1, "true")

    @property
    def listed(self) -> Values | None:
        """As the menu has it; None for one without a name."""
        data = self.data if isinstance(self.data, dict) else {}
        name = data.get("name")
        if not isinstance(name, str) or not name:
            return None
        weight = data.get("weight")
        return {
            "cssclass": "fa",
            "href": self.id,
            "id": self.id,
            "name": name,
            "owner": self.owner,
            "param": data.get("param", self.id),
            "shared": self.is_shared,
            "type": data.get("type", 1),
            "weight": weight if isinstance(weight, int | float) and not isinstance(weight, bool) else 10,
        }


async def visible(
    connection: AsyncConnection, username: str, home: Any = None, *, is_admin: bool = False
) -> list[Dashboard]:
    """One's own and those that are shared, by name; `home` in place of the program's."""
    # Only what may be shared is read of others.
    text = cast(user_settings.c.data, Text)
    others = [text.like(f'%"shared":{said}%') for said in ("true", "1", '"true"')]
    where = _MINE & or_(user_settings.c.username == username, *others)
    rows = await connection.execute(
        select(user_settings.c.param, user_settings.c.username, user_settings.c.data).where(where)
    )
    found = [Dashboard(*row) for row in rows]
    found = [each for each in found if each.owner == username or each.is_shared]
    own = {each.id for each in found if each.owner == username}
    found += [each for each in first_ones(username, home, is_admin=is_admin) if each.id not in own]
    return sorted(found, key=lambda each: (str((each.listed or {}).get("name", "")), each.id, each.owner))


async def find(
    connection: AsyncConnection, username: str, id_: str, home: Any = None, *, is_admin: bool = False
) -> Dashboard | None:
    """The user's own of this id, else one that is shared; None where there is none."""
    found = [each for each in await visible(connection, username, home, is_admin=is_admin) if each.id == id_]
    return min(found, key=lambda each: each.owner != username) if found else None


async def is_another_s(connection: AsyncConnection, username: str, id_: str) -> bool:
    """Whether somebody else has one of this id, which links could not tell from one's own."""
    if id_ in (HOME, SMART, REGISTRATION):
        return False
    where = _MINE & (user_settings.c.param == id_) & (user_settings.c.username != username)
    return (await connection.execute(select(user_settings.c.id).where(where).limit(1))).first() is not None


async def keep(change: Change, username: str, id_: str, data: Values) -> None:
    """Make or replace the user's own."""
    row = {
        "guid": str(uuid.uuid4()),
        "username": username,
        "category": CATEGORY,
        "param": id_,
        "data": {"dashboardId": id_, **data},
    }
    statement = insert(user_settings).values(row)
    kept = statement.on_conflict_do_update(
        index_elements=["username", "param"], index_where=_MINE, set_={"data": statement.excluded.data}
    )
    await change.connection.execute(kept)


async def remove(change: Change, username: str, id_: str | None = None) -> int:
    """Delete the user's own of this id, or all of them; how many there were."""
    where = _MINE & (user_settings.c.username == username)
    if id_ is not None:
        where &= user_settings.c.param == id_
    return (await change.connection.execute(delete(user_settings).where(where))).rowcount


@asynccontextmanager
async def within_bounds(connection: AsyncConnection, username: str) -> AsyncIterator[None]:
    """What is made of the user's settings within leaves no more of them than there may be, or than there were
    before; RequestError at the end."""
    before = await _count(connection, username)
    yield
    dashboards, settings = await _count(connection, username)
    if dashboards > max(before[0], MOST_OWN):
        raise RequestError(
            f"{username} has {MOST_OWN} dashboards, and nobody may have more: delete one first"
        )
    if settings > max(before[1], MOST_SETTINGS):
        raise RequestError(f"{username} has {MOST_SETTINGS} settings, and nobody may have more")


async def count_own(connection: AsyncConnection, username: str) -> int:
    """How many the user has kept."""
    return (await _count(connection, username))[0]


def first_ones(username: str, home: Any = None, *, is_admin: bool = False) -> list[Dashboard]:
    """What everybody has who has not changed them."""
    given = [HOME, SMART, *([REGISTRATION] if is_admin else [])]
    templates = {id_: msgspec.json.decode(_template(id_)) for id_ in given}
    if home is not None:
        templates[HOME] = home
    return [Dashboard(id_, username, data) for id_, data in templates.items()]


async def _count(connection: AsyncConnection, username: str) -> tuple[int, int]:
    """Dashboards, and all settings."""
    wanted = select(func.count().filter(_MINE), func.count()).where(user_settings.c.username == username)
    dashboards, settings = (await connection.execute(wanted)).one()
    return dashboards, settings


@cache
def _template(id_: str) -> bytes:
    return resources.files("api").joinpath(f"static/dashboards/{id_}.json").read_bytes()
