"""Whole calls over HTTP."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.database import Reading
from api.settings import SearchSettings
from capture.hep.packet import Packet
from capture.route import MessageClass
from capture.store.columns import messages_table
from tests.support.api import Api, add_user, an_api
from tests.support.stored import a_packet, store

START_US = 1_765_000_012_345_678
MINUTE_US = 60_000_000


def sip(
    offset_us: int, call_id: str, first: str = "INVITE sip:bob@example.com SIP/2.0", **given: Any
) -> Packet:
    payload = (
        f"{first}\r\nVia: SIP/2.0/UDP 10.0.0.1\r\nFrom: <sip:alice@from.example>;tag=1\r\n"
        f"To: <sip:bob@to.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
    )
    return a_packet(START_US + offset_us, payload.encode(), **given)


def other(offset_us: int, protocol_type: int, correlation_id: str, payload: bytes) -> Packet:
    return a_packet(
        START_US + offset_us, payload, protocol_type=protocol_type, correlation_id=correlation_id.encode()
    )


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as running:
        await add_user(running.context.engine)
        running.client.headers.update(await running.log_in())
        yield running


async def ask(api: Api, *call_ids: str, **param: Any) -> Any:
    body = {
        "param": {
            "search": {"1_call": {"id": 1, "callid": list(call_ids), "uuid": []}},
            "transaction": {"call": True, "registration": False, "rest": False},
            **param,
        },
        "timestamp": {"from": START_US // 1000, "to": (START_US + MINUTE_US) // 1000},
    }
    answer = await api.client.post("/api/v3/call/transaction", json=body)
    assert answer.status_code == 201, answer.text
    return answer


async def test_messages_of_a_call_are_fetched_once_for_all_that_is_looked_for(
    database_url: str, api: Api, monkeypatch: pytest.MonkeyPatch
):
    await store(database_url, [sip(0, "a"), sip(1, "a", "BYE sip:bob@example.com SIP/2.0"), sip(2, "b")])
    statements: list[str] = []
    fetch = Reading.fetch

    async def listen(reading: Reading, statement: str, *values: object, planned_once: bool = False) -> Any:
        statements.append(statement)
        return await fetch(reading, statement, *values, planned_once=planned_once)

    monkeypatch.setattr(Reading, "fetch", listen)
    answer = await ask(api, "a")

    assert answer.json()["total"] == 2
    assert sum(f"from {messages_table(MessageClass.CALL)} m" in statement for statement in statements) == 1


async def test_transaction_has_all_parts_that_the_ladder_needs(database_url: str, api: Api):
    answered = sip(
        1000, "a", "SIP/2.0 200 OK", source=bytes([192, 0, 2, 2]), destination=bytes([192, 0, 2, 1])
    )
    await store(database_url, [sip(0, "a"), answered, sip(500, "unrelated")])

    answer = (await ask(api, "a")).json()

    data = answer["data"]
    invite, ok = data["messages"]
    assert answer["total"] == 2
    assert set(answer["keys"]) == invite.keys() | ok.keys()
    assert (invite["method"], ok["method"]) == ("INVITE", "200")
    expected = {
        "sid": "a",
        "callid": "a",
        "profile": "1_call",
        "node": "localnode",
        "dbnode": "localnode",
        "create_date": 1765000012345,
        "create_ts": 1765000012345,
        "micro_ts": 1765000012345.678,
        "timeSeconds": 1765000012,
        "timeUseconds": 345678,
        "srcIp": "192.0.2.1",
        "srcPort": 5060,
        "from_domain": "from.example",
        "to_domain": "to.example",
        "captureId": "2001",
        "payloadType": 1,
        "protocol": 17,
    }
    assert {name: invite[name] for name in expected} == expected
    assert invite["raw"].startswith("INVITE sip:bob@example.com SIP/2.0\r\n")
    assert data["calldata"][0] == {
        "id": invite["id"],
        "sid": "a",
        "srcHost": "192.0.2.1",
        "dstHost": "192.0.2.2",
        "srcId": "192.0.2.1:5060",
        "dstId": "192.0.2.2:5060",
        "srcIp": "192.0.2.1",
        "dstIp": "192.0.2.2",
        "srcPort": 5060,
        "dstPort": 5060,
        "aliasSrc": "192.0.2.1:5060",
        "aliasDst": "192.0.2.2:5060",
        "method": "INVITE",
        "method_text": "INVITE",
        "create_date": 1765000012345,
        "micro_ts": 1765000012345.678,
        "protocol": 17,
        "msg_color": "blue",
        "table": "",
        "ruri_user": "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/U",
        "destination": 1,
    }
    for message, arrow in zip(data["messages"], data["calldata"], strict=True):
        assert (message["id"], message["create_date"]) == (arrow["id"], arrow["create_date"])
    assert data["hosts"] == {
        "192.0.2.1:5060": {"host": ["192.0.2.1:5060"], "position": 0},
        "192.0.2.2:5060": {"host": ["192.0.2.2:5060"], "position": 1},
    }
    assert data["alias"] == {name: name for name in data["hosts"]}


async def sids(api: Api, *call_ids: str, **param: Any) -> list[str]:
    answer = await ask(api, *call_ids, **param)
    return [message["sid"] for message in answer.json()["data"]["messages"]]


async def test_every_class_is_asked_and_times_order_them(database_url: str, api: Api):
    rtcp = other(2000, 5, "a", b'{"type":200}')
    log = other(1000, 100, "a", b"a log line")
    await store(database_url, [rtcp, log, sip(0, "a"), other(500, 5, "b", b'{"type":200}')])

    data = (await ask(api, "a")).json()["data"]

    assert [message["profile"] for message in data["messages"]] == ["1_call", "100_default", "5_default"]
    assert [message.get("proto") for message in data["messages"]] == [None, "log", "rtcp"]
    assert [message["node"] for message in data["messages"]] == ["localnode"] * 3
    assert [arrow["method_text"] for arrow in data["calldata"]] == ["INVITE", "LOG", "RTCP"]


async def test_log_line_and_report_open_the_call_that_they_are_about(database_url: str, api: Api):
    await store(
        database_url, [sip(0, "a"), other(1, 100, "a", b"a log line"), other(2, 5, "a", b"{}"), sip(3, "b")]
    )

    for key, own in (("100_default", "100_default"), ("5_default", "5_default")):
        param = {"search": {key: {"callid": ["a"]}}}
        messages = (await ask(api, **param)).json()["data"]["messages"]

        assert [message["profile"] for message in messages] == ["1_call", own]


async def test_legs_are_joined_whichever_one_is_opened(database_url: str, api: Api):
    a_leg, b_leg = sip(0, "a"), sip(1000, "b", correlation_id=b"a")
    c_leg, sems = sip(2000, "c", correlation_id=b"a"), sip(3000, "a_b2b-1")
    await store(database_url, [a_leg, b_leg, c_leg, sems, sip(4000, "stranger")])

    for opened in ("a", "b", "c"):
        assert await sids(api, opened) == ["a", "b", "c", "a_b2b-1"]
    assert await sids(api, "a_b2b-1") == ["a", "b", "c", "a_b2b-1"]
    assert await sids(api, "stranger") == ["stranger"]
    assert await sids(api, "a", "stranger") == ["a", "b", "c", "a_b2b-1", "stranger"]


async def test_window_with_the_range_of_the_rules_bounds_the_transaction(database_url: str, api: Api):
    first, last = START_US // 1000 * 1000 - 300_000_000, (START_US + MINUTE_US) // 1000 * 1000 + 200_000_999
    times = [first - 1, first, START_US, last, last + 1]
    await store(database_url, [sip(time_us - START_US, "a") for time_us in times])

    answer = (await ask(api, "a")).json()

    shown = [
        message["timeSeconds"] * 1_000_000 + message["timeUseconds"] for message in answer["data"]["messages"]
    ]
    assert shown == times[1:4]


async def test_addresses_and_networks_are_left_out(database_url: str, api: Api):
    packets = [
        sip(0, "a"),
        sip(1, "a", source=bytes([10, 0, 0, 7])),
        sip(2, "a", destination=bytes([10, 0, 1, 7])),
    ]
    await store(database_url, packets)

    async def counted(*whitelist: str) -> int:
        return (await ask(api, "a", whitelist=list(whitelist))).json()["total"]

    assert await counted() == 3
    assert await counted("10.0.0.7") == 2
    assert await counted("10.0.0.0/16") == 1
    assert await counted("192.0.2.1") == 1
    assert await counted("no address") == 3


async def test_more_to_leave_out_than_anyone_means_is_refused(api: Api):
    body = {"param": {"search": {"1_call": {"callid": ["a"]}}, "whitelist": ["10.0.0.1"] * 1001}}

    answer = await api.client.post("/api/v3/call/transaction", json=body)

    assert answer.status_code == 400


async def test_cut_transaction_says_so(database_url: str):
    await store(database_url, [sip(index, "a") for index in range(5)])
    async with an_api(database_url, search={"transaction_limit": 3}) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())

        answer = await ask(api, "a")

    assert answer.json()["total"] == 3
    assert answer.headers["X-Rhapsode-Incomplete"] == "limit"


async def test_nothing_to_find_is_an_empty_ladder(api: Api):
    empty = {"total": 0, "keys": [], "data": {"messages": [], "calldata": [], "hosts": {}, "alias": {}}}

    assert (await ask(api, "nobody")).json() == empty
    assert (await ask(api)).json() == empty
    assert (await ask(api, "")).json() == empty
    for search in ({}, None, {"1_call": {}}):
        answer = await api.client.post("/api/v3/call/transaction", json={"param": {"search": search}})
        assert answer.json() == empty


async def test_unknown_profile_is_refused(api: Api):
    body = {"param": {"search": {"60_call_h20": {"callid": ["a"]}}}}

    answer = await api.client.post("/api/v3/call/transaction", json=body)

    assert answer.status_code == 400
    assert answer.json() == {"data": {}, "message": 'invalid search profile key: "60_call_h20"'}


async def test_times_are_whole_for_clients_that_read_integers(database_url: str) -> None:
    await store(database_url, [sip(0, "a"), other(1, 5, "a", b"{}")])
    async with an_api(database_url, search=SearchSettings(whole_milliseconds=True)) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())
        called = await ask(api, "a")
        id_ = called.json()["data"]["messages"][0]["id"]
        window = {"from": START_US // 1000, "to": START_US // 1000}
        answers = [called]
        for path, asked in (("data", []), ("message", {"id": id_})):
            body = {"param": {"search": {"1_call": asked}}, "timestamp": window}
            answers.append(await api.client.post(f"/api/v3/search/call/{path}", json=body))

    times = [re.findall(r'"micro_ts":([^,}]*)', answer.text) for answer in answers]
    assert times == [["1765000012345"] * 4, ["1765000012345"], ["1765000012345"]]
