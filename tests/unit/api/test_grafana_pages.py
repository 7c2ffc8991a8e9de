"""Grafana's pages below a path of ours, by a real server and a browser's cookies."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import Request, Response
from starlette.types import Message

from api.app import create_app
from api.auth.caller import Caller
from api.auth.page import COOKIE, LIFETIME_S
from api.context import ApiContext
from api.proxies.grafana import Grafana
from api.proxies.server import MAX_CONNECTIONS, Reply, Server
from api.routes.grafana_pages import show_pages
from api.settings import ApiOptions, GrafanaSettings, HttpSettings
from tests.support.api import AWAY, Api, bearer
from tests.support.http_server import HttpServer, Said, http_server
from tests.support.other_servers import ADMIN_TOKEN, GRAFANA_PAGE, VIEWER_TOKEN, grafana

PATH = "/api/v3/proxy/grafana/path"
ADMIN, USER = bearer("alice"), bearer("bob")
FRAME = "/grafana/d-solo/nErXDvCkzz/Rate?orgId=1&panelId=2&JWT=0123456789abcde&kiosk=full"


@asynccontextmanager
async def served(grafana: GrafanaSettings, **options: Any) -> AsyncIterator[Api]:
    """The application behind a real server, and a browser that asks it."""
    app = create_app(ApiOptions(database_url=AWAY, grafana=grafana, **options))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(server.serve([listener]))
    try:
        async with httpx.AsyncClient(base_url=base) as client:
            api = Api(client, app.state.context)
            api.trust(alice="admin", bob="user")
            yield api
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def upstream() -> AsyncIterator[HttpServer]:
    async with http_server(grafana) as server:
        yield server


@pytest.fixture
async def api(upstream: HttpServer) -> AsyncIterator[Api]:
    settings = GrafanaSettings(
        url=upstream.url, token=ADMIN_TOKEN, viewer_token=VIEWER_TOKEN, max_answer_bytes=100_000
    )
    async with served(settings) as api:
        yield api


async def test_frame_of_the_web_ui_is_shown_after_it_has_asked_for_the_path(
    api: Api, upstream: HttpServer
) -> None:
    await api.client.get(PATH, headers=USER)
    page = await api.client.get(FRAME)
    part = await api.client.get("/grafana/public/build/app.js")
    data = await api.client.post("/grafana/api/ds/query?ds_type=x", json={"queries": []})

    assert (page.status_code, page.content) == (200, GRAFANA_PAGE)
    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    assert (part.status_code, part.content) == (200, b"let x=1")
    assert part.headers["cache-control"] == "public, max-age=31536000"
    assert (data.status_code, data.json()) == (200, {"results": {"A": {"status": 200, "frames": []}}})
    first, _, last = upstream.asked
    assert first.target == "/d-solo/nErXDvCkzz/Rate?orgId=1&panelId=2&kiosk=full"
    assert (last.method, last.body) == ("POST", b'{"queries":[]}')
    for asked in upstream.asked:
        assert asked.headers["authorization"] == f"Bearer {VIEWER_TOKEN}"
        assert "cookie" not in asked.headers
        assert "origin" not in asked.headers


async def test_stranger_sees_no_page(api: Api, upstream: HttpServer) -> None:
    expired = bearer("bob", exp=1)["Authorization"].partition(" ")[2]
    for cookie in (b"", b"=", b"=x", f"={expired}".encode(), b"=\xc3\xbc", b'="\x80'):
        for method, path in (("GET", FRAME), ("GET", "/grafana"), ("POST", "/grafana/api/ds/query")):
            headers = {"Cookie": COOKIE.encode() + cookie}
            answer = await api.client.request(method, path, headers=headers)
            assert answer.status_code == 401, (cookie, path)
            assert "set-cookie" not in answer.headers

    assert upstream.asked == []


async def test_whose_login_has_ended_sees_no_page(api: Api, upstream: HttpServer) -> None:
    await api.client.get(PATH, headers=USER)
    api.trust(alice="admin")

    assert (await api.client.get(FRAME)).status_code == 401
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("given", "of_admin", "of_user"),
    [
        ({}, None, None),
        ({"token": ADMIN_TOKEN}, ADMIN_TOKEN, None),
        ({"viewer_token": VIEWER_TOKEN}, VIEWER_TOKEN, VIEWER_TOKEN),
        ({"token": ADMIN_TOKEN, "viewer_token": VIEWER_TOKEN}, ADMIN_TOKEN, VIEWER_TOKEN),
    ],
)
async def test_token_goes_along_for_administrators_alone(
    upstream: HttpServer, given: dict[str, str], of_admin: str | None, of_user: str | None
) -> None:
    async with served(GrafanaSettings(url=upstream.url, **given)) as api:
        for headers, token in ((ADMIN, of_admin), (USER, of_user), (ADMIN, of_admin)):
            for own in ({}, {"X-WEBAUTH-USER": "admin"}, {"Cookie": "grafana_session=admin"}):
                await api.client.get("/grafana/api/admin/settings", headers=headers | own)
                expected = None if token is None else f"Bearer {token}"
                assert upstream.last.headers.get("authorization") == expected
                assert upstream.last.headers.keys().isdisjoint({"cookie", "x-webauth-user"})


async def test_cookie_is_for_pages_of_ours_and_soon_over(api: Api) -> None:
    answer = await api.client.get(PATH, headers=USER)
    api.client.cookies.clear()
    short = await api.client.get(PATH, headers=bearer("bob", exp=int(time.time()) + 60))

    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value == f"{COOKIE}={USER['Authorization'].partition(' ')[2]}"
    # The login of the tests ends before that.
    assert {attribute.lower() for attribute in attributes if not attribute.startswith("Max-Age")} == {
        "httponly",
        "path=/grafana",
        "samesite=strict",
    }
    assert 0 < int(answer.headers["set-cookie"].partition("Max-Age=")[2].partition(";")[0]) <= LIFETIME_S
    assert 0 < int(short.headers["set-cookie"].partition("Max-Age=")[2].partition(";")[0]) <= 60


async def test_cookie_lasts_longer_with_each_page_but_not_for_ever(api: Api) -> None:
    long = bearer("bob", exp=int(time.time()) + 100_000)
    await api.client.get(PATH, headers=long)

    answer = await api.client.get(FRAME)

    assert f"Max-Age={LIFETIME_S};" in answer.headers["set-cookie"]
    assert long["Authorization"].partition(" ")[2] in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        # Behind a proxy that names another host.
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://rhapsode.example"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": "OWN"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://elsewhere"}, 403),
    ],
)
async def test_cookie_is_of_no_use_to_pages_of_others(
    api: Api, upstream: HttpServer, headers: dict[str, str], status: int
) -> None:
    await api.client.get(PATH, headers=USER)
    if headers.get("Origin") == "OWN":
        headers = headers | {"Origin": str(api.client.base_url).rstrip("/")}

    read = await api.client.get(FRAME, headers=headers)
    posted = await api.client.post("/grafana/api/ds/query", json={}, headers=headers)

    assert read.status_code == posted.status_code == status
    assert len(upstream.asked) == (2 if status == 200 else 0)


async def test_own_page_may_post(api: Api) -> None:
    await api.client.get(PATH, headers=USER)
    own = str(api.client.base_url).rstrip("/")

    answer = await api.client.post("/grafana/api/ds/query", json={}, headers={"Origin": own})

    assert answer.status_code == 200


async def test_cookie_is_no_login_for_the_api(api: Api) -> None:
    await api.client.get(PATH, headers=USER)
    token = api.client.cookies[COOKIE]
    api.client.cookies.clear()

    answer = await api.client.get(PATH, headers={"Cookie": f"{COOKIE}={token}"})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/grafana/api/admin/users"),
        ("POST", "/grafana/login"),
        ("POST", "/grafana/api/datasources/proxy/1/api/v1/admin/tsdb/delete_series"),
        ("PUT", "/grafana/api/ds/query"),
        ("DELETE", "/grafana/api/dashboards/uid/x"),
        ("PATCH", "/grafana/api/org"),
    ],
)
async def test_grafana_is_not_changed_from_here(
    api: Api, upstream: HttpServer, method: str, path: str
) -> None:
    answer = await api.client.request(method, path, headers=ADMIN, json={})

    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))
    assert upstream.asked == []


async def send_raw(api: Api, target: bytes) -> int:
    """The status for a path that no client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.client.base_url.port)
    token = ADMIN["Authorization"].encode()
    writer.write(
        b"GET "
        + target
        + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "
        + token
        + b"\r\n\r\n"
    )
    line = await reader.readline()
    writer.close()
    return int(line.split(b" ")[1])


