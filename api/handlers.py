"""Errors to answers: the one table from exception to status and Homer's body.

Source: homer-app's three shapes: its handlers' `{"data":{},"message"}`, the login's with `statuscode`, and
the framework's `{"message"}`.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api.auth.dependencies import current_user
from api.context import get_context
from api.errors import (
    AccountError,
    AdminNeeded,
    AlreadyThere,
    ApiError,
    BodyTooLarge,
    DatabaseError,
    FiltersUnavailable,
    ForeignPage,
    ImportConflict,
    ImportFailed,
    ImportsUnavailable,
    LoginNeeded,
    LoginRefused,
    NodesAway,
    NotAuthenticated,
    NotBuilt,
    NotConfigured,
    RequestError,
    TokenRefused,
    TooManyLogins,
    UiUnavailable,
    UnknownImport,
    UnknownScript,
    UploadRefused,
    UpstreamError,
    UpstreamTimeout,
)
from api.schemas.common import DataError, LoginError, PlainError
from api.schemas.search import answer_headers
from api.wire import JsonAnswer

log = logging.getLogger(__name__)

DATABASE_MESSAGE = "db data retrieve error"
INTERNAL_MESSAGE = "Internal Server Error"

Shape = Callable[[int, str], DataError | LoginError | PlainError]


def _data(status: int, message: str) -> DataError:
    return DataError(message)


def _plain(status: int, message: str) -> PlainError:
    return PlainError(message)


def _login(status: int, message: str) -> LoginError:
    return LoginError(status, HTTPStatus(status).phrase, message)


ANSWERS: tuple[tuple[type[ApiError], int, Shape], ...] = (
    (BodyTooLarge, 413, _data),
    (RequestError, 400, _data),
    # Not 401, which would tell the web UI to log its user out.
    (TokenRefused, 403, _plain),
    (NotAuthenticated, 401, _plain),
    (AdminNeeded, 403, _plain),
    (LoginNeeded, 400, _data),
    (TooManyLogins, 429, _login),
    (LoginRefused, 401, _login),
    (AccountError, 400, _data),
    (AlreadyThere, 400, _data),
    (NotBuilt, 501, _data),
    (UnknownScript, 404, _data),
    (FiltersUnavailable, 503, _data),
    (UploadRefused, 503, _data),
    (ImportFailed, 400, _data),
    (ImportConflict, 409, _data),
    (UnknownImport, 404, _data),
    (ImportsUnavailable, 503, _data),
    (UiUnavailable, 503, _plain),
    (ForeignPage, 403, _plain),
    (NotConfigured, 400, _data),
    (UpstreamTimeout, 504, _data),
    (UpstreamError, 502, _data),
    (DatabaseError, 503, _data),
    (ApiError, 500, _data),
)
"""The first that fits."""


def install_handlers(app: FastAPI) -> None:
    """Make every error of the application answer in one of Homer's shapes."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    # A pool without a free connection says so by itself, past the driver's errors.
    app.add_exception_handler(SQLAlchemyError, _on_pool_error)


def answer_to(error: ApiError) -> JsonAnswer:
    """Status, body and headers for one of our errors."""
    status, shape = next((status, shape) for kind, status, shape in ANSWERS if isinstance(error, kind))
    message = DATABASE_MESSAGE if isinstance(error, DatabaseError) else str(error)
    headers = {}
    if isinstance(error, NodesAway):
        headers = answer_headers(None, missing=error.missing)
    if isinstance(error, TooManyLogins):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, BodyTooLarge):
        # What is left of the body is not read: the connection cannot be used again.
        headers["Connection"] = "close"
    return JsonAnswer(shape(status, message), status, headers)


def internal_answer() -> JsonAnswer:
    """For an exception that nobody expected."""
    return JsonAnswer(_data(500, INTERNAL_MESSAGE), 500)


async def _on_api_error(request: Request, error: Exception) -> JsonAnswer:
    return answer_to(cast(ApiError, error))


async def _on_pool_error(request: Request, error: Exception) -> JsonAnswer:
    log.error("no database connection: %s", error)
    return answer_to(DatabaseError(str(error)))


async def _on_validation_error(request: Request, error: Exception) -> JsonAnswer:
    return answer_to(RequestError())


async def _on_http_error(request: Request, error: Exception) -> JsonAnswer:
    """An unknown path or method: below Homer's base only a login may learn that it is unknown."""
    refused = cast(HTTPException, error)
    if _is_below(request.url.path, get_context(request).base_path):
        try:
            await current_user(request)
        except ApiError as refusal:
            return answer_to(refusal)
    return JsonAnswer(
        _plain(refused.status_code, refused.detail), refused.status_code, dict(refused.headers or {})
    )


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")
