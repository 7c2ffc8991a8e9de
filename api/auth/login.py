"""A login: limits, password, token, in the order that tells a guesser least."""

from sqlalchemy.exc import SQLAlchemyError

from api.auth.accounts import Account, find_account
from api.auth.tokens import Claims, expiry, write_token
from api.context import ApiContext
from api.errors import DatabaseError, LoginDisabled, LoginRefused


async def login(context: ApiContext, username: str, password: str, address: str) -> Account:
    """The account of that name and password; LoginRefused, LoginDisabled or TooManyLogins."""
    attempt = context.limits.begin(username, address)
    try:
        account = await find_account(context.engine, username)
    except (DatabaseError, SQLAlchemyError):
        attempt.forgive()
        raise
    found = await context.passwords.matches(account.hash if account else None, password)
    if account is None or not found:
        raise LoginRefused
    attempt.forgive()
    if not account.enabled:
        raise LoginDisabled
    return account


async def token_for(context: ApiContext, account: Account) -> str:
    """A token for a user who has just logged in."""
    claims = Claims(
        username=account.username,
        useradmin=account.is_admin,
        usergroup=account.usergroup,
        displayname=account.displayname,
        exp=expiry(context.options.auth.token_minutes),
    )
    return write_token(await context.token_key(), claims)
