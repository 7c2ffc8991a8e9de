"""Other servers asked by real users: by login, by API token, and by the cookie of a frame."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from api.auth.api_tokens import hash_of, new_token
from api.auth.page import COOKIE
from api.settings import GrafanaSettings, LokiSettings
from api.tables import api_tokens, audit, users
from tests.support.api import Api, add_user, an_api
from tests.support.http_server import HttpServer, http_server
from tests.support.other_servers import ADMIN_TOKEN, VIEWER_TOKEN, grafana, loki

PATH = "/api/v3/proxy/grafana/path"
FRAME = "/grafana/d-solo/nErXDvCkzz/Rate?orgId=1"


@pytest.fixture
async def upstream() -> AsyncIterator[HttpServer]:
    async with http_server(lambda asked: (loki if "/loki/" in asked.path else grafana)(asked)) as server:
        yield server


@pytest.fixture
async def api(database_url: str, upstream: HttpServer) -> AsyncIterator[Api]:
    tokens = {"token": ADMIN_TOKEN, "viewer_token": VIEWER_TOKEN}
    settings = GrafanaSettings(url=upstream.url, **tokens)
    async with an_api(database_url, grafana=settings, loki=LokiSettings(url=upstream.url)) as api:
        yield api


async def frame(api: Api, upstream: HttpServer) -> tuple[int, str | None]:
    """The status of a frame loaded with the browser's cookies alone, and what Grafana was shown."""
    upstream.asked.clear()
    answer = await api.client.get(FRAME)
    return answer.status_code, upstream.last.headers["authorization"] if upstream.asked else None


async def change(api: Api, **columns: object) -> None:
    async with api.context.engine.begin() as connection:
        await connection.execute(update(users).values(columns))
    # As another process sees it, a moment later.
    api.context.standings.forget()


async def test_frame_is_shown_while_the_login_lasts(api: Api, upstream: HttpServer) -> None:
    await add_user(api.context.engine, "bob", usergroup="user")
    headers = await api.log_in("bob")
    before = await frame(api, upstream)
    await api.client.get(PATH, headers=headers)
    shown = await frame(api, upstream)

    await api.client.post("/api/v3/rhapsode/logout", headers=headers)

    assert before == (401, None)
    assert shown == (200, f"Bearer {VIEWER_TOKEN}")
    assert await frame(api, upstream) == (401, None)


async def test_administrator_who_is_one_no_more_is_none_in_a_frame(api: Api, upstream: HttpServer) -> None:
    await add_user(api.context.engine, "alice")
    await api.client.get(PATH, headers=await api.log_in("alice"))
    as_admin = await frame(api, upstream)
    await change(api, usergroup="user")
    as_user = await frame(api, upstream)
    await change(api, enabled=False)

    assert as_admin == (200, f"Bearer {ADMIN_TOKEN}")
    assert as_user == (200, f"Bearer {VIEWER_TOKEN}")
    assert await frame(api, upstream) == (401, None)


async def test_api_token_asks_grafana_and_gets_no_cookie(api: Api, upstream: HttpServer) -> None:
    token = new_token()
    row = {
        "guid": token[:36],
        "name": "script",
        "token_hash": hash_of(token),
        "user_object": {"username": "robot", "usergroup": "user"},
        "expire_date": datetime.now(UTC) + timedelta(days=1),
    }
    async with api.context.engine.begin() as connection:
        await connection.execute(insert(api_tokens).values(**row))

    path = await api.client.get(PATH, headers={"Auth-Token": token})
    page = await api.client.get(FRAME, headers={"Auth-Token": token})

    assert (path.status_code, page.status_code) == (201, 200)
    assert COOKIE not in api.client.cookies
    assert upstream.last.headers["authorization"] == f"Bearer {VIEWER_TOKEN}"
    assert "auth-token" not in upstream.last.headers


async def test_log_lines_that_were_shown_are_in_the_audit(api: Api) -> None:
    await add_user(api.context.engine, "bob", usergroup="user")
    query = '{job="heplify-server"} |~ "49301"'
    body = {"param": {"search": query}, "timestamp": {"from": 1_765_000_000_000, "to": 1_765_000_060_000}}
    headers = await api.log_in("bob")

    answer = await api.client.post("/api/v3/search/remote/data", json=body, headers=headers)

    await api.context.audit.flush()
    wanted = select(audit.c.username, audit.c.object, audit.c.detail).where(audit.c.action == "view logs")
    async with api.context.engine.connect() as connection:
        noted = [tuple(row) for row in await connection.execute(wanted)]
    assert len(answer.json()["data"]) == 3
    assert noted == [("bob", query, {"lines": 3})]
