"""The tokens that a login is answered with: JWT, HS256 only, with Homer's claims.

Source: homer-app's claims; RFC 7519; RFC 8725 3.1 (the algorithm is ours to say, not the token's). Knows
nothing of HTTP or of the database.
"""

import time
from functools import lru_cache

import jwt
import msgspec

from api.errors import TokenInvalid

ALGORITHM = "HS256"
KEY_BYTES = 32
REMEMBERED = 1024
"""Tokens of so many logins; to verify one takes a tenth of a millisecond, in each request."""


class Claims(msgspec.Struct, frozen=True):
    """What a token says about its bearer."""

    username: str
    useradmin: bool
    usergroup: str
    displayname: str
    exp: int
    """When it expires, in seconds since the Unix epoch."""
    jti: str = ""
    """The login's own name, by which it can be ended (RFC 7519 4.1.7)."""
    epoch: int = 0
    """Of the account, when the token was made: see `Standing.epoch`."""
    externalauth: bool = False
    externaltype: str = ""
    avatar: str = ""


def write_token(key: bytes, claims: Claims) -> str:
    """The token in its compact form."""
    return jwt.encode(msgspec.structs.asdict(claims), key, algorithm=ALGORITHM)


def read_token(key: bytes, token: str) -> Claims:
    """The claims of a token that was made with this key and has not expired; else TokenInvalid."""
    claims = _read(key, token)
    if claims.exp <= time.time():
        raise TokenInvalid
    return claims


@lru_cache(maxsize=REMEMBERED)
def _read(key: bytes, token: str) -> Claims:
    """The same of one that has not expired when first seen. What it says stays true, but for its time."""
    try:
        claims = jwt.decode(token, key, algorithms=[ALGORITHM], options={"require": ["exp"]})
        return msgspec.convert(claims, Claims)
    # RecursionError: the header, which nobody has signed yet, nested deeper than Python's stack.
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise TokenInvalid from error


def expiry(minutes: int) -> int:
    """`exp` of a token made now."""
    return int(time.time()) + minutes * 60
