"""Who asks: the dependencies that a route declares before it reads anything of the request."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from api.auth.api_tokens import is_token
from api.auth.caller import Caller
from api.auth.tokens import read_token
from api.context import ApiContext, get_context
from api.errors import AdminNeeded, LoginNeeded, TokenInvalid, TokenMissing
from api.peer import peer_of

_bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="The token of POST /auth, or an API token"
)
_api_token = APIKeyHeader(name="Auth-Token", auto_error=False, description="An API token")


async def current_user(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
    api_token: Annotated[str | None, Security(_api_token)] = None,
) -> Caller:
    """Who the request is from; TokenMissing, TokenInvalid or TokenRefused."""
    return await caller_of(request)


async def caller_of(connection: HTTPConnection, *, counted: bool = True) -> Caller:
    """The same of a request or a WebSocket; not `counted` when it was before."""
    context = get_context(connection)
    address = peer_of(connection)
    auth = context.options.auth
    given = connection.headers.get(auth.api_token_header, "").strip() if auth.api_tokens else ""
    check = context.api_tokens.check
    if is_token(given) and (caller := await check(given, address, counted=counted)) is not None:
        return caller
    token = _token_of(connection.headers.get("authorization", ""))
    if auth.api_tokens and is_token(token):
        found = await check(token, address, counted=counted)
        if found is None:
            raise TokenInvalid
        return found
    return await _logged_in(context, token)


async def admin_user(user: Annotated[Caller, Depends(current_user)]) -> Caller:
    """The same, if an administrator; else AdminNeeded."""
    if not user.useradmin:
        raise AdminNeeded("The AuthToken in use!" if user.token_name else "")
    return user


async def logged_in_user(user: Annotated[Caller, Depends(current_user)]) -> Caller:
    """The same, if by a login and no API token; else LoginNeeded."""
    if not user.login_id:
        raise LoginNeeded
    return user


CurrentUser = Annotated[Caller, Depends(current_user)]
AdminUser = Annotated[Caller, Depends(admin_user)]
LoggedInUser = Annotated[Caller, Depends(logged_in_user)]


async def _logged_in(context: ApiContext, token: str) -> Caller:
    claims = read_token(await context.token_key(), token)
    standing = await context.standings.of(claims.username)
    if (
        standing is None
        or not standing.enabled
        or standing.epoch != claims.epoch
        or claims.jti in standing.ended
    ):
        raise TokenInvalid
    # The group is that of now: who was an administrator when logging in may be one no more.
    return Caller(
        claims.username,
        standing.usergroup,
        standing.guid,
        standing.displayname,
        claims.jti,
        expires_s=claims.exp,
    )


def _token_of(header: str) -> str:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token
