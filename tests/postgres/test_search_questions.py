"""Questions that nothing can answer: the answer is empty, as Homer's, and says why."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.api import Api, add_user, an_api
from tests.support.stored import a_packet, store

START_US = 1_795_000_000_000_000
START_MS = START_US // 1000
INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\n\r\n"
)
ROUTES: list[tuple[str, Any]] = [
    ("search/call/data", []),
    ("search/call/message", {"id": 1}),
    ("search/call/decode/message", {"uuid": [1]}),
    ("call/transaction", {"callid": ["call-1"]}),
    ("call/report/qos", {"callid": ["call-1"]}),
    ("call/report/log", {"callid": ["call-1"]}),
    ("export/call/messages/pcap", {"callid": ["call-1"]}),
    ("export/call/messages/text", {"callid": ["call-1"]}),
]
AFTER = "timestamp: from is after to"
SECONDS = "timestamp: milliseconds are wanted, and these are before 1973: perhaps they are seconds"
NONE = "timestamp: there is no window without from and to"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    await store(database_url, [a_packet(START_US, INVITE)])
    async with an_api(database_url) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())
        yield api


async def ask(api: Api, path: str, asked: Any, timestamp: Any, **location: Any) -> Any:
    param = {"search": {"1_call": asked}, "location": location, "limit": 1}
    answer = await api.client.post(f"/api/v3/{path}", json={"param": param, "timestamp": timestamp})
    assert answer.is_success, answer.text
    return answer


def window(before_ms: int = 1000, after_ms: int = 1000) -> dict[str, int]:
    return {"from": START_MS - before_ms, "to": START_MS + after_ms}


@pytest.mark.parametrize(("path", "asked"), ROUTES, ids=[path for path, _ in ROUTES])
async def test_window_that_ends_before_it_begins_is_said_to(api: Api, path: str, asked: Any) -> None:
    answer = await ask(api, path, asked, window(-1000, -1001))

    assert answer.headers["X-Rhapsode-Warning"] == AFTER


@pytest.mark.parametrize(
    ("timestamp", "warning"),
    [
        ({"from": START_MS // 1000 - 900, "to": START_MS // 1000}, SECONDS),
        ({"from": START_MS}, NONE),
        ({"from": None, "to": None}, NONE),
        (None, NONE),
        ({}, NONE),
    ],
)
async def test_window_that_nothing_can_be_in_is_said_to(api: Api, timestamp: Any, warning: str) -> None:
    answer = await ask(api, "search/call/data", [], timestamp)

    assert (answer.json()["total"], answer.headers["X-Rhapsode-Warning"]) == (0, warning)


@pytest.mark.parametrize("timestamp", [window(), window(0, 0), {"from": 0, "to": START_MS}, {"to": START_MS}])
async def test_window_that_something_is_in_is_passed_over(api: Api, timestamp: Any) -> None:
    answer = await ask(api, "search/call/data", [], timestamp)

    assert answer.json()["total"] == 1
    assert "X-Rhapsode-Warning" not in answer.headers


@pytest.mark.parametrize(("path", "asked"), ROUTES, ids=[path for path, _ in ROUTES])
async def test_data_node_that_does_not_exist_is_named(api: Api, path: str, asked: Any) -> None:
    answer = await ask(api, path, asked, window(), node=["local"])

    assert answer.headers["X-Rhapsode-Warning"].startswith("unknown data node: local")


async def test_data_node_beside_one_that_does_not_exist_is_asked(api: Api) -> None:
    answer = await ask(api, "search/call/data", [], window(), node=["LOCALNODE", "local"])

    assert answer.json()["total"] == 1
    assert answer.headers["X-Rhapsode-Warning"] == "unknown data node: local"


@pytest.mark.parametrize("make", [float, str], ids=["float", "text"])
async def test_id_is_taken_as_scripts_send_it(api: Api, make: Any) -> None:
    (row,) = (await ask(api, "search/call/data", [], window())).json()["data"]

    one = await ask(api, "search/call/message", {"id": make(row["id"])}, window())
    listed = await ask(api, "search/call/message", {"uuid": [make(row["id"])]}, window())

    assert [answer.json()["data"][0]["id"] for answer in (one, listed)] == [row["id"]] * 2


@pytest.mark.parametrize("id_", [1.5, 1e300, -1e17])
async def test_id_that_is_no_whole_number_is_refused(api: Api, id_: float) -> None:
    body = {"param": {"search": {"1_call": {"id": id_}}, "limit": 1}, "timestamp": window()}

    answer = await api.client.post("/api/v3/search/call/message", json=body)

    assert (answer.status_code, answer.json()["message"]) == (400, "request format is not correct")
