"""Rows of settings: found, made, changed and deleted, each change with its entry in the audit.

What the program brings along (`defaults`) is in no table until somebody changes or deletes it, so a newer
version brings newer ones. Knows no HTTP.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.audit import Entry, bounded, write
from api.records.kind import Kind, Values
from api.records.secrets import without_secrets

NAMESPACE = uuid.UUID("5b0f3c5e-5c0d-4c5c-9a2b-6a0f4f6d7c11")
"""Of the guids of what the program brings along: the same on every machine."""
SECRET = frozenset(["hash", "token_hash"])
"""Columns that no entry of the audit shows."""


class Change:
    """A transaction that changes settings, and what is to be noted of it."""

    def __init__(self, connection: AsyncConnection, entry: Entry) -> None:
        self.connection = connection
        self.noted: list[Entry] = []
        self._entry = entry

    def note(self, action: str, of: str, detail: Any = None) -> None:
        """For the audit; `of` is a guid or a name."""
        entry = self._entry
        shown = bounded(without_secrets(detail or {}))
        self.noted.append(Entry(entry.username, entry.address, action, of, shown, entry.at))


@asynccontextmanager
async def changing(engine: AsyncEngine, entry: Entry) -> AsyncIterator[Change]:
    """A transaction of somebody's: `entry` says whose. What is noted in it is written at its end."""
    async with engine.begin() as connection:
        change = Change(connection, entry)
        yield change
        await write(connection, change.noted)


def default_guid(kind: Kind, *key: object) -> str:
    """Of what the program brings along."""
    return str(uuid.uuid5(NAMESPACE, "/".join([kind.table.name, *map(str, key)])))


async def find_rows(
    connection: AsyncConnection,
    kind: Kind,
    where: Values | None = None,
    defaults: Sequence[Values] = (),
) -> list[Values]:
    """Rows with these values in their columns, by guid, and the `defaults` that nobody has changed; these are
    to have been chosen by who asks."""
    table = kind.table
    wanted = select(table).where(*_equal(table, where))
    found = [dict(row) for row in (await connection.execute(wanted)).mappings()]
    if defaults:
        guids = [default["guid"] for default in defaults]
        known = select(table.c.guid).where(table.c.guid.in_(guids))
        changed = set((await connection.execute(known)).scalars())
        found += [default for default in defaults if default["guid"] not in changed]
    return sorted((row for row in found if not row.get("is_removed")), key=lambda row: str(row["guid"]))


async def find_row(
    connection: AsyncConnection, kind: Kind, guid: str, defaults: Sequence[Values] = ()
) -> Values | None:
    """The one with this guid."""
    if "\0" in guid:
        return None
    chosen = [default for default in defaults if default["guid"] == guid]
    rows = await find_rows(connection, kind, {"guid": guid}, chosen)
    return rows[0] if rows else None


async def make_row(change: Change, kind: Kind, values: Values) -> str | None:
    """Make one; its guid, or None where another one has that already. Without a guid it gets one."""
    row = {"guid": str(uuid.uuid4()), **kind.complete(values, {})}
    made = await _insert(change.connection, kind, row)
    if not made:
        return None
    change.note(f"create {kind.what}", row["guid"], _public(row))
    return str(row["guid"])


async def change_row(
    change: Change, kind: Kind, guid: str, values: Values, defaults: Sequence[Values] = ()
) -> bool:
    """Change one; False when there is none of this guid."""
    await hold(change, kind)
    before = await find_row(change.connection, kind, guid, defaults)
    if before is None:
        return False
    values = kind.complete({name: value for name, value in values.items() if name != "guid"}, before)
    differing = {name: value for name, value in values.items() if not is_same(before.get(name), value)}
    if not differing:
        # What the program brings along stays the program's: a newer version may bring a newer one.
        return True
    if "id" in before:
        table = kind.table
        await change.connection.execute(update(table).where(table.c.guid == guid).values(differing))
    else:
        await _insert(change.connection, kind, _stored(kind, before | values))
    detail = {"before": _public({name: before.get(name) for name in differing}), "after": _public(differing)}
    change.note(f"change {kind.what}", guid, detail)
    return True


async def delete_row(change: Change, kind: Kind, guid: str, defaults: Sequence[Values] = ()) -> bool:
    """Delete one; False when there is none of this guid. What the program brings along stays away."""
    await hold(change, kind)
    before = await find_row(change.connection, kind, guid, defaults)
    if before is None:
        return False
    table = kind.table
    if "id" in before:
        await change.connection.execute(delete(table).where(table.c.guid == guid))
    if any(default["guid"] == guid for default in defaults):
        await _insert(change.connection, kind, _stored(kind, before | {"is_removed": True}))
    change.note(f"delete {kind.what}", guid, _public(before))
    return True


async def take_place(change: Change, kind: Kind, default: Values, values: Values) -> None:
    """Put these values in place of what the program brings along, whatever has become of it."""
    guid = default["guid"]
    await change.connection.execute(delete(kind.table).where(kind.table.c.guid == guid))
    if not all(is_same(default.get(name), value) for name, value in values.items()):
        await _insert(change.connection, kind, _stored(kind, default | values))
    change.note(f"change {kind.what}", guid, {"after": _public(values)})


async def reset_rows(change: Change, kind: Kind, where: Values | None = None) -> None:
    """Forget what people have changed, of rows with these values: what the program brings along is back."""
    await hold(change, kind)
    await change.connection.execute(delete(kind.table).where(*_equal(kind.table, where)))
    change.note(f"reset {kind.what}", "", where)


async def hold(change: Change, kind: Kind) -> None:
    """Nobody else changes an object of this kind until the transaction ends, so that what is read of it now
    is what is changed."""
    await change.connection.execute(text(f"lock table {kind.table.name} in share row exclusive mode"))


def is_same(one: Any, other: Any) -> bool:
    """As JSON: there 1 is not true."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def _equal(table: Table, where: Values | None) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in (where or {}).items()]


async def _insert(connection: AsyncConnection, kind: Kind, row: Values) -> bool:
    made = insert(kind.table).values(row).on_conflict_do_nothing().returning(kind.table.c.guid)
    return (await connection.execute(made)).first() is not None


def _stored(kind: Kind, row: Values) -> Values:
    """Columns alone: a default may have names that are in no table."""
    return {name: value for name, value in row.items() if name in kind.table.c and name != "id"}


def _public(row: Mapping[str, Any]) -> Values:
    return {name: value for name, value in row.items() if name not in SECRET}
