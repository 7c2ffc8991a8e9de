"""The settings of the HTTP API. Every field has its unit, range and meaning; nothing is read here."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from capture.settings import HepSettings, ImportSettings, JournalSettings, RetentionSettings

Seconds = Annotated[float, Field(gt=0)]

RESERVED_PATHS: Final = frozenset(
    (
        "api",
        "assets",
        "call",
        "dashboard",
        "direct-login",
        "doc",
        "docs",
        "health",
        "metrics",
        "preference",
        "registration",
        "search",
        "transaction",
        "ws",
    )
)
"""First parts of the paths that are the API's own or pages of the web UI."""


class Part(BaseModel):
    """A frozen part of the settings tree; a misspelt name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError("a proxy is an IP address or a network") from error
    return text


Network = Annotated[str, AfterValidator(_network)]


class HttpSettings(Part):
    """The HTTP listener."""

    prefix: str = Field(default="", pattern=r"^(/[^/]+)*$", description="path put before /api/v3")
    cert: Path | None = Field(default=None, description="PEM certificate chain; HTTPS when given, with key")
    key: Path | None = Field(default=None, description="PEM private key")
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="largest request body")
    listeners: int = Field(default=50, ge=0, le=1000, description="most connections to the live feed")
    proxies: tuple[Network, ...] = Field(
        default=("127.0.0.1", "::1"),
        description="proxies that are believed where a request comes from (`X-Forwarded-For`)",
    )
    node_name: str = Field(default="LocalNode", min_length=1, description="name of this data node in answers")


def _origin(url: str) -> str:
    """A scheme, a host and perhaps a port, which is all that a browser tells sites apart by."""
    if not re.fullmatch(
        r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?|https?://\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?", url
    ):
        raise ValueError("a site is http:// or https://, a host and perhaps a port, and nothing else")
    return url


Origin = Annotated[str, AfterValidator(_origin)]


class UiSettings(Part):
    """The web UI."""

    dir: Path | None = Field(
        default=None, description="directory or `.tar.gz` with a build of the web UI; none: it is not served"
    )
    frames: tuple[Origin, ...] = Field(
        default=(), description="other sites that dashboards may show in frames, beside Grafana"
    )
    home_dashboard: Path | None = Field(
        default=None, description="JSON file with the dashboard that users begin with"
    )


class AuthSettings(Part):
    """Logging in."""

    token_minutes: int = Field(default=1200, ge=1, description="lifetime of a login, in minutes")
    attempts: int = Field(
        default=10, ge=1, description="failed logins of one user or address within the window"
    )
    attempts_window_s: Seconds = Field(default=300, description="that window, in seconds")
    audit_days: int = Field(
        default=365, ge=1, le=36_500, description="how long the audit of who did what is kept, in days"
    )
    user_groups: tuple[str, ...] = Field(
        default=("admin", "user", "support"),
        min_length=1,
        description="groups that a user can be of; `admin` are administrators",
    )
    api_tokens: bool = Field(default=True, description="whether API tokens are taken instead of a login")
    api_token_header: str = Field(
        default="Auth-Token", pattern=r"^[A-Za-z0-9-]+$", description="the header that an API token comes in"
    )


class SearchSettings(Part):
    """Limits of searches."""

    limit: int = Field(default=200, ge=1, description="rows of an answer when the question names no limit")
    max_limit: int = Field(default=10_000, ge=1, description="most rows of an answer")
    transaction_limit: int = Field(default=10_000, ge=1, description="most messages of a transaction")
    deduplicate: bool = Field(
        default=False, description="leave out of transactions and exports what a second agent has sent too"
    )
    alias_by_capture_id: bool = Field(
        default=False, description="look first for an alias of the message's capture id"
    )
    whole_milliseconds: bool = Field(
        default=False, description="send `micro_ts` without the microseconds as decimals"
    )
    deadline_s: Seconds = Field(
        default=30, description="longest time for one search, database and decoding together"
    )
    statement_timeout_s: Seconds = Field(default=30, description="longest time for one SQL statement")
    pool_size: int = Field(default=5, ge=1, le=100, description="database connections for searches")


def _server_url(url: str) -> str:
    """An address that leads to one server and nowhere else, without a slash at its end."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address begins with http:// or https:// and names a host")
    if parts.port == 0 or not re.fullmatch(r"[A-Za-z0-9._:-]+", parts.hostname):
        raise ValueError("an address names a host and perhaps a port")
    if "@" in parts.netloc:
        raise ValueError("user and password do not belong into the address: there are settings for them")
    if "?" in url or "#" in url or "\\" in url or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("an address has a scheme, a host, a port and a path, and nothing else")
    if {".", ".."} & set(unquote(parts.path).split("/")):
        raise ValueError("the path of an address has no `.` or `..`")
    return url.rstrip("/")


