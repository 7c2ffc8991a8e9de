"""Reports beside calls, and transactions, as Homer 7 answered them to the web UI."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from tests.support.api import Api, add_user, an_api
from tests.support.captures import CORPUS, hep_packets
from tests.support.stored import a_packet, store

REPLIES = Path(__file__).with_name("homer7")
START_US = 1_765_000_012_345_678
MINUTE_US = 60_000_000
UNLIKE = {
    # Ours; one sequence for all classes.
    "id",
    # Milliseconds, as the web UI reads them, and not microseconds.
    "micro_ts",
    # The HEP key is not stored.
    "capturePass",
    # A list in any order.
    "node",
}


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as running:
        await add_user(running.context.engine)
        running.client.headers.update(await running.log_in())
        yield running


def report(
    offset_us: int, protocol_type: int, sid: str, payload: bytes = b'{"type":200}', **given: Any
) -> Packet:
    return a_packet(
        START_US + offset_us, payload, protocol_type=protocol_type, correlation_id=sid.encode(), **given
    )


async def ask(api: Api, route: str, *call_ids: str, key: str = "1_call", **param: Any) -> Any:
    body = {
        "param": {"search": {key: {"id": 1, "callid": list(call_ids)}}, **param},
        "timestamp": {"from": START_US // 1000, "to": (START_US + MINUTE_US) // 1000},
    }
    answer = await api.client.post(f"/api/v3/call/{route}", json=body)
    assert answer.status_code == 201, answer.text
    return answer


async def recorded(database_url: str, api: Api, route: str) -> tuple[Any, Any]:
    """What Homer answered of a call of the corpus, and what is answered here."""
    capture = CORPUS / "mixed-kamailio-rtpengine.pcap"
    await store(database_url, map(decode_packet, hep_packets(capture)))
    body = {
        "param": {
            "transaction": {"call": True, "registration": False, "rest": False},
            "limit": 200,
            "orlogic": False,
            "search": {"1_call": {"id": 1, "callid": ["mix-call-0@127.0.0.1"], "uuid": []}},
            "location": {},
            "timezone": {"value": -180, "name": "Local"},
        },
        "timestamp": {"from": 1795408799509, "to": 1795409399509},
    }
    answer = await api.client.post(f"/api/v3/{route}", json=body)
    assert answer.status_code == 201
    name = f"POST-{route.replace('/', '-')}.json"
    return json.loads((REPLIES / name).read_text()), answer.json()


def assert_same_rows(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    assert len(theirs) == len(ours)
    for their, our in zip(theirs, ours, strict=True):
        for name, value in their.items():
            assert name in our or name == "capturePass"
            if name not in UNLIKE:
                assert our[name] == value, name


async def test_quality_is_what_homer_answers(database_url: str, api: Api) -> None:
    theirs, ours = await recorded(database_url, api, "call/report/qos")

    assert ours.keys() == {"rtcp", "rtp"}
    for kind in ("rtcp", "rtp"):
        assert ours[kind]["total"] == theirs[kind]["total"]
        assert_same_rows(theirs[kind]["data"], ours[kind]["data"])
    for their, our in zip(theirs["rtcp"]["data"], ours["rtcp"]["data"], strict=True):
        assert our.keys() == their.keys() | {"create_ts"}
        assert sorted(our["node"]) == sorted(their["node"])


async def test_logs_are_what_homer_answers(database_url: str, api: Api) -> None:
    theirs, ours = await recorded(database_url, api, "call/report/log")

    assert ours == theirs == {"data": [], "total": 0}


async def test_transaction_is_what_homer_answers(database_url: str, api: Api) -> None:
    theirs, ours = await recorded(database_url, api, "call/transaction")

    assert ours["total"] == theirs["total"]
    assert ours["data"].keys() == theirs["data"].keys()
    assert ours["data"]["hosts"] == theirs["data"]["hosts"]
    assert ours["data"]["alias"] == theirs["data"]["alias"]
    assert_same_rows(theirs["data"]["messages"], ours["data"]["messages"])
    assert_same_rows(theirs["data"]["calldata"], ours["data"]["calldata"])
    assert set(theirs["keys"]) <= set(ours["keys"])
    for their, our in zip(theirs["data"]["messages"], ours["data"]["messages"], strict=True):
        assert our["micro_ts"] * 1000 == their["micro_ts"]


async def test_reports_of_every_call_and_key_come_in_order_of_time(database_url: str, api: Api) -> None:
    packets = [
        report(3, 5, "a"),
        report(1, 5, "b"),
        report(2, 35, "a"),
        report(4, 34, "b"),
        report(5, 5, "c"),
    ]
    await store(database_url, [*packets, report(6, 100, "a")])

    for key in ("1_call", "60_call_h20", "anything at all"):
        answer = (await ask(api, "report/qos", "a", "b", key=key)).json()

        shown = {kind: [(row["sid"], row["proto"]) for row in answer[kind]["data"]] for kind in answer}
        assert shown == {"rtcp": [("b", "rtcp"), ("a", "rtcp")], "rtp": [("a", "rtcpxr"), ("b", "rtpagent")]}
        assert [answer[kind]["total"] for kind in ("rtcp", "rtp")] == [2, 2]


async def test_window_is_the_one_asked_for(database_url: str, api: Api) -> None:
    first, last = START_US // 1000 * 1000, (START_US + MINUTE_US) // 1000 * 1000 + 999
    offsets = [time_us - START_US for time_us in (first - 1, first, last, last + 1)]
    await store(database_url, [report(offset, kind, "a") for offset in offsets for kind in (5, 100)])

    assert (await ask(api, "report/qos", "a")).json()["rtcp"]["total"] == 2
    assert (await ask(api, "report/log", "a")).json()["total"] == 2


async def test_report_that_is_no_json_is_left_out_and_said(database_url: str, api: Api) -> None:
    payloads = [
        b"VQSessionReport: CallTerm\r\n",
        b'{"type":200',
        b"[1]",
        b"\x80\xc8\x00\x06",
        b'{"a":NaN}',
    ]
    deep = b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    packets = [report(n, 5, "a", payload) for n, payload in enumerate([*payloads, deep])]
    await store(database_url, [*packets, report(100, 5, "a", b' {"type":200} \x00')])

    answer = await ask(api, "report/qos", "a")

    assert [row["raw"] for row in answer.json()["rtcp"]["data"]] == [' {"type":200} ']
    assert answer.headers["X-Rhapsode-Warning"] == "reports that are no JSON are left out: 6"


async def test_payload_that_cannot_be_read_is_said_and_not_taken_for_an_empty_one(
    database_url: str, api: Api
) -> None:
    await store(database_url, [report(n, kind, "a") for n in range(2) for kind in (5, 100)])
    connection = await asyncpg.connect(database_url)
    for table in ("messages_5_default", "messages_100_default"):
        broken = f"update {table} set raw_codec = 1, raw = '\\xdeadbeef' where time_us = $1"
        await connection.execute(broken, START_US)
    await connection.close()

    quality, logs = [await ask(api, route, "a") for route in ("report/qos", "report/log")]

    assert (quality.json()["rtcp"]["total"], logs.json()["total"]) == (1, 2)
    for answer in (quality, logs):
        assert answer.headers["X-Rhapsode-Warning"] == "stored payloads that cannot be read: 1"


async def test_log_has_both_ends_whatever_was_captured(database_url: str, api: Api) -> None:
    log = report(
        0, 100, "a", b"a \xff log line", family=None, source=None, destination=None, source_port=None
    )
    await store(database_url, [log, report(1, 100, "a")])
    connection = await asyncpg.connect(database_url)
    await connection.execute("update messages_100_default set destination_port = null where source is null")
    await connection.close()

    answer = (await ask(api, "report/log", "a")).json()

    row = answer["data"][0]
    assert answer["total"] == 2
    assert (row["raw"], row["proto"], row["payloadType"]) == ("a \ufffd log line", "log", 100)
    assert (row["srcIp"], row["srcPort"], row["dstIp"], row["dstPort"]) == ("127.0.0.1", 0, "127.0.0.2", 0)
    assert row["create_date"] == "2025-12-06T05:46:52.345678Z"
    # In milliseconds: what the web UI orders its ladder by, and says of a line that is clicked on.
    assert row["create_ts"] == 1_765_000_012_345.678


async def test_nothing_asked_for_is_an_empty_answer(database_url: str, api: Api) -> None:
    await store(database_url, [report(0, 5, "a"), report(0, 100, "a"), report(1, 5, "")])
    empty = {"total": 0, "data": []}

    for call_ids, location in (((), {}), (("",), {}), (("nobody",), {}), (("a",), {"node": ["n2"]})):
        quality = (await ask(api, "report/qos", *call_ids, location=location)).json()
        logs = (await ask(api, "report/log", *call_ids, location=location)).json()

        assert (quality, logs) == ({"rtcp": empty, "rtp": empty}, empty)
    for body in ({}, {"param": None}, {"param": {"search": {"1_call": {}}}}):
        assert (await api.client.post("/api/v3/call/report/log", json=body)).json() == empty


async def test_cut_answer_says_so(database_url: str) -> None:
    await store(database_url, [report(n, kind, "a") for n in range(3) for kind in (5, 35, 100)])
    async with an_api(database_url, search={"transaction_limit": 2}) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())

        quality, logs = [await ask(api, route, "a") for route in ("report/qos", "report/log")]

    assert quality.headers["X-Rhapsode-Incomplete"] == logs.headers["X-Rhapsode-Incomplete"] == "limit"
    assert [quality.json()[kind]["total"] for kind in ("rtcp", "rtp")] == [1, 1]
    assert logs.json()["total"] == 2
