"""Agents that subscribe and are asked, and what the server says of itself."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from sqlalchemy import update

from api.app import create_app
from api.errors import RequestError
from api.proxies import agents as proxies
from api.routes.agents import MOST_BYTES
from api.settings import ApiOptions
from api.tables import agents
from tests.support.api import Api, add_user, an_api
from tests.support.http_server import Said, http_server, said_json
from tests.support.served import served

AGENT = {
    "uuid": "agent-1",
    "gid": 10,
    "host": "127.0.0.1",
    "protocol": "http",
    "path": "/api/search",
    "type": "cdr",
}
ASKED = {
    "timestamp": {"from": 1_000_000, "to": 2_000_000},
    "param": {"search": {"1_call": {"callid": ['a"b$fromts'], "sid": ["x"]}}},
}


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin")
        await add_user(api.context.engine, "alice", usergroup="user")
        yield api


async def ask(api: Api, method: str, path: str, user: str = "alice", json: Any = None) -> tuple[int, Any]:
    headers = await api.log_in(user) if user else {}
    answer = await api.client.request(method, f"/api/v3/{path}", headers=headers, json=json)
    return answer.status_code, answer.json()


async def token(api: Api, group: str = "user") -> str:
    new = {
        "user_object": {"username": "robot", "usergroup": group},
        "name": "agents",
        "active": True,
        "expire_date": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    }
    status, answer = await ask(api, "POST", "token/auth", "admin", new)
    assert status == 201
    return str(answer["data"]["token"])


async def subscribe(api: Api, group: str = "user", **more: Any) -> tuple[int, Any]:
    headers = {"Auth-Token": await token(api, group)}
    answer = await api.client.post("/api/v3/agent/subscribe", headers=headers, json=AGENT | more)
    return answer.status_code, answer.json()


async def test_agent_subscribes_with_an_api_token_and_is_listed(api: Api) -> None:
    before = datetime.now(UTC)
    status, answer = await subscribe(api, ttl=60, port="8081")

    listed = await ask(api, "GET", "agent/subscribe")
    shown = await ask(api, "GET", "agent/subscribe/agent-1")
    of_type = await ask(api, "GET", "agent/type/cd")

    assert (status, answer["message"]) == (201, "successfully created agent record")
    assert answer["data"]["uuid"] == "agent-1"
    assert 55 <= answer["data"]["expire_ts"] - before.timestamp() <= 65
    (row,) = listed[1]["data"]
    assert (row["uuid"], row["host"], row["port"], row["active"]) == ("agent-1", "127.0.0.1", 8081, 1)
    assert listed[1]["message"] == "successfully retrieved agent records"
    assert (await ask(api, "GET", "agent/type"))[1] == listed[1]
    assert shown == of_type == (200, {"data": [row], "message": "agent record"})


async def test_agent_that_subscribes_again_takes_the_place_of_itself(api: Api) -> None:
    await subscribe(api)
    await subscribe(api, "admin", host="127.0.0.2")

    (row,) = (await ask(api, "GET", "agent/subscribe"))[1]["data"]
    assert row["host"] == "127.0.0.2"


async def test_agent_needs_an_api_token(api: Api) -> None:
    login = await api.log_in("admin")
    answers = [
        await api.client.post("/api/v3/agent/subscribe", headers=headers, json=AGENT)
        for headers in (login, {"Auth-Token": "x" * 80})
    ]

    assert [(each.status_code, each.json()["message"]) for each in answers] == [
        (400, "Auth-Token header not present or has empty value"),
        (400, "record not found"),
    ]


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "127.0.0.2", "localhost", "::1"),
        *("127.0.0.1@192.0.2.1", "127.0.0.1%@192.0.2.1", "::ffff:127.0.0.1%@192.0.2.1", "127.0.0.1%lo"),
    ],
)
async def test_agent_names_no_host_but_its_own(api: Api, host: str) -> None:
    status, answer = await subscribe(api, host=host)

    assert (status, answer["message"].partition(",")[0]) == (400, "host is not 127.0.0.1")
    assert (await ask(api, "GET", "agent/subscribe"))[1]["data"] == []
    assert (await subscribe(api, "admin", host=host))[0] == 201


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::ffff:127.0.0.1", "[::ffff:7f00:1]", "[::ffff:127.0.0.1%lo]"]
)
async def test_agent_s_own_address_is_known_in_any_form(api: Api, host: str) -> None:
    assert (await subscribe(api, host=host))[0] == 201


@pytest.mark.parametrize(
    "wrong", [{"host": ""}, {"gid": None}, {"uuid": None}, {"port": 70_000}, {"ttl": -1}]
)
async def test_agent_that_cannot_be_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert (await subscribe(api, **wrong))[0] == 400
    assert (await ask(api, "GET", "agent/subscribe"))[1]["data"] == []


async def test_agent_is_changed_and_deleted_by_administrators(api: Api) -> None:
    await subscribe(api)
    refused = [await ask(api, method, "agent/subscribe/agent-1", json=AGENT) for method in ("PUT", "DELETE")]
    changed = await ask(api, "PUT", "agent/subscribe/agent-1", "admin", {"node": "", "gid": 0})
    (row,) = (await ask(api, "GET", "agent/subscribe"))[1]["data"]
    deleted = await ask(api, "DELETE", "agent/subscribe/agent-1", "admin")
    unknown = await ask(api, "DELETE", "agent/subscribe/agent-1", "admin")

    assert [status for status, _ in refused] == [403, 403]
    assert changed == (200, {"data": "agent-1", "message": "successfully updated agent record"})
    assert (row["node"], row["gid"]) == ("", 0)
    assert deleted == (200, {"data": "agent-1", "message": "successfully deleted agent record"})
    assert unknown == (400, {"data": {}, "message": "data was not found"})


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("agent/subscribe/none", "no agent's record found for guid none"),
        ("agent/type/none", "no agent subscription object found for type none"),
    ],
)
async def test_unknown_agent_is_an_error(api: Api, path: str, words: str) -> None:
    assert await ask(api, "GET", path) == (400, {"data": {}, "message": words})


async def test_agent_is_asked_with_the_template_filled_in(api: Api) -> None:
    async with http_server(lambda asked: said_json({"a": {"pcap": "x"}})) as server:
        await subscribe(api, port=httpx.URL(server.url).port)
        answer = await ask(api, "POST", "agent/search/agent-1/cdr", json=ASKED)

    assert answer == (
        200,
        {"data": {"a": {"pcap": "x"}}, "message": "request answer", "node": "", "uuid": "agent-1"},
    )
    assert (server.last.method, server.last.path) == ("POST", "/api/search/cdr")
    assert msgspec.json.decode(server.last.body) == {
        "data": {"sid": ["x"]},
        "fromts": 1_000_000 - 300_000,
        "tots": 2_000_000 + 200_000,
    }


async def test_download_is_what_the_agent_sends(api: Api) -> None:
    async with http_server(lambda asked: Said(b"\xd4\xc3\xb2\xa1")) as server:
        await subscribe(api, port=httpx.URL(server.url).port)
        headers = await api.log_in("alice")
        answer = await api.client.post("/api/v3/agent/search/agent-1/download", headers=headers, json=ASKED)

    assert (answer.status_code, answer.content) == (200, b"\xd4\xc3\xb2\xa1")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "export-agent-1-" in answer.headers["content-disposition"]


async def test_file_s_name_holds_nothing_but_what_names_do(api: Api) -> None:
    uuid = 'a"; €\r\nX: y'
    async with http_server(lambda asked: Said(b"x")) as server:
        await subscribe(api, uuid=uuid, port=httpx.URL(server.url).port)
        headers = await api.log_in("alice")
        path = f"/api/v3/agent/search/{quote(uuid)}/download"
        answer = await api.client.post(path, headers=headers, json=ASKED)

    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment; filename=export-a______X__y-")


@asynccontextmanager
async def a_served_api(database_url: str) -> AsyncIterator[Api]:
    """With a real connection, which shows what comes when."""
    app = create_app(ApiOptions(database_url=database_url))
    async with served(app) as address, httpx.AsyncClient(base_url=f"http://{address}") as client:
        api = Api(client, app.state.context)
        await add_user(api.context.engine, "admin")
        yield api


@asynccontextmanager
async def downloading(api: Api) -> AsyncIterator[httpx.Response]:
    headers = await api.log_in("admin")
    path = "/api/v3/agent/search/agent-1/download"
    async with api.client.stream("POST", path, headers=headers, json=ASKED) as answer:
        yield answer


async def test_download_comes_while_the_agent_still_sends(database_url: str) -> None:
    more = asyncio.Event()
    said = Said(b"first", length=10, stalls_on=more)
    async with a_served_api(database_url) as api, http_server(lambda asked: said) as server:
        await subscribe(api, port=httpx.URL(server.url).port, node="rtp-1")
        async with downloading(api) as answer:
            chunks = answer.aiter_raw()
            first = await anext(chunks)
            more.set()
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(chunks)

    assert (answer.status_code, answer.headers["content-length"], first) == (200, "10", b"first")


async def test_download_ends_with_its_client(database_url: str) -> None:
    said = Said(b"first", length=None, stalls_on=asyncio.Event())
    async with a_served_api(database_url) as api, http_server(lambda asked: said) as server:
        await subscribe(api, port=httpx.URL(server.url).port)
        async with downloading(api) as answer:
            await anext(answer.aiter_raw())
        await server.gone.wait()


async def test_download_that_says_to_be_too_long_is_an_error_in_words(api: Api) -> None:
    said = Said(b"", length=MOST_BYTES + 1)
    async with http_server(lambda asked: said) as server:
        await subscribe(api, port=httpx.URL(server.url).port, node="rtp-1")
        refused = await ask(api, "POST", "agent/search/agent-1/download", json=ASKED)

    words = f"the agent rtp-1 has sent more than {MOST_BYTES} bytes"
    assert refused == (400, {"data": {}, "message": words})


@pytest.mark.parametrize("said", [Said(b"no", 500), Said(b"", 302, {"Location": "http://127.0.0.1:1/"})])
async def test_download_that_an_agent_refuses_is_an_error_in_words(api: Api, said: Said) -> None:
    async with http_server(lambda asked: said) as server:
        await subscribe(api, port=httpx.URL(server.url).port, node="rtp-1")
        refused = await ask(api, "POST", "agent/search/agent-1/download", json=ASKED)

    assert refused == (400, {"data": {}, "message": f"the agent rtp-1 has answered {said.status}"})


async def test_download_that_becomes_too_long_is_cut_off() -> None:
    async with http_server(lambda asked: Said(length=None, endless=b"x" * 100)) as server:
        port = httpx.URL(server.url).port
        row = {"protocol": "http", "host": "127.0.0.1", "port": port, "path": "", "node": "rtp-1"}
        download = await proxies.open_download(row, {}, 1000)
        size = 0

        async def take() -> None:
            nonlocal size
            async for chunk in download.chunks():
                size += len(chunk)

        with pytest.raises(RequestError, match="the agent rtp-1 has sent more than 1000 bytes"):
            await take()
        await download.close()

    assert 0 < size <= 1000


async def test_agent_that_never_ends_is_given_up() -> None:
    is_left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(OSError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        is_left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        row = {"protocol": "http", "host": "127.0.0.1", "port": port, "path": "", "node": "rtp-1"}
        with pytest.raises(RequestError, match=r"the agent rtp-1 has not answered in full within 0\.2 s"):
            await proxies.ask(row, "cdr", {}, 10_000_000, longest_s=0.2)
        await is_left.wait()


async def test_template_that_makes_no_json_is_an_error_in_words(api: Api) -> None:
    await subscribe(api)
    for template in ('{"a":NaN}', '{"a":"\\ud800"}', "{", ""):
        mapping = {"profile": "x", "hepid": 9, "mapping": {"lookup_field": template}}
        _, made = await ask(api, "POST", "hepsub/protocol", "admin", mapping)
        body = {"param": {"search": {"9_x": {}}}}
        answer = await ask(api, "POST", "agent/search/agent-1/cdr", json=body)
        await ask(api, "DELETE", f"hepsub/protocol/{made['data']}", "admin")

        assert answer == (400, {"data": {}, "message": "the mapping's lookup_field makes no JSON"})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(b"no"), "has not answered with JSON"),
        (Said(b"no", 500), "has answered 500"),
        (Said(b"", 302, {"Location": "http://127.0.0.1:1/"}), "has answered 302"),
        (Said(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}), "has answered in an encoding"),
    ],
)
async def test_agent_that_fails_is_an_error_in_words(api: Api, said: Said, words: str) -> None:
    async with http_server(lambda asked: said) as server:
        await subscribe(api, port=httpx.URL(server.url).port, node="rtp-1")
        status, answer = await ask(api, "POST", "agent/search/agent-1/cdr", json=ASKED)

    assert status == 400
    assert f"the agent rtp-1 {words}" in answer["message"]
    assert len(server.asked) == 1
    assert server.last.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("before", ["127.0.0.1%@", "user:word@", "[::1]%@", "user@"])
async def test_host_is_a_host_and_nothing_else(before: str) -> None:
    async with http_server(lambda asked: said_json({})) as server:
        port = httpx.URL(server.url).port
        row = {"protocol": "http", "host": f"{before}127.0.0.1", "port": port, "path": "", "node": "rtp-1"}
        with pytest.raises(RequestError, match="the agent rtp-1 cannot be asked"):
            await proxies.ask(row, "cdr", {}, 1000)

    assert server.asked == []


async def test_agent_that_is_away_is_an_error_in_words(api: Api) -> None:
    await subscribe(api, port=1, node="rtp-1")

    status, answer = await ask(api, "POST", "agent/search/agent-1/cdr", json=ASKED)

    assert status == 400
    assert "the agent rtp-1 cannot be asked" in answer["message"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("agent-1/other", ASKED, "record not found"),
        ("none/cdr", ASKED, "record not found"),
        ("agent-1/cdr", {}, "agent HEPSUB couldn't find agent mapping"),
        ("agent-1/cdr", {"param": {"search": {"9_call": {}}}}, "agent HEPSUB couldn't find agent mapping"),
        ("agent-1/cdr", {"param": {"search": {"1_call": []}}}, "agent HEPSUB couldn't find agent mapping"),
    ],
)
async def test_question_that_cannot_be_is_refused(api: Api, path: str, body: Any, words: str) -> None:
    await subscribe(api, port=1)

    assert await ask(api, "POST", f"agent/search/{path}", json=body) == (400, {"data": {}, "message": words})


async def test_agent_that_has_expired_is_not_asked(api: Api) -> None:
    await subscribe(api)
    async with api.context.engine.begin() as connection:
        await connection.execute(update(agents).values(expire_date=datetime(2020, 1, 1, tzinfo=UTC)))

    assert (await ask(api, "POST", "agent/search/agent-1/cdr", json=ASKED))[1][
        "message"
    ] == "record not found"
    assert (await ask(api, "GET", "agent/type/cdr"))[0] == 400
    assert len((await ask(api, "GET", "agent/subscribe"))[1]["data"]) == 1


async def test_server_says_what_it_is(api: Api) -> None:
    nodes = await ask(api, "GET", "database/node/list")
    version = await ask(api, "GET", "version/api/info")
    newer = await ask(api, "GET", "version/ui/check/7.11.23")
    databases = [await ask(api, "GET", f"statistic/{name}/info") for name in ("database", "configdb")]

    assert nodes == (200, {"count": 1, "data": [{"value": "localnode", "name": "LocalNode", "online": True}]})
    assert version[1]["data"]["version"]
    assert newer[1]["data"]["upgrade"] is False
    for status, answer in databases:
        (info,) = answer["data"]
        assert (status, info["online"], info["last_error"]) == (200, True, "")
        assert info["latency_avg"] > 0
        assert info["db_stats"]["bytes"] > 0
    assert await ask(api, "GET", "admin/profiles") == (
        400,
        {"data": {}, "message": "failed to get dashboards"},
    )


async def test_none_of_it_is_for_strangers(api: Api) -> None:
    for method, path in (
        ("GET", "agent/subscribe"),
        ("GET", "agent/type"),
        ("GET", "agent/type/cdr"),
        ("GET", "agent/subscribe/x"),
        ("PUT", "agent/subscribe/x"),
        ("DELETE", "agent/subscribe/x"),
        ("POST", "agent/search/x/cdr"),
        ("GET", "database/node/list"),
        ("GET", "admin/profiles"),
        ("GET", "version/api/info"),
        ("GET", "statistic/database/info"),
    ):
        assert (await ask(api, method, path, "", AGENT))[0] == 401


async def test_what_the_web_ui_knows_and_homer_lacks_is_answered(api: Api) -> None:
    tables = await ask(api, "GET", "configdb/tables/list")
    fields = await ask(api, "GET", "protocol/search/data_header.from_user")
    not_here = [
        await ask(api, "POST", "configdb/tables/resync", "admin", {}),
        await ask(api, "GET", "export/action/logs", "admin"),
    ]

    assert {"users", "alias", "mapping_schema"} <= set(tables[1]["data"])
    assert fields[1]["data"] == [
        {"data": [{"fieldname": "data_header.from_user", "description": "SIP From user", "type": "string"}]}
    ]
    assert [status for status, _ in not_here] == [501, 501]
    assert all("is not implemented" in answer["message"] for _, answer in not_here)
