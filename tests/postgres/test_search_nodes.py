"""Several data nodes asked at once: what all have, legs of a call on two of them, and one that is away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from api.settings import HttpSettings, NodeSettings
from capture.hep.packet import Packet
from rhapsode.look.nodes import look_at_nodes
from rhapsode.settings import Settings
from tests.support.api import AWAY, Api, add_user, an_api
from tests.support.stored import a_packet, store

START_US = 1_795_000_000_000_000
WINDOW = {"from": START_US // 1000 - 1000, "to": START_US // 1000 + 10_000}
BOTH = ["call-1", "call-2"]


def sip(call_id: str, at_us: int = 0, **given: Any) -> Packet:
    payload = (
        "INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:alice@example.org>;tag=1\r\n"
        f"To: <sip:bob@example.com>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
    )
    return a_packet(START_US + at_us, payload.encode(), **given)


def a_log_line(call_id: str, at_us: int) -> Packet:
    return a_packet(START_US + at_us, b"a line", protocol_type=100, correlation_id=call_id.encode())


@pytest.fixture
async def api(database_url: str, another_database_url: str) -> AsyncIterator[Api]:
    await store(database_url, [sip("call-1"), sip("call-1", 2_000)])
    # The other leg of the call and its log lines are on the other node.
    leg = sip("call-2", 1_000, correlation_id=b"call-1")
    await store(another_database_url, [leg, a_log_line("call-1", 3_000), a_log_line("call-2", 4_000)])
    async with with_nodes(database_url, other=another_database_url) as api:
        yield api


@asynccontextmanager
async def with_nodes(database_url: str, deadline_s: float = 10, **urls: str) -> AsyncIterator[Api]:
    nodes = {name: NodeSettings(url=SecretStr(url), deadline_s=deadline_s) for name, url in urls.items()}
    async with an_api(database_url, http=HttpSettings(node_name="Own"), nodes=nodes) as api:
        await add_user(api.context.engine, "admin")
        api.client.headers.update(await api.log_in("admin"))
        yield api


async def ask(api: Api, path: str, asked: Any, nodes: list[str] | None = None, limit: int = 10) -> Any:
    location = {} if nodes is None else {"node": nodes}
    param = {"search": {"1_call": asked}, "location": location, "limit": limit}
    answer = await api.client.post(f"/api/v3/{path}", json={"timestamp": WINDOW, "param": param})
    assert answer.is_success, answer.text
    return answer


async def found(api: Api, nodes: list[str] | None = None, limit: str = "10") -> list[tuple[str, str]]:
    element = {"name": "limit", "value": limit, "type": "string"}
    answer = await ask(api, "search/call/data", [element], nodes)
    return [(row["sid"], row["node"]) for row in answer.json()["data"]]


async def test_search_shows_what_all_nodes_have_in_order(api: Api) -> None:
    assert await found(api) == [("call-1", "own"), ("call-2", "other"), ("call-1", "own")]


@pytest.mark.parametrize(
    ("nodes", "sids"),
    [
        (["own"], ["call-1", "call-1"]),
        (["OTHER"], ["call-2"]),
        (["own", "other"], ["call-1", "call-2", "call-1"]),
        (["none"], []),
        ([], ["call-1", "call-2", "call-1"]),
    ],
)
async def test_search_asks_the_nodes_that_it_names(api: Api, nodes: list[str], sids: list[str]) -> None:
    assert [sid for sid, _ in await found(api, nodes)] == sids


async def test_limit_is_of_all_nodes_together_and_said(api: Api) -> None:
    element = {"name": "limit", "value": "2", "type": "string"}

    answer = await ask(api, "search/call/data", [element])

    assert [row["sid"] for row in answer.json()["data"]] == ["call-2", "call-1"]
    assert answer.headers["X-Rhapsode-Incomplete"] == "limit"


async def test_message_is_asked_for_on_its_node(api: Api) -> None:
    rows = (await ask(api, "search/call/data", [])).json()["data"]
    (leg,) = [row for row in rows if row["sid"] == "call-2"]

    answer = await ask(api, "search/call/message", {"id": leg["id"]}, [leg["dbnode"]])

    (message,) = answer.json()["data"]
    assert message["callid"] == "call-2"


@pytest.mark.parametrize("opened", BOTH)
async def test_call_is_whole_whichever_node_its_legs_and_logs_are_on(api: Api, opened: str) -> None:
    answer = await ask(api, "call/transaction", {"callid": [opened]})

    messages = answer.json()["data"]["messages"]
    assert [(each["sid"], each["profile"], each["dbnode"]) for each in messages] == [
        ("call-1", "1_call", "own"),
        ("call-2", "1_call", "other"),
        ("call-1", "1_call", "own"),
        ("call-1", "100_default", "other"),
        ("call-2", "100_default", "other"),
    ]
    assert "X-Rhapsode-Missing-Nodes" not in answer.headers


async def test_reports_say_of_which_node_they_are(api: Api) -> None:
    answer = await ask(api, "call/report/log", {"callid": BOTH})

    assert [(row["sid"], row["dbnode"]) for row in answer.json()["data"]] == [
        ("call-1", "other"),
        ("call-2", "other"),
    ]


async def test_nodes_are_listed_with_whether_they_answer(
    database_url: str, another_database_url: str
) -> None:
    async with with_nodes(database_url, other=another_database_url, away=AWAY) as api:
        answer = await api.client.get("/api/v3/database/node/list")

    assert answer.json() == {
        "count": 3,
        "data": [
            {"value": "own", "name": "Own", "online": True},
            {"value": "other", "name": "other", "online": True},
            {"value": "away", "name": "away", "online": False},
        ],
    }


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("search/call/data", []),
        ("search/call/message", {"id": 1}),
        ("call/transaction", {"callid": ["call-1"]}),
        ("call/report/log", {"callid": ["call-1"]}),
        ("call/report/qos", {"callid": ["call-1"]}),
        ("export/call/messages/text", {"callid": ["call-1"]}),
    ],
)
async def test_node_that_is_away_is_named_and_takes_nothing_of_the_others(
    database_url: str, path: str, asked: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await store(database_url, [sip("call-1"), a_log_line("call-1", 1)])
    async with with_nodes(database_url, Away=AWAY) as api:
        answer = await ask(api, path, asked)
        refused = await api.client.post(
            f"/api/v3/{path}",
            json={
                "timestamp": WINDOW,
                "param": {"search": {"1_call": asked}, "location": {"node": ["away"]}, "limit": 1},
            },
        )

    said = [record.getMessage() for record in caplog.records if record.name == "api.database"]
    assert said
    assert all(words.startswith("data node Away: the database cannot be reached") for words in said)
    assert answer.headers["X-Rhapsode-Missing-Nodes"] == "Away"
    assert answer.headers["X-Rhapsode-Warning"].startswith(
        "data node Away is missing: the database cannot be"
    )
    if answer.headers["content-type"] == "application/json":
        body = answer.json()
        assert body.get("missing", ["Away"]) == ["Away"]
        assert ("missing" in body) == ("report" not in path)
        if "qos" not in path:
            assert body["total"] >= 1
    else:
        assert b"Call-ID: call-1" in answer.content
    assert (refused.status_code, refused.json()["message"]) == (503, "db data retrieve error")
    for name in ("X-Rhapsode-Missing-Nodes", "X-Rhapsode-Warning"):
        assert refused.headers[name] == answer.headers[name]


async def test_node_that_takes_too_long_is_named(database_url: str, another_database_url: str) -> None:
    await store(database_url, [sip("call-1")])
    await store(another_database_url, [sip("call-2")])
    holder = await asyncpg.connect(another_database_url)
    async with with_nodes(database_url, deadline_s=0.5, other=another_database_url) as api:
        await holder.execute("begin; lock table messages_1_call in access exclusive mode")
        answer = await ask(api, "call/transaction", {"callid": ["call-1"]})
        await holder.close()

    assert [each["sid"] for each in answer.json()["data"]["messages"]] == ["call-1"]
    assert answer.json()["missing"] == ["other"]


async def test_node_that_takes_too_long_costs_the_others_nothing_of_their_time(
    database_url: str, another_database_url: str
) -> None:
    await store(database_url, [sip("call-1"), a_log_line("call-1", 1)])
    await store(another_database_url, [sip("call-1", 2)])
    holder = await asyncpg.connect(another_database_url)
    nodes = {"slow": another_database_url, "quick": database_url}
    async with with_nodes(database_url, deadline_s=0.5, **nodes) as api:
        await holder.execute("begin; lock table messages_1_call in access exclusive mode")
        answer = await ask(api, "call/transaction", {"callid": ["call-1"]}, ["slow", "quick"])
        await holder.close()

    # The log line is looked for once all nodes have said what they have of the call, or are given up.
    assert [each["profile"] for each in answer.json()["data"]["messages"]] == ["1_call", "100_default"]
    assert answer.json()["missing"] == ["slow"]
    assert "X-Rhapsode-Incomplete" not in answer.headers


async def test_health_and_the_command_line_know_which_nodes_cannot_be_searched(
    database_url: str, another_database_url: str, empty_database_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = {
            "other": another_database_url,
            "away": AWAY,
            "empty": empty_database_url,
            "silent": f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/x",
        }
        async with with_nodes(database_url, **urls) as api:
            answer = await api.client.get("/health")
        looked = await asyncio.to_thread(
            look_at_nodes, Settings.model_construct(nodes=api.context.options.nodes)
        )

    words = "data node {} cannot be searched: answers lack what it has"
    assert (answer.status_code, answer.json()["status"]) == (200, "warning")
    assert answer.json()["warnings"] == [words.format(name) for name in ("away", "empty", "silent")]
    assert [(each.name, bool(each.error)) for each in looked] == [
        ("other", False),
        ("away", True),
        ("empty", True),
        ("silent", True),
    ]
    assert looked[-1].error == "the database does not answer within 3 s"
