"""What the web UI asks of Grafana, by way of the API."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.settings import GrafanaSettings, HttpSettings
from tests.support.api import Api, an_api, bearer
from tests.support.http_server import HttpServer, Said, http_server, said_json
from tests.support.other_servers import ADMIN_TOKEN, FOLDERS, GRAFANA_PAGE, VIEWER_TOKEN, grafana

BASE = "/api/v3/proxy/grafana"
ADMIN, USER = bearer("alice"), bearer("bob")
ELSEWHERE = "Grafana redirects to another place, which is not followed"


@pytest.fixture
async def upstream() -> AsyncIterator[HttpServer]:
    async with http_server(grafana) as server:
        yield server


@pytest.fixture
async def api(upstream: HttpServer) -> AsyncIterator[Api]:
    settings = GrafanaSettings(url=f"{upstream.url}/", token=ADMIN_TOKEN, viewer_token=VIEWER_TOKEN)
    async with an_api(grafana=settings) as api:
        api.trust(alice="admin", bob="user")
        yield api


async def get(api: Api, route: str, headers: dict[str, str] = USER) -> tuple[int, object]:
    answer = await api.client.get(f"{BASE}/{route}", headers=headers)
    return answer.status_code, answer.json()


async def test_web_ui_learns_where_grafana_is(api: Api, upstream: HttpServer) -> None:
    assert await get(api, "url") == (201, {"data": upstream.url})
    assert await get(api, "path") == (201, {"data": "grafana"})
    assert await get(api, "status") == (201, {"data": {"enable": True}})
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("route", "target", "expected"),
    [
        ("org", "/api/org", {"id": 1, "name": "Main Org.", "address": {"city": ""}}),
        ("folders", "/api/search?folderIds=0", FOLDERS),
        ("search/1", "/api/search?folderIds=1", FOLDERS[1:]),
        (
            "dashboards/uid/nErXDvCkzz",
            "/api/dashboards/uid/nErXDvCkzz",
            {"dashboard": {"uid": "nErXDvCkzz", "panels": [{"id": 2, "title": "Rate"}]}, "meta": {}},
        ),
    ],
)
async def test_answer_of_grafana_is_handed_on(
    api: Api, upstream: HttpServer, route: str, target: str, expected: object
) -> None:
    assert await get(api, route) == (201, expected)
    assert upstream.last.target == target


@pytest.mark.parametrize(
    ("given", "of_admin", "of_user"),
    [
        ({}, None, None),
        ({"token": ADMIN_TOKEN}, f"Bearer {ADMIN_TOKEN}", None),
        ({"viewer_token": VIEWER_TOKEN}, f"Bearer {VIEWER_TOKEN}", f"Bearer {VIEWER_TOKEN}"),
        (
            {"token": ADMIN_TOKEN, "viewer_token": VIEWER_TOKEN},
            f"Bearer {ADMIN_TOKEN}",
            f"Bearer {VIEWER_TOKEN}",
        ),
        ({"user": "admin", "password": "x"}, "Basic YWRtaW46eA==", None),
    ],
)
async def test_token_goes_along_for_administrators_alone(
    upstream: HttpServer, given: dict[str, str], of_admin: str | None, of_user: str | None
) -> None:
    routes = ("org", "folders", "search/1", "dashboards/uid/x", "request/d/x/y")
    async with an_api(grafana=GrafanaSettings(url=upstream.url, **given)) as api:
        api.trust(alice="admin", bob="user", carol="nonadmin")
        # Both ways about, so that no connection and no cookie carries one over.
        for name, expected in (
            ("alice", of_admin),
            ("bob", of_user),
            ("carol", of_user),
            ("alice", of_admin),
        ):
            for route in routes:
                await api.client.get(f"{BASE}/{route}", headers=bearer(name))
                assert upstream.last.headers.get("authorization") == expected, (name, route)
                assert "cookie" not in upstream.last.headers


async def test_refusal_of_grafana_is_shown_by_the_web_ui(upstream: HttpServer) -> None:
    async with an_api(grafana=GrafanaSettings(url=upstream.url, token=ADMIN_TOKEN)) as api:
        api.trust(bob="user")
        answer = await get(api, "org")

    assert answer == (
        201,
        {
            "errorcode": "1048",
            "message": "grafana returned httpcode: 401",
            "data": {"message": "Unauthorized", "traceID": ""},
        },
    )


@pytest.mark.parametrize("said", [Said(b"<html>", 502), Said(b"[1]", 502), Said(b"", 502)])
async def test_refusal_that_is_no_json_is_in_our_words(api: Api, upstream: HttpServer, said: Said) -> None:
    upstream.answers = lambda asked: said

    words = "grafana returned httpcode: 502"
    assert await get(api, "org") == (201, {"errorcode": "1048", "message": words, "data": {"message": words}})


@pytest.mark.parametrize(
    ("said", "timeout_s", "words"),
    [
        (Said(b"", 302, {"Location": "http://elsewhere/"}), 10, ELSEWHERE),
        (Said(b"<html>"), 10, "Grafana answers what is not in its API"),
        (Said(b'"half', length=100), 10, "Grafana broke off its answer"),
        (Said(waits_for=asyncio.Event()), 0.05, "Grafana did not answer within 0.05 s"),
    ],
)
async def test_grafana_that_does_not_answer_is_shown_by_the_web_ui(
    upstream: HttpServer, said: Said, timeout_s: float, words: str
) -> None:
    upstream.answers = lambda asked: said
    async with an_api(grafana=GrafanaSettings(url=upstream.url, timeout_s=timeout_s)) as api:
        api.trust(bob="user")
        answer = await get(api, "folders")

    assert answer == (201, {"errorcode": "1048", "message": words, "data": {"message": words}})


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("dashboards/uid/..", 404),
        ("dashboards/uid/%2e%2e", 400),
        ("dashboards/uid/..%2F..%2Fadmin%2Fsettings", 404),
        ("dashboards/uid/..%5c..%5cadmin", 400),
        ("dashboards/uid/%252e%252e%252fadmin", 400),
        ("dashboards/uid/x%0d%0aX-WEBAUTH-USER:%20admin", 400),
        ("request/d/x/..%5c", 400),
        ("request/d/%252e%252e/x", 400),
    ],
)
async def test_path_that_leads_elsewhere_is_not_asked(
    api: Api, upstream: HttpServer, route: str, status: int
) -> None:
    assert (await get(api, route, ADMIN))[0] == status
    assert upstream.asked == []


@pytest.mark.parametrize("uid", ["1&query=x", "1#", "1;x", "ü", "1\u2028"])
async def test_folder_can_add_nothing_to_what_is_asked(api: Api, upstream: HttpServer, uid: str) -> None:
    answer = await api.client.get(f"{BASE}/search/{uid.replace('#', '%23')}", headers=USER)

    assert answer.status_code == 201
    assert upstream.last.query == {"folderIds": uid}


async def test_page_finds_what_belongs_to_it_below_our_path(upstream: HttpServer) -> None:
    settings = GrafanaSettings(url=upstream.url, viewer_token=VIEWER_TOKEN, path="charts")
    async with an_api(grafana=settings, http=HttpSettings(prefix="/homer")) as api:
        api.trust(bob="user")
        answer = await api.client.get(
            "/homer/api/v3/proxy/grafana/request/d/nErXDvCkzz/calls?orgId=1&JWT=0123456789abcde&a=b%26c",
            headers=USER,
        )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.content == GRAFANA_PAGE.replace(b'href="/"', b'href="/homer/charts/"')
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    assert upstream.last.path == "/d/nErXDvCkzz/calls"
    assert upstream.last.query == {"orgId": "1", "a": "b&c"}


async def test_page_that_grafana_does_not_give_is_an_error(upstream: HttpServer) -> None:
    async with an_api(grafana=GrafanaSettings(url=upstream.url)) as api:
        api.trust(bob="user")
        redirected = await get(api, "request/d/x/y")
        upstream.answers = lambda asked: said_json({"message": "no"}, 404)
        missing = await get(api, "request/d/x/y")

    assert redirected == (
        502,
        {"data": {}, "message": ELSEWHERE},
    )
    assert missing == (502, {"data": {}, "message": "Grafana answers 404"})


async def test_without_a_grafana_every_route_says_so() -> None:
    routes = ("url", "org", "folders", "search/1", "dashboards/uid/x", "request/d/x/y", "path", "status")
    async with an_api() as api:
        api.trust(bob="user")
        for route in routes:
            stranger = await api.client.get(f"{BASE}/{route}")
            assert stranger.status_code == 401
        for route in routes[:-2]:
            message = "Grafana service is not configured"
            assert await get(api, route) == (400, {"data": {}, "message": message})
        path = await api.client.get(f"{BASE}/path", headers=USER)
        status = await get(api, "status")

    assert (path.status_code, path.json()) == (201, {"data": "grafana"})
    assert "set-cookie" not in path.headers
    assert status == (201, {"data": {"enable": False}})
