"""Another server, asked: what goes out, what comes back, and every way in which it fails."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.errors import RequestError, UpstreamError, UpstreamTimeout
from api.proxies.server import MAX_QUERY_BYTES, Server, authorization, segment
from api.settings import ServerSettings
from tests.support.http_server import Answers, HttpServer, Said, http_server

TLS = Path(__file__).parents[3] / "e2e" / "tls"


def says(said: Said) -> Answers:
    """Always the same."""
    return lambda asked: said


@asynccontextmanager
async def asking(
    answers: Answers, path: str = "", headers: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[tuple[Server, HttpServer]]:
    """A server with its settings, and what it is asked."""
    async with http_server(answers) as upstream:
        server = Server(
            "Loki", "loki", ServerSettings(url=f"{upstream.url}{path}", **settings), headers or {}
        )
        try:
            yield server, upstream
        finally:
            await server.close()


async def test_path_and_query_stand_behind_the_address_of_the_settings() -> None:
    async with asking(says(Said(b"yes")), path="/base/") as (server, upstream):
        answer = await server.get("/api/x", [("q", 'a&b=c#d e"\r\n+%20'), ("r", "ü")])

    assert answer == (200, b"yes")
    assert upstream.last.method == "GET"
    assert upstream.last.path == "/base/api/x"
    assert upstream.last.query == {"q": 'a&b=c#d e"\r\n+%20', "r": "ü"}


async def test_connection_is_kept_for_the_next_question() -> None:
    async with asking(says(Said(b"yes"))) as (server, upstream):
        for _ in range(3):
            await server.get("/x")

    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({"token": "secret"}, "Bearer secret"),
        ({"user": "ali", "password": "ce:ü"}, "Basic YWxpOmNlOsO8"),
    ],
)
async def test_credentials_of_the_settings_go_along(settings: dict[str, str], header: str | None) -> None:
    headers = authorization(ServerSettings(**settings))
    async with asking(says(Said()), headers=headers) as (server, upstream):
        await server.get("/x")

    assert upstream.last.headers.get("authorization") == header


async def test_cookie_of_one_answer_is_not_sent_with_the_next_question() -> None:
    cookie = Said(b"", headers={"Set-Cookie": "session=admin; Path=/"})
    async with asking(says(cookie)) as (server, upstream):
        await server.get("/x")
        await server.get("/x")

    assert "cookie" not in upstream.last.headers


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_server(says(Said(b"from the proxy"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with asking(says(Said(b"from the server"))) as (server, _):
            answer = await server.get("/x")

    assert answer.body == b"from the server"
    assert proxy.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed_even_to_the_same_server(status: int) -> None:
    async with http_server(says(Said(b"elsewhere"))) as elsewhere:
        for location in (f"{elsewhere.url}/x", "/other"):
            said = Said(b"", status, {"Location": location})
            async with asking(says(said)) as (server, upstream):
                with pytest.raises(
                    UpstreamError, match=r"^Loki redirects to another place, which is not followed$"
                ):
                    await server.get("/x")
            assert len(upstream.asked) == 1

    assert elsewhere.asked == []


async def test_server_that_is_not_there_cannot_be_reached(caplog: pytest.LogCaptureFixture) -> None:
    async with http_server(says(Said())) as upstream:
        secrets = {"token": "secret"}
        settings = ServerSettings(url=upstream.url, **secrets)
    server = Server("Loki", "loki", settings, authorization(settings))

    with pytest.raises(UpstreamError, match=r"^Loki cannot be reached$"):
        await server.get("/x")

    await server.close()
    assert f"Loki at {upstream.url} cannot be reached: " in caplog.text
    assert "secret" not in caplog.text


async def test_server_that_says_nothing_is_given_up_in_time() -> None:
    silent = Said(waits_for=asyncio.Event())
    async with asking(says(silent), timeout_s=0.05) as (server, upstream):
        with pytest.raises(UpstreamTimeout, match=r"^Loki did not answer within 0\.05 s$"):
            await server.get("/x")

        await asyncio.wait_for(upstream.gone.wait(), 5)


async def test_server_that_dribbles_is_given_up_in_time() -> None:
    """A limit on each read would never be reached."""
    dribbling = Said(length=None, endless=b"x", slowness_s=0.02)
    async with asking(says(dribbling), timeout_s=0.3) as (server, _):
        with pytest.raises(UpstreamTimeout):
            await server.get("/x")


async def test_answer_that_breaks_off_is_none() -> None:
    async with asking(says(Said(b"half", length=100))) as (server, _):
        with pytest.raises(UpstreamError, match=r"^Loki broke off its answer$"):
            await server.get("/x")


@pytest.mark.parametrize(
    "said",
    [
        Said(b"x" * 2000),
        Said(b"", length=10**18),
        Said(b"x" * 2000, length=None),
        Said(b"", length=None, endless=b"x" * 1000),
    ],
    ids=["announced", "announced and never sent", "not announced", "endless"],
)
async def test_answer_that_is_too_large_is_not_read_on(said: Said) -> None:
    async with asking(says(said), max_answer_bytes=1024) as (server, _):
        with pytest.raises(
            UpstreamError, match=r"^Loki answers more than 1024 bytes \(loki\.max_answer_bytes\)"
        ):
            await server.get("/x")


async def test_largest_answer_is_taken() -> None:
    async with asking(says(Said(b"x" * 1024)), max_answer_bytes=1024) as (server, _):
        assert len((await server.get("/x")).body) == 1024


async def test_compressed_answer_is_refused_for_it_may_grow_without_bounds() -> None:
    bomb = Said(gzip.compress(b"x" * 1_000_000), headers={"Content-Encoding": "gzip"})
    async with asking(says(bomb)) as (server, upstream):
        with pytest.raises(UpstreamError, match="encoding that was not asked for"):
            await server.get("/x")

    assert upstream.last.headers["accept-encoding"] == "identity"


async def test_query_that_is_too_long_is_not_asked() -> None:
    async with asking(says(Said())) as (server, upstream):
        with pytest.raises(RequestError, match=f"^the query is longer than {MAX_QUERY_BYTES} bytes$"):
            await server.get("/x", [("q", "x" * MAX_QUERY_BYTES)])

    assert upstream.asked == []


async def test_words_of_the_server_are_handed_on_in_one_line() -> None:
    async with asking(says(Said(b"", 500))) as (server, _):
        answer = await server.get("/x")

        assert str(server.refused(answer, "no\nroom\x1b[31m")) == "Loki answers 500: no\\nroom\\x1b[31m"
        assert str(server.refused(answer._replace(status=403), "x")) == (
            "Loki refuses the credentials of loki (403)"
        )
        assert len(str(server.refused(answer, "x" * 10_000))) < 600


async def test_question_is_given_up_with_who_asked() -> None:
    async with asking(says(Said(waits_for=asyncio.Event()))) as (server, upstream):
        asked = asyncio.create_task(server.get("/x"))
        await asyncio.wait_for(upstream.came.wait(), 5)
        asked.cancel()

        await asyncio.wait_for(upstream.gone.wait(), 5)


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\\b", "%2e%2e", "a\r\nX: y", "a\0", "\x85"])
def test_part_of_a_path_that_may_be_several_is_none(part: str) -> None:
    with pytest.raises(RequestError):
        segment(part)


def test_part_of_a_path_is_quoted() -> None:
    assert segment("a b?c#d@e:f;ü") == "a%20b%3Fc%23d%40e%3Af%3B%C3%BC"


@asynccontextmanager
async def asking_by_tls(**settings: Any) -> AsyncIterator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    async with http_server(says(Said(b"yes")), context) as upstream:
        server = Server("Loki", "loki", ServerSettings(url=upstream.url, **settings), {})
        try:
            yield server
        finally:
            await server.close()


async def test_certificate_of_nobody_known_is_not_trusted(caplog: pytest.LogCaptureFixture) -> None:
    async with asking_by_tls() as server:
        with pytest.raises(UpstreamError, match=r"^Loki cannot be reached$"):
            await server.get("/x")

    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


@pytest.mark.parametrize("settings", [{"ca": TLS / "cert.pem"}, {"verify_tls": False}])
async def test_certificate_is_trusted_by_its_authority_or_unseen(settings: dict[str, Any]) -> None:
    async with asking_by_tls(**settings) as server:
        assert (await server.get("/x")).body == b"yes"


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match=r"^loki\.ca cannot be read: "):
        Server("Loki", "loki", ServerSettings(url="https://x", ca=tmp_path / "none.pem"), {})
