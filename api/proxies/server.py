"""One other server, asked over HTTP in the name of users who are logged in.

The address is that of the settings. What is asked for is a path below it and a query, which cannot name
another host; redirects are not followed, no cookie is kept, and the proxies of the environment are not used.
Beside `agents` the only module that names httpx. Knows nothing of routes.
"""

import asyncio
import contextlib
import http.cookiejar
import logging
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote, urlencode

import httpx

from api.errors import RequestError, UpstreamError, UpstreamTimeout
from api.settings import ServerSettings
from capture.text import in_one_line

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 20
"""To one server: each has a pool of its own, so that one that stalls keeps nobody from the others."""
KEPT_CONNECTIONS = 5
KEEP_ALIVE_S = 15
MAX_QUERY_BYTES = 16 * 1024
"""Of a request, encoded: servers take no longer line."""
MAX_WORDS = 500
"""Of what another server says of an error."""

Query = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


class Reply:
    """An answer whose body is still to come; to be closed."""

    def __init__(self, response: httpx.Response, server: "Server") -> None:
        self._response = response
        self._server = server
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it was sent; UpstreamError as soon as it is larger than an answer may be."""
        size, limit = 0, self._server.max_answer_bytes
        with self._server.failures():
            async for chunk in self._response.aiter_raw():
                size += len(chunk)
                if size > limit:
                    raise self._server.too_large()
                yield chunk

    async def close(self) -> None:
        """Give the connection back, or close it when there is more on it."""
        await self._response.aclose()


class Server:
    """A server that the settings name. `name` is what users know it by, `part` its part of the settings."""

    def __init__(self, name: str, part: str, settings: ServerSettings, headers: Mapping[str, str]) -> None:
        """`headers` go with every request. UpstreamError when the authorities in `ca` cannot be read."""
        if settings.url is None:
            raise ValueError(f"{part}.url is not set")
        self.name = name
        self.part = part
        self.max_answer_bytes = settings.max_answer_bytes
        self.timeout_s = settings.timeout_s
        """For one answer."""
        self._url = httpx.URL(settings.url)
        self._base = self._url.raw_path.decode("ascii").rstrip("/")
        self._client = httpx.AsyncClient(
            headers={"User-Agent": "rhapsode", "Accept-Encoding": "identity", **headers},
            verify=_tls(part, settings),
            # A cookie that one user's answer sets would go out with the next one's request.
            cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
            follow_redirects=False,
            timeout=settings.timeout_s,
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=KEPT_CONNECTIONS,
                keepalive_expiry=KEEP_ALIVE_S,
            ),
        )

    @property
    def url(self) -> httpx.URL:
        """The address in the settings."""
        return self._url

    async def get(self, path: str, query: Query = (), headers: Mapping[str, str] | None = None) -> Answer:
        """The whole answer to a GET, whatever its status but a redirect.

        `path` begins with a slash, its parts quoted by `segment`.
        """
        async with self.deadline():
            reply = await self.open("GET", path, urlencode(list(query), quote_via=quote), headers)
            try:
                if HTTPStatus(300) <= reply.status < HTTPStatus(400):
                    raise self.failed("redirects to another place, which is not followed")
                if reply.headers.get("content-encoding", "identity") != "identity":
                    raise self.failed("answers in an encoding that was not asked for")
                return Answer(reply.status, b"".join([chunk async for chunk in reply.chunks()]))
            finally:
                await reply.close()

    async def open(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send a request and read the answer's head; the reply is to be closed.

        `path` and `query` are encoded already.
        """
        if len(path) + len(query) > MAX_QUERY_BYTES:
            raise RequestError(f"the query is longer than {MAX_QUERY_BYTES} bytes")
        target = f"{self._base}{path}?{query}" if query else f"{self._base}{path}"
        with self.failures():
            try:
                url = self._url.copy_with(raw_path=target.encode("ascii"))
            except (httpx.InvalidURL, UnicodeError) as error:
                raise RequestError("the path or the query cannot be passed on") from error
            request = self._client.build_request(method, url, headers=headers, content=body)
            reply = Reply(await self._client.send(request, stream=True), self)
        if method != "HEAD" and int(reply.headers.get("content-length", "0")) > self.max_answer_bytes:
            await reply.close()
            raise self.too_large()
        return reply

    @contextlib.asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """All that is asked within has to be answered in the time for one answer."""
        try:
            async with asyncio.timeout(self.timeout_s):
                yield
        except TimeoutError as error:
            raise self._late() from error

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """httpx's exceptions as ours."""
        try:
            yield
        except httpx.PoolTimeout as error:
            raise UpstreamTimeout(f"{self.name} is asked too much at once") from error
        except httpx.TimeoutException as error:
            raise self._late() from error
        except httpx.ConnectError as error:
            raise self.failed("cannot be reached", error) from error
        except httpx.HTTPError as error:
            raise self.failed("broke off its answer", error) from error

    def failed(self, words: str, cause: Exception | str = "") -> UpstreamError:
        """The error to raise; the address and the cause are for the log."""
        why = f": {in_one_line(str(cause), MAX_WORDS)}" if cause else ""
        log.warning("%s at %s %s%s", self.name, self._url, words, why)
        return UpstreamError(f"{self.name} {words}")

    def refused(self, answer: Answer, words: str = "") -> UpstreamError:
        """The error for an answer that is none, with what the server says about it."""
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return self.failed(f"refuses the credentials of {self.part} ({answer.status})")
        said = f": {in_one_line(words, MAX_WORDS)}" if words else ""
        return self.failed(f"answers {answer.status}{said}")

    def too_large(self) -> UpstreamError:
        """The error for an answer over `max_answer_bytes`."""
        return self.failed(
            f"answers more than {self.max_answer_bytes} bytes ({self.part}.max_answer_bytes): ask for less"
        )

    def _late(self) -> UpstreamTimeout:
        log.warning("%s at %s did not answer in time", self.name, self._url)
        return UpstreamTimeout(f"{self.name} did not answer within {self.timeout_s:g} s")

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def segment(text: str) -> str:
    """One part of a path, quoted; RequestError for what some server would take for several, or for none.

    Many servers look at a path only after they have decoded it.
    """
    if text in ("", ".", "..") or not text.isprintable() or set(text) & set("/\\%"):
        raise RequestError
    return quote(text, safe="")


def authorization(settings: ServerSettings, word: str = "Bearer") -> dict[str, str]:
    """The header by user and password, or by the token behind its word; none without either."""
    if settings.token is not None:
        return {"Authorization": f"{word} {settings.token.get_secret_value()}"}
    if settings.password is not None:
        pair = f"{settings.user}:{settings.password.get_secret_value()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def _tls(part: str, settings: ServerSettings) -> ssl.SSLContext | bool:
    """False, which is never looked at, for an address without TLS: loading all authorities takes a while."""
    if not (settings.url or "").startswith("https:"):
        return False
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        raise UpstreamError(f"{part}.ca cannot be read: {error}") from error
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
