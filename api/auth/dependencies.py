"""Who asks: the dependencies that a route declares before it reads anything of the request."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.auth.tokens import Claims, read_token
from api.context import get_context
from api.errors import AdminNeeded, TokenMissing

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The token of POST /auth")


async def current_user(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None
) -> Claims:
    """The bearer of the request's token, by the token alone; TokenMissing or TokenInvalid."""
    token = _token_of(request.headers.get("authorization", ""))
    return read_token(await get_context(request).token_key(), token)


async def admin_user(user: Annotated[Claims, Depends(current_user)]) -> Claims:
    """The same, if an administrator; else AdminNeeded."""
    if not user.useradmin:
        raise AdminNeeded
    return user


CurrentUser = Annotated[Claims, Depends(current_user)]
AdminUser = Annotated[Claims, Depends(admin_user)]


def _token_of(header: str) -> str:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token
