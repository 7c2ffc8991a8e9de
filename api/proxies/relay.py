"""What of a browser's request goes on to Grafana, and what of its answer comes back.

Both are lists of what passes: what is not on them stays behind, such as our tokens, cookies, and headers
by which Grafana would take a request for somebody's. See docs/decisions/0009-other-servers.md. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, unquote_plus, urljoin, urlsplit

from api.errors import RequestError

METHODS = ("GET", "HEAD", "POST")
MAX_DECODINGS = 4

_QUERIES = re.compile(
    r"/(api/(ds|tsdb)/query|apis/query\.grafana\.app/\w+/namespaces/[\w-]+/query)", re.ASCII
)
"""What the panels of a dashboard post to: a query changes nothing."""
_TOKEN_PARAMETER = "JWT"  # noqa: S105 - its name
"""The web UI puts a piece of its token there, which is nobody else's business."""

_GO_ON = frozenset(
    (
        "accept",
        "accept-encoding",
        "accept-language",
        "content-type",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "range",
        "user-agent",
        "x-dashboard-uid",
        "x-datasource-uid",
        "x-grafana-org-id",
        "x-panel-id",
        "x-panel-plugin-id",
        "x-plugin-id",
        "x-query-group-id",
    )
)
_COME_BACK = frozenset(
    (
        "accept-ranges",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "retry-after",
    )
)
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:;"
    " object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)
"""Grafana's pages as they are made, but they talk to no other host, and nobody else's page may frame them."""


def onward_path(raw_path: bytes, base: str) -> str:
    """What stands behind `base`, encoded as it came; RequestError where it could lead out of there."""
    try:
        path = raw_path.decode("ascii")
    except UnicodeDecodeError as error:
        raise RequestError from error
    if path != base and not path.startswith(f"{base}/"):
        raise RequestError
    rest = path[len(base) :] or "/"
    if "//" in rest:
        raise RequestError
    # Whoever stands between may decode once more than we do.
    for _ in range(MAX_DECODINGS):
        if not rest_is_plain(rest_once := unquote(rest)):
            raise RequestError
        if rest_once == rest:
            return path[len(base) :] or "/"
        rest = rest_once
    raise RequestError


def rest_is_plain(path: str) -> bool:
    """Whether it has no part that leads upwards (`..;x` does so for some servers) and nothing unprintable."""
    parts = {part.partition(";")[0] for part in path.split("/")}
    return path.isprintable() and "\\" not in path and not parts & {".", ".."}


def onward_query(raw_query: bytes) -> str:
    """The query as it came, without the web UI's piece of a token."""
    try:
        query = raw_query.decode("ascii")
    except UnicodeDecodeError as error:
        raise RequestError from error
    return "&".join(
        part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != _TOKEN_PARAMETER
    )


def may_post(path: str) -> bool:
    """Whether something may be posted to this path of Grafana's."""
    return _QUERIES.fullmatch(unquote(path)) is not None


def onward_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of a request."""
    return {name: value for name, value in headers if name.lower() in _GO_ON and value.isascii()}


def returned_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Of an answer, with our own policy for pages."""
    passed = {name.lower(): value for name, value in headers.items() if name.lower() in _COME_BACK}
    # What one user sees is not to be shown to the next.
    passed.setdefault("cache-control", "no-store")
    return passed | {"content-security-policy": PAGE_POLICY, "vary": "Authorization, Cookie"}


def returned_location(location: str, asked: str, server_base: str, own_origin: str, base: str) -> str | None:
    """Where a redirect leads, as a path below `base`; None when it leads to anywhere else.

    `asked` is the address that was asked, below `server_base`. A Grafana that knows where it is shown names
    our own address.
    """
    try:
        wanted, server = urlsplit(urljoin(asked, location)), urlsplit(asked)
        is_of_server = (wanted.scheme, wanted.hostname, wanted.port) == (
            server.scheme,
            server.hostname,
            server.port,
        )
    except ValueError:
        return None
    if not is_of_server and f"{wanted.scheme}://{wanted.netloc}" != own_origin:
        return None
    path = wanted.path
    if not is_below(path, base):
        path = base + (path[len(server_base) :] if is_below(path, server_base) else path)
    try:
        path = base + onward_path(path.encode("ascii"), base)
    except (RequestError, UnicodeEncodeError):
        return None
    leads_to = f"{path}?{wanted.query}" if wanted.query else path
    return leads_to if leads_to.isascii() and leads_to.isprintable() else None


def is_below(path: str, base: str) -> bool:
    """Whether it is the base or stands below it."""
    return path == base or path.startswith(f"{base}/")
