"""Users as administrators manage them: found, made, changed, deleted. Knows no HTTP."""

from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth.caller import ADMIN_GROUP
from api.errors import RequestError
from api.records.kind import ID, Kind, Values
from api.records.store import Change, is_same
from api.tables import new_login_epoch, user_settings, users

USER = Kind(
    "user",
    users,
    (
        *(
            "username",
            "partid",
            "email",
            "enabled",
            "firstname",
            "lastname",
            "department",
            "usergroup",
            "guid",
        ),
        *("version", "params"),
    ),
    required=("username", "usergroup"),
    filled=("username", "usergroup", "guid"),
    checks={"guid": ID},
)
OF_ONESELF = frozenset(["email", "firstname", "lastname", "department"])
"""What a user who is no administrator may change of their own row, beside the password."""
LAST_ADMIN = "this is the last administrator who can log in"


async def find_users(
    connection: AsyncConnection, *, guid: str | None = None, username: str | None = None
) -> list[Values]:
    """By name; all, or the one of this guid or name. Hashes are not among what is found."""
    wanted = select(*[USER.column(name) for name in USER.fields]).order_by(users.c.username)
    if guid is not None:
        wanted = wanted.where(users.c.guid == guid)
    if username is not None:
        wanted = wanted.where(users.c.username == username)
    return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def make_user(change: Change, values: Values, hash_: str) -> bool:
    """False when there is one of this name or guid already."""
    made = insert(users).values(values | {"hash": hash_}).on_conflict_do_nothing().returning(users.c.id)
    if (await change.connection.execute(made)).first() is None:
        return False
    change.note("create user", values["username"], values)
    return True


async def change_user(change: Change, guid: str, values: Values, hash_: str | None) -> Values | None:
    """The row as it was; None when there is none. Who gets another password is logged out everywhere.

    RequestError where nobody could administer any more, or the name is taken.
    """
    found = await _found(change.connection, guid)
    if found is None:
        return None
    name = str(values.get("username", found["username"]))
    if name != found["username"]:
        await _rename(change, found["username"], name)
    written: dict[str, Any] = {key: value for key, value in values.items() if not is_same(found[key], value)}
    detail: Values = {"before": {key: found[key] for key in written}, "after": dict(written)}
    if "username" in written:
        written |= {"login_epoch": new_login_epoch()}
    if hash_ is not None:
        written |= {"hash": hash_, "login_epoch": new_login_epoch()}
        detail["has_new_password"] = True
    if written:
        await change.connection.execute(update(users).where(users.c.guid == guid).values(written))
    await _keep_an_administrator(change.connection)
    change.note("change user", name, detail)
    return found


async def delete_user(change: Change, guid: str) -> Values | None:
    """The row that was; None when there was none. RequestError where nobody could administer any more."""
    found = await _found(change.connection, guid)
    if found is None:
        return None
    await change.connection.execute(delete(users).where(users.c.guid == guid))
    await change.connection.execute(
        delete(user_settings).where(user_settings.c.username == found["username"])
    )
    await _keep_an_administrator(change.connection)
    change.note("delete user", found["username"], found)
    return found


async def end_logins(change: Change, guid: str) -> Values | None:
    """Log a user out everywhere; the row, None when there is none."""
    found = await _found(change.connection, guid)
    if found is not None:
        ended = {"login_epoch": new_login_epoch()}
        await change.connection.execute(update(users).where(users.c.guid == guid).values(ended))
        change.note("end logins", found["username"])
    return found


async def _found(connection: AsyncConnection, guid: str) -> Values | None:
    """Locked until the transaction ends, so that two who take the last two administrators away cannot."""
    if "\0" in guid:
        return None
    administrators = select(users.c.id).where(users.c.usergroup == ADMIN_GROUP).order_by(users.c.id)
    await connection.execute(administrators.with_for_update())
    rows = await find_users(connection, guid=guid)
    return rows[0] if rows else None


async def _rename(change: Change, before: str, after: str) -> None:
    taken = select(func.count()).select_from(users).where(users.c.username == after)
    if (await change.connection.execute(taken)).scalar_one():
        raise RequestError(f"there is a user {after} already")
    moved = update(user_settings).where(user_settings.c.username == before).values(username=after)
    await change.connection.execute(moved)


async def _keep_an_administrator(connection: AsyncConnection) -> None:
    able = select(func.count()).where(users.c.usergroup == ADMIN_GROUP, users.c.enabled)
    if not (await connection.execute(able)).scalar_one():
        raise RequestError(LAST_ADMIN)