@pytest.mark.parametrize(
    "target",
    [
        b"/grafana/../api/v3/alias",
        b"/grafana/%2e%2e/x",
        b"/grafana/..%2fx",
        b"/grafana/%252e%252e%252fx",
        b"/grafana/..%5cx",
        b"/grafana/..;/x",
        b"/grafana//elsewhere/x",
        b"/grafana/@elsewhere//x",
        b"/grafana/x%0d%0aX-WEBAUTH-USER:%20admin",
        b"http://elsewhere/grafana/../x",
    ],
)
async def test_path_that_leads_elsewhere_goes_nowhere(api: Api, upstream: HttpServer, target: bytes) -> None:
    assert await send_raw(api, target) in (400, 404)
    assert upstream.asked == []


async def test_user_in_a_path_is_part_of_the_path(api: Api, upstream: HttpServer) -> None:
    assert await send_raw(api, b"/grafana/@elsewhere:80/x?a=//user@elsewhere/") == 404

    assert upstream.last.target == "/@elsewhere:80/x?a=//user@elsewhere/"
    assert upstream.last.headers["host"] == upstream.url.removeprefix("http://")


async def test_redirect_of_grafana_stays_here(upstream: HttpServer) -> None:
    async with served(GrafanaSettings(url=upstream.url)) as api:
        to_login = await api.client.get(FRAME, headers=USER)
        upstream.answers = lambda asked: Said(b"", 301, {"Location": "//elsewhere/"})
        elsewhere = await api.client.get(FRAME, headers=USER)

    assert (to_login.status_code, to_login.headers["location"]) == (302, "/grafana/login")
    assert upstream.asked[0].headers["host"] == upstream.url.removeprefix("http://")
    assert COOKIE in to_login.headers["set-cookie"]
    assert elsewhere.status_code == 502
    assert elsewhere.json() == {
        "data": {},
        "message": "Grafana redirects to another place, which is not followed",
    }


