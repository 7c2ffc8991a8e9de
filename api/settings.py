"""The settings of the HTTP API. Every field has its unit, range and meaning; nothing is read here."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]


class Part(BaseModel):
    """A frozen part of the settings tree; a misspelt name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(Part):
    """The HTTP listener."""

    prefix: str = Field(default="", pattern=r"^(/[^/]+)*$", description="path put before /api/v3")
    cert: Path | None = Field(default=None, description="PEM certificate chain; HTTPS when given, with key")
    key: Path | None = Field(default=None, description="PEM private key")
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="largest request body")
    node_name: str = Field(default="LocalNode", min_length=1, description="name of this data node in answers")


class AuthSettings(Part):
    """Logging in."""

    token_minutes: int = Field(default=1200, ge=1, description="lifetime of a login, in minutes")
    attempts: int = Field(
        default=10, ge=1, description="failed logins of one user or address within the window"
    )
    attempts_window_s: Seconds = Field(default=300, description="that window, in seconds")


class SearchSettings(Part):
    """Limits of searches."""

    limit: int = Field(default=200, ge=1, description="rows of an answer when the question names no limit")
    max_limit: int = Field(default=10_000, ge=1, description="most rows of an answer")
    transaction_limit: int = Field(default=10_000, ge=1, description="most messages of a transaction")
    deadline_s: Seconds = Field(
        default=30, description="longest time for one search, database and decoding together"
    )
    statement_timeout_s: Seconds = Field(default=30, description="longest time for one SQL statement")
    pool_size: int = Field(default=5, ge=1, le=100, description="database connections of the API")


class ApiOptions(Part):
    """All that the API process needs."""

    database_url: str
    data_dir: Path | None = None
    """Where the figures of intake and workers on this machine are; None: the API runs elsewhere."""
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    search: SearchSettings = SearchSettings()
    custom_headers: tuple[str, ...] = ()
