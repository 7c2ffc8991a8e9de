"""Homer's three shapes of an error, and the description of them that every route shares."""

import msgspec

from api.wire import Responses, describe_answer


class DataError(msgspec.Struct):
    """What a handler answers when it cannot do what was asked."""

    message: str
    data: dict[str, str] = {}
    """Always empty."""


class LoginError(msgspec.Struct):
    """What a failed login is told."""

    statuscode: int
    error: str
    message: str


class PlainError(msgspec.Struct):
    """What is said before any handler is reached: no login, no such path."""

    message: str


REFUSED: Responses = {
    400: describe_answer(DataError, "The request is not as described"),
    401: describe_answer(PlainError, "No login, or one that has expired"),
    413: describe_answer(DataError, "The body is too large"),
    503: describe_answer(DataError, "The database is away or too slow"),
}
"""`responses` of a route with login and body, beside its own answer."""

ASKED_ELSEWHERE: Responses = REFUSED | {
    400: describe_answer(
        DataError,
        "The request is not as described, the other server cannot read it, or the settings name none",
    ),
    502: describe_answer(DataError, "The other server cannot be reached, or does not answer as it should"),
    504: describe_answer(DataError, "The other server does not answer in time"),
}
"""The same for a route that asks another server."""
FORBIDDEN: Responses = {403: describe_answer(PlainError, "Not an administrator")}
"""Of a route for administrators."""