async def test_status_and_compression_of_grafana_come_back(api: Api, upstream: HttpServer) -> None:
    upstream.answers = lambda asked: Said(
        b"\x1f\x8bx", 404, {"Content-Encoding": "gzip", "Content-Type": "text/css"}
    )

    async with api.client.stream(
        "GET", "/grafana/x.css", headers=USER | {"Accept-Encoding": "gzip"}
    ) as answer:
        body = b"".join([chunk async for chunk in answer.aiter_raw()])

    assert (answer.status_code, body) == (404, b"\x1f\x8bx")
    assert answer.headers["content-encoding"] == "gzip"
    assert upstream.last.headers["accept-encoding"] == "gzip"


async def test_head_has_no_body(api: Api, upstream: HttpServer) -> None:
    answer = await api.client.head("/grafana/public/build/app.js", headers=USER)

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "7")
    assert upstream.last.method == "HEAD"


async def test_answer_without_end_is_cut_off(
    api: Api, upstream: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answers = lambda asked: Said(b"", length=None, endless=b"x" * 10_000)

    with pytest.raises(httpx.RemoteProtocolError):
        await api.client.get("/grafana/x", headers=USER)

    await asyncio.wait_for(upstream.gone.wait(), 5)
    assert "an answer of Grafana's is cut off: Grafana answers more than 100000 bytes" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


async def test_answer_that_takes_too_long_is_cut_off(
    upstream: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answers = lambda asked: Said(length=None, endless=b"x", slowness_s=0.02)
    async with served(GrafanaSettings(url=upstream.url, timeout_s=0.5)) as api:
        with pytest.raises(httpx.RemoteProtocolError):
            await api.client.get("/grafana/x", headers=USER)

        await asyncio.wait_for(upstream.gone.wait(), 5)
    assert "an answer of Grafana's is cut off: it takes too long" in caplog.text


async def test_browsers_that_leave_keep_no_connection_to_grafana(api: Api, upstream: HttpServer) -> None:
    """More of them than there are connections, while Grafana says nothing."""
    upstream.answers = lambda asked: Said(waits_for=asyncio.Event())
    request = f"GET /grafana/x HTTP/1.1\r\nHost: x\r\nAuthorization: {USER['Authorization']}\r\n\r\n"
    for number in range(1, MAX_CONNECTIONS + 6):
        _, writer = await asyncio.open_connection("127.0.0.1", api.client.base_url.port)
        writer.write(request.encode())
        async with asyncio.timeout(5):
            while len(upstream.asked) < number:
                upstream.came.clear()
                await upstream.came.wait()
        writer.close()
    upstream.answers = grafana

    answer = await api.client.get("/grafana/public/build/app.js", headers=USER)

    assert answer.content == b"let x=1"


async def test_browsers_that_leave_before_the_answer_keep_no_connection_either(upstream: HttpServer) -> None:
    upstream.answers = lambda asked: Said(b"x" * 50_000)
    app = create_app(ApiOptions(database_url=AWAY, grafana=GrafanaSettings(url=upstream.url, timeout_s=3)))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    Api(client, app.state.context).trust(bob="user")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/grafana/x",
        "raw_path": b"/grafana/x",
        "query_string": b"",
        "headers": [(b"authorization", USER["Authorization"].encode())],
    }

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        raise OSError

    for _ in range(MAX_CONNECTIONS + 5):
        await app(dict(scope), receive, send)
    async with client:
        answer = await client.get("/grafana/x", headers=USER)
    await app.state.context.close()

    assert answer.status_code == 200


class _Overtaking(Server):
    """Whose answers come in the very moment in which those who have asked give up."""

    asking: asyncio.Task[Response]

    async def open(self, *asked: Any, **more: Any) -> Reply:
        reply = await super().open(*asked, **more)
        self.asking.cancel()
        return reply


class _Overtaken(Grafana):
    """The Grafana behind it."""

    def __init__(self, settings: GrafanaSettings) -> None:
        super().__init__(settings)
        self.overtaking = _Overtaking("Grafana", "grafana", settings, {})

    @property
    def server(self) -> Server:
        return self.overtaking


async def test_answer_that_comes_as_nobody_waits_any_more_is_given_up(upstream: HttpServer) -> None:
    upstream.answers = lambda asked: Said(b"x", length=100, stalls_on=asyncio.Event())
    context = ApiContext(ApiOptions(database_url=AWAY))
    overtaken = _Overtaken(GrafanaSettings(url=upstream.url))
    context.servers.grafana = overtaken
    path = "/grafana/x"
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": path, "raw_path": path.encode()}

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    request = Request(scope | {"query_string": b"", "headers": []}, receive)
    asking = asyncio.create_task(show_pages(request, Caller("bob", "user"), context))
    overtaken.overtaking.asking = asking
    with pytest.raises(asyncio.CancelledError):
        await asking

    await asyncio.wait_for(upstream.gone.wait(), 5)
    await overtaken.overtaking.close()
    await context.close()


async def test_announced_answer_that_is_too_large_is_not_begun(api: Api, upstream: HttpServer) -> None:
    upstream.answers = lambda asked: Said(b"", length=100_001)

    answer = await api.client.get("/grafana/x", headers=USER)

    assert answer.status_code == 502
    assert answer.json()["message"].startswith("Grafana answers more than 100000 bytes")


async def test_who_leaves_lets_grafana_go(api: Api, upstream: HttpServer) -> None:
    upstream.answers = lambda asked: Said(b"x", length=100, stalls_on=asyncio.Event())

    async with api.client.stream("GET", "/grafana/x", headers=USER) as answer:
        async for _ in answer.aiter_raw():
            break

    await asyncio.wait_for(upstream.gone.wait(), 5)


async def test_grafana_that_is_away_is_said(upstream: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    upstream.answers = lambda asked: Said(waits_for=asyncio.Event())
    with caplog.at_level(logging.ERROR):
        async with served(GrafanaSettings(url=upstream.url, timeout_s=0.05)) as api:
            late = await api.client.get(FRAME, headers=USER)
        async with served(GrafanaSettings(url="http://127.0.0.1:9")) as api:
            away = await api.client.get(FRAME, headers=USER)

    for answer in (late, away):
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'self'"
    assert (late.status_code, late.json()["message"]) == (504, "Grafana did not answer within 0.05 s")
    assert (away.status_code, away.json()["message"]) == (502, "Grafana cannot be reached")


async def test_path_and_prefix_of_the_settings_are_those_of_the_pages(upstream: HttpServer) -> None:
    settings = GrafanaSettings(url=f"{upstream.url}/sub", viewer_token=VIEWER_TOKEN, path="a/charts")
    async with served(settings, http=HttpSettings(prefix="/homer")) as api:
        path = await api.client.get("/homer/api/v3/proxy/grafana/path", headers=USER)
        await api.client.get("/homer/a/charts/d/x?y=z")
        outside = await api.client.get("/a/charts/d/x", headers=USER)

    assert path.json() == {"data": "a/charts"}
    assert "Path=/homer/a/charts;" in path.headers["set-cookie"]
    assert upstream.last.target == "/sub/d/x?y=z"
    assert outside.status_code == 404


async def test_body_is_bounded(upstream: HttpServer) -> None:
    async with served(GrafanaSettings(url=upstream.url), http=HttpSettings(max_body_bytes=1024)) as api:
        answer = await api.client.post("/grafana/api/ds/query", content=b"x" * 1025, headers=USER)

    assert answer.status_code == 413
    assert upstream.asked == []


async def test_api_token_gets_no_cookie(api: Api, upstream: HttpServer) -> None:
    """It is a program's, which has no frames."""
    answer = await api.client.get(PATH, headers=bearer("bob", jti=""))

    assert answer.status_code == 201
    assert "set-cookie" not in answer.headers


async def test_without_a_grafana_there_are_no_pages() -> None:
    async with served(GrafanaSettings()) as api:
        assert (await api.client.get(FRAME, headers=USER)).status_code == 404
