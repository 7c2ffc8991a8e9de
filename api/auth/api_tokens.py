"""API tokens: made once and shown once, kept as a hash, and checked with address, date and number of calls.

Source: homer-app's `auth_token`. A token stands for a user name and a group of its own, whatever accounts
there are. Knows nothing of HTTP.
"""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.auth.caller import Caller
from api.errors import DatabaseError, TokenRefused
from api.tables import api_tokens

log = logging.getLogger(__name__)

CHARS = 80
"""Homer's length."""
KNOWN_S = 2.0
COUNT_S = 1.0
"""So much later at most a call is written down, while the database is there."""
EVERYWHERE = "0.0.0.0/0"
"""Homer's word for it: IPv6 too."""
MOST_KNOWN = 10_000
MAPPED_BITS = 96
"""Before an IPv4 address that is mapped into IPv6."""
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class _Token(NamedTuple):
    """A row of an active token."""

    id: int
    name: str
    user_object: object
    ip_address: str
    expire_date: datetime
    usage_calls: int
    limit_calls: int


def new_token() -> str:
    """456 bits, letters alone."""
    return "".join(secrets.choice(_LETTERS) for _ in range(CHARS))


def is_token(text: str) -> bool:
    """Whether it looks like one: so nobody is asked for what cannot be."""
    return len(text) == CHARS and text.isascii() and text.isalpha()


def hash_of(token: str) -> bytes:
    """What is kept of it. No salt and no work factor: nobody guesses what is so long."""
    return hashlib.sha256(token.encode()).digest()


def addresses_of(text: str) -> str:
    """Addresses and networks, separated by commas, in their usual form; ValueError for what is none."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return ", ".join(str(_network(part)) for part in parts) or EVERYWHERE


class ApiTokens:
    """Checks tokens, and counts their calls."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[bytes, tuple[float, _Token | None]] = {}
        self._changes = 0
        self._calls: dict[int, int] = {}
        """By id, since they were last written down."""
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._closing = asyncio.Event()

    async def check(self, token: str, address: str, *, counted: bool = True) -> Caller | None:
        """Whose it is; None for a token that is unknown, inactive or expired. One call more, if `counted`.

        TokenRefused for one that may not be used from this address, or no more. DatabaseError.
        """
        found = await self._find(hash_of(token))
        if found is None or found.expire_date <= datetime.now(UTC):
            return None
        if not _is_allowed(found.ip_address, address):
            raise TokenRefused("this API token may not be used from this address")
        if not counted:
            return _caller(found)
        calls = self._calls.get(found.id, 0)
        if 0 < found.limit_calls <= found.usage_calls + calls:
            raise TokenRefused(f"this API token has used up its {found.limit_calls} calls")
        self._calls[found.id] = calls + 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_soon())
        return _caller(found)

    def forget(self) -> None:
        """Some may have changed."""
        self._changes += 1
        self._known.clear()

    async def flush(self) -> None:
        """Write down how often tokens were used. Until that is done the calls count as not written."""
        async with self._writing:
            # Always in this order, so that two processes do not wait for each other.
            calls = sorted(self._calls.items())
            if not calls:
                return
            now = datetime.now(UTC)
            async with self._engine.begin() as connection:
                for id_, count in calls:
                    used = {"usage_calls": api_tokens.c.usage_calls + count, "lastusage_date": now}
                    await connection.execute(update(api_tokens).where(api_tokens.c.id == id_).values(used))
            for id_, count in calls:
                self._calls[id_] -= count
                if not self._calls[id_]:
                    del self._calls[id_]
            self.forget()

    async def close(self) -> None:
        """Write down what is left, if the database is there."""
        self._closing.set()
        if self._task is not None:
            # Not cancelled: a connection that is just being made would stay open.
            await self._task
        try:
            await self.flush()
        except (DatabaseError, SQLAlchemyError) as error:
            log.warning("calls by API tokens could not be counted: %s", error)

    async def _find(self, digest: bytes) -> _Token | None:
        now_s = self._clock()
        known = self._known.get(digest)
        if known is not None and now_s < known[0]:
            return known[1]
        wanted = select(*[api_tokens.c[name] for name in _Token._fields]).where(
            api_tokens.c.token_hash == digest, api_tokens.c.active
        )
        while True:
            changes = self._changes
            async with self._engine.connect() as connection:
                row = (await connection.execute(wanted)).one_or_none()
            if changes == self._changes:
                # Else it may be older than the change.
                break
        found = None if row is None else _Token(*row)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = now_s + KNOWN_S, found
        return found

    async def _write_soon(self) -> None:
        """Beside the calls, so that none waits for it, and the last one needs no other behind it."""
        while self._calls and not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COUNT_S):
                    await self._closing.wait()
            try:
                await self.flush()
            except (DatabaseError, SQLAlchemyError) as error:
                log.warning("calls by API tokens wait for the database: %s", error)


def _caller(token: _Token) -> Caller:
    said = token.user_object if isinstance(token.user_object, dict) else {}
    username, usergroup = said.get("username"), said.get("usergroup")
    return Caller(
        username if isinstance(username, str) and username else "guest",
        usergroup if isinstance(usergroup, str) and usergroup else "guest",
        token_name=token.name,
    )


def _network(text: str) -> IPv4Network | IPv6Network:
    """An IPv4 one where it is mapped into IPv6, as addresses are."""
    network = ip_network(text, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - MAPPED_BITS))


def _is_allowed(networks: str, address: str) -> bool:
    parts = [part.strip() for part in networks.split(",")]
    if EVERYWHERE in parts or not networks:
        return True
    try:
        asked = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(asked, "ipv4_mapped", None)
    return any((mapped or asked) in _network(part) for part in parts)
