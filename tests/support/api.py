"""The API in this process, asked over ASGI, and users for it to know."""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from argon2 import PasswordHasher
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.auth.standing import Standing, Standings
from api.auth.tokens import KEY_BYTES, Claims, write_token
from api.context import ApiContext
from api.settings import ApiOptions
from api.tables import users

AWAY = "postgresql://nobody@/nothing?host=/nonexistent"
"""The URL of a database that is away."""

SESAME = "open sesame"
"""The password of every user made here."""

KEY = bytes(KEY_BYTES)
"""Of tokens that are made here."""

_quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def bearer(username: str = "alice", **claims: Any) -> dict[str, str]:
    """The headers of a user whom the application trusts, see `Api.trust`."""
    facts = {"useradmin": False, "usergroup": "", "displayname": "", "exp": int(time.time()) + 86_400}
    token = write_token(KEY, Claims(username, **({"jti": username} | facts | claims)))
    return {"Authorization": f"Bearer {token}"}


class _Trusted(Standings):
    """Accounts that are in no database."""

    def __init__(self, groups: dict[str, str]) -> None:
        self._groups = groups

    async def of(self, username: str) -> Standing | None:
        group = self._groups.get(username)
        return None if group is None else Standing("", True, group, username, 0, frozenset())

    def forget(self, username: str | None = None) -> None:
        pass


class Api:
    """A running application and a client of it."""

    def __init__(self, client: httpx.AsyncClient, context: ApiContext) -> None:
        self.client = client
        self.context = context

    def trust(self, **groups: str) -> None:
        """As if the application had read its key, and these users with their groups, before the database
        went away."""
        self.context.remember_token_key(KEY)
        self.context.standings = _Trusted(groups)

    async def log_in(self, username: str = "admin", password: str = SESAME) -> dict[str, str]:
        """The headers of a user who has just logged in."""
        answer = await self.client.post("/api/v3/auth", json={"username": username, "password": password})
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}


@asynccontextmanager
async def an_api(database_url: str = AWAY, **options: Any) -> AsyncIterator[Api]:
    """The application on a database, closed at the end."""
    app = create_app(ApiOptions(database_url=database_url, **options))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        try:
            yield Api(client, app.state.context)
        finally:
            await app.state.context.close()


async def add_user(
    engine: AsyncEngine, username: str = "admin", password: str = SESAME, **columns: Any
) -> str:
    """Make a user, an enabled administrator unless `columns` say otherwise, and return its guid."""
    row = {"usergroup": "admin", "guid": str(uuid.uuid4()), "hash": _quick.hash(password), **columns}
    async with engine.begin() as connection:
        await connection.execute(insert(users).values(username=username, **row))
    return str(row["guid"])
