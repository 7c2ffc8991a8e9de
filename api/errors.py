"""The exception tree of `api`. No HTTP here: `handlers` has the one table from error to status and body.

ApiError
├── RequestError             the request cannot be understood
│   └── BodyTooLarge
├── NotAuthenticated
│   ├── TokenMissing
│   ├── TokenInvalid
│   └── TokenRefused         an API token that may not be used here, or no more
├── AdminNeeded
├── LoginNeeded              an API token where only a login will do
├── LoginRefused
│   ├── LoginDisabled
│   └── TooManyLogins
├── AccountError             a user that is not there, a password that cannot be
├── AlreadyThere             there is an object like the one that was to be
├── NotBuilt                 Homer's web UI knows it, and it is not there
├── UnknownScript            no filter script of this name
├── UploadRefused            a file for which there is no room
├── ImportFailed             a capture file that cannot be imported, or not to its end
├── ImportConflict           another import is going on, or this one is still to be stored
├── UnknownImport            no import has this label
├── ImportsUnavailable       imports are out of reach from here
├── FiltersUnavailable       filter scripts are out of reach from here
├── FeedFull                 as many listen to the live feed as may
├── UiUnavailable            the web UI that the settings name cannot be read
├── ForeignPage              a page of another site has sent the request
├── NotConfigured            the settings name no such server
├── UpstreamError            another server (Prometheus, Loki, InfluxDB, Grafana) failed us
│   └── UpstreamTimeout
└── DatabaseError            the database is away, busy, or said no
    ├── DatabaseTimeout
    ├── DatabaseMismatch
    └── NodesAway            none of the data nodes that were asked answers
"""

import math
from collections.abc import Mapping


class ApiError(Exception):
    """Base of all errors raised by `api`; the text is for the one who asked."""


class RequestError(ApiError):
    """The request cannot be understood: wrong JSON, wrong types, missing fields."""

    def __init__(self, message: str = "request format is not correct") -> None:
        super().__init__(message)


class BodyTooLarge(RequestError):
    """The body is larger than `http.max_body_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"request body is larger than {limit_bytes} bytes")


class NotAuthenticated(ApiError):
    """The request brings no valid credentials."""


class TokenMissing(NotAuthenticated):
    """No `Authorization: Bearer …`."""

    def __init__(self) -> None:
        super().__init__("missing or malformed jwt")


class TokenInvalid(NotAuthenticated):
    """A token that this installation did not make, or that has expired."""

    def __init__(self) -> None:
        super().__init__("invalid or expired jwt")


class TokenRefused(NotAuthenticated):
    """An API token that may not be used from this address, or no more."""


class AdminNeeded(ApiError):
    """Logged in, but not as an administrator."""

    def __init__(self, words: str = "") -> None:
        super().__init__(f"This API requires admin access. {words}".rstrip())


class LoginNeeded(ApiError):
    """What is asked for belongs to a user who is logged in, and an API token stands for none."""

    def __init__(self) -> None:
        super().__init__("this needs a login: an API token is no user")


class LoginRefused(ApiError):
    """Unknown user or wrong password; which of both is not said."""

    def __init__(self, message: str = "incorrect password") -> None:
        super().__init__(message)


class LoginDisabled(LoginRefused):
    """The right password of a user who is not enabled."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class TooManyLogins(LoginRefused):
    """Too many failed logins of this user or from this address."""

    def __init__(self, retry_after_s: float, *, is_first: bool = True) -> None:
        self.retry_after_s = math.ceil(retry_after_s)
        """When the next attempt may be made, in whole seconds from now."""
        seconds = "a second" if self.retry_after_s == 1 else f"{self.retry_after_s} seconds"
        super().__init__(f"too many failed logins, try again in {seconds}")
        self.is_first = is_first
        """Nobody has been told so since the last attempt."""


class AccountError(ApiError):
    """A user that does not exist, or a password that cannot be."""


class AlreadyThere(ApiError):
    """Two objects would have what only one may have."""

    def __init__(self) -> None:
        super().__init__("there is one like it already")


class NotBuilt(ApiError):
    """Something that Homer's web UI knows and that is not there."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not implemented")


class UnknownScript(ApiError):
    """No worker has a filter script of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no filter script {name}")


class FiltersUnavailable(ApiError):
    """What workers say of filter scripts is elsewhere, or the switches cannot be written."""


class UploadRefused(ApiError):
    """A file that cannot be kept until it is dealt with."""


class ImportFailed(ApiError):
    """A capture file that cannot be imported, or not to its end."""


class ImportConflict(ApiError):
    """Another import is going on, or what is to be deleted is still to be stored."""


class UnknownImport(ApiError):
    """No import has this label."""


class ImportsUnavailable(ApiError):
    """The journal of imports is on another machine, or cannot be written."""


class FeedFull(ApiError):
    """As many listen to the live feed as may."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} listen already, and no more may")


class UiUnavailable(ApiError):
    """There should be a web UI, and there is none."""

    def __init__(self) -> None:
        super().__init__("the web UI cannot be shown: the log and /health say why")


class ForeignPage(ApiError):
    """A browser sent it for a page of another site, with a cookie of ours."""

    def __init__(self) -> None:
        super().__init__("this is answered to our own pages only")


class NotConfigured(ApiError):
    """The settings name no server of this kind."""


class UpstreamError(ApiError):
    """Another server cannot be reached, refuses us, or answers what it should not."""


class UpstreamTimeout(UpstreamError):
    """It did not answer in time."""


class DatabaseError(ApiError):
    """The database is away, has no connection free, or refused a statement: the cause is `__cause__`."""


class DatabaseTimeout(DatabaseError):
    """A statement took longer than it may."""


class DatabaseMismatch(DatabaseError):
    """The schema is older than this code needs, or newer and closed to it."""


class NodesAway(DatabaseError):
    """None of the data nodes that were asked answers."""

    def __init__(self, missing: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"data node {node}: {why}" for node, why in missing.items()))
        self.missing = missing
        """Why not, by their names."""
