"""Users and secrets in the database: finding, making the first administrator, setting a password.

Knows nothing of HTTP or of tokens.
"""

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.audit import Entry, write
from api.auth.caller import ADMIN_GROUP
from api.auth.passwords import check_new_password, generate_password, hash_password
from api.auth.tokens import KEY_BYTES
from api.database import connect
from api.errors import AccountError
from api.settings import SearchSettings
from api.tables import api_secret, new_login_epoch, users

ADMIN_NAME = "admin"
ADMIN_EMAIL = "root@localhost.localdomain"
"""The web UI lets nobody save a profile, and so change a password, whose e-mail has no dot in its host."""
ADMIN_LOCK = 0x52484150_41444D4E
"""Key of the advisory lock under which the first administrator is made: "RHAPADMN"."""
TOKEN_KEY = "jwt"  # noqa: S105 - the name of a row
MAX_NAME_CHARS = 100
"""Width of the column."""

T = TypeVar("T")


class Account(msgspec.Struct, frozen=True):
    """One user, as the login needs it."""

    username: str
    guid: str
    enabled: bool
    firstname: str
    lastname: str
    usergroup: str
    hash: str
    login_epoch: int

    @property
    def is_admin(self) -> bool:
        """Exactly the group `admin`: Homer's substring made an administrator of `nonadmin`."""
        return self.usergroup == ADMIN_GROUP

    @property
    def displayname(self) -> str:
        """Never empty: the web UI cannot do without."""
        return f"{self.firstname} {self.lastname}".strip() or self.username


_COLUMNS = [users.c[name] for name in Account.__struct_fields__]


async def find_account(engine: AsyncEngine, username: str) -> Account | None:
    """The user of exactly that name."""
    if not _can_be_a_name(username):
        return None
    async with engine.connect() as connection:
        row = (await connection.execute(select(*_COLUMNS).where(users.c.username == username))).one_or_none()
    return None if row is None else Account(*row)


async def token_key(engine: AsyncEngine) -> bytes:
    """The key of this installation's tokens, made at the first call ever.

    Two that make it at once end with the same: the second insert does nothing, and both read what is there.
    """
    wanted = select(api_secret.c.secret).where(api_secret.c.name == TOKEN_KEY)
    async with engine.begin() as connection:
        kept = (await connection.execute(wanted)).scalar_one_or_none()
        if kept is None:
            new = {"name": TOKEN_KEY, "secret": secrets.token_bytes(KEY_BYTES)}
            await connection.execute(upsert(api_secret).values(new).on_conflict_do_nothing())
            kept = (await connection.execute(wanted)).scalar_one()
    return bytes(kept)


def ensure_admin(database_url: str, password: str | None) -> str | None:
    """Make the user `admin` unless there is an enabled administrator; blocking, for the start of `up`.

    The password it made up, to be shown once; None when one was given or there is nothing to do. A user
    `admin` who is there but disabled or of another group becomes the administrator: nobody else could log in.
    """
    return _run(database_url, lambda connection: _ensure_admin(connection, password))


def set_password(database_url: str, username: str, password: str, by: str) -> None:
    """Give a user another password; blocking. AccountError in words when there is no such user, or for a
    password that no user may choose. `by`: who does, for the audit."""
    _run(database_url, lambda connection: _set_password(connection, username, password, by))


async def _ensure_admin(connection: AsyncConnection, password: str | None) -> str | None:
    await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": ADMIN_LOCK})
    is_admin = (users.c.usergroup == ADMIN_GROUP) & users.c.enabled
    if (await connection.execute(select(users.c.id).where(is_admin).limit(1))).first():
        return None
    if password is not None:
        try:
            check_new_password(password, ADMIN_NAME)
        except AccountError as error:
            raise AccountError(f"admin_password: {error}") from error
    chosen = generate_password() if password is None else password
    account = {"usergroup": ADMIN_GROUP, "enabled": True, "hash": hash_password(chosen)}
    found = await connection.execute(update(users).where(users.c.username == ADMIN_NAME).values(account))
    if found.rowcount == 0:
        names = {"username": ADMIN_NAME, "firstname": "Rhapsode", "lastname": "Admin", "guid": new_guid()}
        await connection.execute(insert(users).values({**account, **names, "email": ADMIN_EMAIL}))
    return chosen if password is None else None


async def _set_password(connection: AsyncConnection, username: str, password: str, by: str) -> None:
    check_new_password(password, username)
    changed = 0
    if _can_be_a_name(username):
        # Whoever is logged in by the old one is so no more.
        statement = (
            update(users)
            .where(users.c.username == username)
            .values(hash=hash_password(password), login_epoch=new_login_epoch())
        )
        changed = (await connection.execute(statement)).rowcount
    if changed == 0:
        raise AccountError(f"there is no user {username!r}")
    await write(connection, [Entry(by, "", "change user", username, {"has_new_password": True})])


def new_guid() -> str:
    return str(uuid.uuid4())


def _can_be_a_name(username: str) -> bool:
    """False for what no row can hold; PostgreSQL refuses a NUL with an error."""
    return 0 < len(username) <= MAX_NAME_CHARS and "\0" not in username


def _run(database_url: str, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def run() -> T:
        engine = connect(database_url, SearchSettings(pool_size=1))
        try:
            async with engine.begin() as connection:
                return await work(connection)
        finally:
            await engine.dispose()

    return asyncio.run(run())
