"""A login: limits, password, token, in the order that tells a guesser least; and its end."""

import uuid
from datetime import UTC, datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from api.auth.accounts import Account, find_account
from api.auth.caller import Caller
from api.auth.tokens import Claims, expiry, write_token
from api.context import ApiContext
from api.errors import DatabaseError, LoginDisabled, LoginRefused
from api.tables import ended_logins


async def login(context: ApiContext, username: str, password: str, address: str) -> Account:
    """The account of that name and password; LoginRefused, LoginDisabled or TooManyLogins."""
    account = await check_password(context, username, password, address)
    if not account.enabled:
        raise LoginDisabled
    return account


async def check_password(context: ApiContext, username: str, password: str, address: str) -> Account:
    """The same, also of a user who is not enabled."""
    attempt = context.limits.begin(username, address)
    try:
        account = await find_account(context.engine, username)
    except (DatabaseError, SQLAlchemyError):
        attempt.forgive()
        raise
    found = await context.passwords.matches(account.hash if account else None, password)
    if account is None or not found:
        raise LoginRefused
    attempt.succeed()
    return account


async def token_for(context: ApiContext, account: Account) -> tuple[str, int]:
    """A token for a user who has just logged in, and when it expires, in seconds since the Unix epoch."""
    claims = Claims(
        username=account.username,
        useradmin=account.is_admin,
        usergroup=account.usergroup,
        displayname=account.displayname,
        exp=expiry(context.options.auth.token_minutes),
        jti=str(uuid.uuid4()),
        epoch=account.login_epoch,
    )
    # What was known of an account that has just been made or enabled is old.
    context.standings.forget(account.username)
    return write_token(await context.token_key(), claims), claims.exp


async def end_login(context: ApiContext, caller: Caller) -> None:
    """The login's token is of no more use, though it has not expired."""
    now = datetime.now(UTC)
    row = {
        "login_id": caller.login_id,
        "username": caller.username,
        "expires_at": datetime.fromtimestamp(caller.expires_s, UTC),
    }
    async with context.engine.begin() as connection:
        await connection.execute(delete(ended_logins).where(ended_logins.c.expires_at < now))
        await connection.execute(insert(ended_logins).values(row).on_conflict_do_nothing())
    context.standings.forget(caller.username)