def _secret_word(secret: SecretStr) -> SecretStr:
    word = secret.get_secret_value()
    if not (word.isascii() and word.isprintable() and " " not in word):
        raise ValueError("a token has visible ASCII characters only")
    return secret


ServerUrl = Annotated[str, AfterValidator(_server_url)]
Token = Annotated[SecretStr, AfterValidator(_secret_word)]


class ServerSettings(Part):
    """Another server that users who are logged in may ask by way of the API."""

    url: ServerUrl | None = Field(default=None, description="address of the server; none: it is not asked")
    user: str = Field(
        default="", pattern=r"^[^:\x00-\x1f]*$", description="user name, for a server that wants one"
    )
    password: SecretStr | None = Field(default=None, description="the user's password")
    token: Token | None = Field(default=None, description="token, for a server that wants one instead")
    timeout_s: Seconds = Field(default=10, description="longest time for one answer, in seconds")
    max_answer_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="largest answer taken")
    verify_tls: bool = Field(default=True, description="whether the server's certificate is checked")
    ca: Path | None = Field(
        default=None, description="PEM certificates of authorities trusted for it; none: the system's"
    )

    @model_validator(mode="after")
    def check_credentials(self) -> Self:
        """One kind of them, and whole."""
        if self.user and self.token is not None:
            raise ValueError("give user and password, or a token, not both")
        if (self.password is not None) != bool(self.user):
            raise ValueError("user and password belong together: one of them is missing")
        return self


class PrometheusSettings(ServerSettings):
    """Prometheus, or what speaks its API."""


class LokiSettings(ServerSettings):
    """Loki, or what speaks its API."""

    tenant: str = Field(
        default="", pattern=r"^[!-~]*$", description="tenant asked for; empty: none (`X-Scope-OrgID`)"
    )
    template: str = Field(
        default="",
        description="query that the web UI begins with for a call;"
        " empty: heplify-server's lines of its Call-ID",
    )


class InfluxdbSettings(ServerSettings):
    """InfluxDB 1.x, or what speaks its API."""


class GrafanaSettings(ServerSettings):
    """Grafana."""

    viewer_token: Token | None = Field(
        default=None, description="token sent for users who are no administrators; none: nothing is sent"
    )
    path: str = Field(
        default="grafana",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        description="path below which its pages are shown",
    )

    @field_validator("path")
    @classmethod
    def keep_off_other_paths(cls, path: str) -> str:
        """What begins otherwise is answered by the API or is a page of the web UI."""
        if (first := path.partition("/")[0]) in RESERVED_PATHS:
            raise ValueError(f"/{first} is taken: choose another path")
        return path


class TsharkSettings(Part):
    """Taking messages apart by tshark, for the web UI's tab with the layers of a packet."""

    enabled: bool = Field(
        default=True, description="whether messages are taken apart, where tshark is installed"
    )
    path: Path | None = Field(default=None, description="the program; none: the one on PATH")
    timeout_s: Seconds = Field(default=10, le=300, description="longest time for one message, in seconds")
    memory_bytes: int = Field(
        default=1024 * 1024 * 1024, ge=256 * 1024 * 1024, description="address space that it may use"
    )
    at_once: int = Field(default=2, ge=1, le=64, description="messages that are taken apart at once")


class NodeSettings(Part):
    """Another installation whose messages are searched too, by its database."""

    url: SecretStr = Field(description="PostgreSQL URL of the node; its user needs no more than to read")
    deadline_s: Seconds = Field(
        default=10, description="longest time for its part of an answer; it is missing after that"
    )


NodeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class ApiOptions(Part):
    """All that the API process needs."""

    database_url: str
    data_dir: Path | None = None
    """Where the figures of intake and workers on this machine are; None: the API runs elsewhere."""
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    ui: UiSettings = UiSettings()
    search: SearchSettings = SearchSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    loki: LokiSettings = LokiSettings()
    influxdb: InfluxdbSettings = InfluxdbSettings()
    grafana: GrafanaSettings = GrafanaSettings()
    nodes: dict[NodeName, NodeSettings] = {}
    """By their names in answers, which differ in more than case, also from `http.node_name`."""
    custom_headers: tuple[str, ...] = ()
    tshark: TsharkSettings = TsharkSettings()
    imports: ImportSettings = ImportSettings()
    journal: JournalSettings = JournalSettings()
    hep: HepSettings = HepSettings()
    retention: RetentionSettings = RetentionSettings()
    """These three as workers have them, for what is imported."""
