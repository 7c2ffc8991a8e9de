"""The table from errors to answers."""

import json

import pytest

from api import errors
from api.handlers import answer_to

DATABASE = {"data": {}, "message": "db data retrieve error"}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            errors.RequestError(),
            400,
            {"data": {}, "message": "request format is not correct"},
        ),
        (errors.BodyTooLarge(5), 413, {"data": {}, "message": "request body is larger than 5 bytes"}),
        (errors.TokenMissing(), 401, {"message": "missing or malformed jwt"}),
        (errors.TokenInvalid(), 401, {"message": "invalid or expired jwt"}),
        (errors.AdminNeeded(), 403, {"message": "This API requires admin access."}),
        (
            errors.LoginRefused(),
            401,
            {"statuscode": 401, "error": "Unauthorized", "message": "incorrect password"},
        ),
        (
            errors.LoginDisabled(),
            401,
            {"statuscode": 401, "error": "Unauthorized", "message": "Unauthorized"},
        ),
        (errors.AccountError("there is no user 'x'"), 400, {"data": {}, "message": "there is no user 'x'"}),
        (errors.UnknownScript("x"), 404, {"data": {}, "message": "there is no filter script x"}),
        (errors.FiltersUnavailable("elsewhere"), 503, {"data": {}, "message": "elsewhere"}),
        (errors.DatabaseError("a host name"), 503, DATABASE),
        (errors.DatabaseTimeout("a statement"), 503, DATABASE),
        (errors.DatabaseMismatch("a level"), 503, DATABASE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, errors.ApiError) else "",
)
def test_error_has_its_status_and_shape(error: errors.ApiError, status: int, body: object) -> None:
    answer = answer_to(error)

    assert (answer.status_code, json.loads(answer.body)) == (status, body)


def test_wait_is_rounded_up_to_whole_seconds() -> None:
    answer = answer_to(errors.TooManyLogins(1.2))

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert json.loads(answer.body)["error"] == "Too Many Requests"


def test_connection_with_a_body_left_unread_is_closed() -> None:
    assert answer_to(errors.BodyTooLarge(5)).headers["connection"] == "close"
