"""Searches over HTTP in a real database, filled by the real writer."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from tests.support.api import Api, add_user, an_api
from tests.support.stored import a_packet, store

START_US = 1_765_000_000_000_000
HOUR_US = 3_600_000_000


def sip(
    first: str = "INVITE sip:bob@example.com SIP/2.0",
    *,
    call_id: str = "a84b4c76e66710@10.0.0.1",
    cseq: str = "1 INVITE",
    from_user: str = "alice",
    more: str = "",
) -> bytes:
    return (
        f"{first}\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n"
        f"From: <sip:{from_user}@example.com>;tag=9f\r\n"
        f"To: <sip:bob@example.org>\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n"
    ).encode()


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as running:
        await add_user(running.context.engine)
        running.client.headers.update(await running.log_in())
        yield running


async def ask(
    api: Api,
    *elements: dict[str, Any],
    key: str = "1_call",
    from_us: int = START_US,
    to_us: int | None = None,
) -> Any:
    body = {
        "param": {"search": {key: list(elements)}},
        "timestamp": {"from": from_us // 1000, "to": (to_us or START_US + HOUR_US) // 1000},
    }
    answer = await api.client.post("/api/v3/search/call/data", json=body)
    assert answer.status_code == 201, answer.text
    return answer


def element(name: str, value: Any, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "value": value, "type": kind, "hepid": 1, "func": None}


async def test_row_has_all_that_homer_sends(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US + 12_345_678, sip())])

    answer = await ask(api)

    (row,) = answer.json()["data"]
    assert answer.json()["total"] == 1
    assert set(answer.json()["keys"]) == row.keys()
    assert row == {
        "aliasDst": "192.0.2.2:5060",
        "aliasSrc": "192.0.2.1:5060",
        "callid": "a84b4c76e66710@10.0.0.1",
        "captureId": "2001",
        "capturePass": "",
        "correlation_id": "a84b4c76e66710@10.0.0.1",
        "create_date": 1765000012345,
        "cseq": "1 INVITE",
        "dbnode": "localnode",
        "dstIp": "192.0.2.2",
        "dstPort": 5060,
        "from_domain": "example.com",
        "from_tag": "9f",
        "from_user": "alice",
        "id": row["id"],
        "method": "INVITE",
        "micro_ts": 1765000012345.678,
        "node": "localnode",
        "payloadType": 1,
        "protocol": 17,
        "protocolFamily": 2,
        "ruri_domain": "example.com",
        "ruri_user": "bob",
        "sid": "a84b4c76e66710@10.0.0.1",
        "srcIp": "192.0.2.1",
        "srcPort": 5060,
        "table": "hep_proto_1_call",
        "timeSeconds": 1765000012,
        "timeUseconds": 345678,
        "to_domain": "example.org",
        "to_tag": "",
        "to_user": "bob",
        "user_agent": "",
        "uuid": row["id"],
        "cseq_method": "INVITE",
        "via": "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1",
        "via_branch": "z9hG4bK1",
    }
    assert isinstance(row["id"], int)


async def test_newest_of_many_come_oldest_first_and_say_that_there_are_more(database_url: str, api: Api):
    times = [START_US + index * 60_000_000 for index in range(30)]
    await store(database_url, [a_packet(time_us, sip()) for time_us in times])

    answer = await ask(api, element("limit", "10"))

    assert [row["micro_ts"] * 1000 for row in answer.json()["data"]] == times[-10:]
    assert answer.headers["X-Rhapsode-Incomplete"] == "limit"
    assert "X-Rhapsode-Incomplete" not in (await ask(api, element("limit", "30"))).headers


async def test_window_may_have_decimals_as_the_web_ui_sends_them(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US + 2_400, sip())])
    at_ms = START_US / 1000

    for first, last, count in (
        (at_ms + 2.266, at_ms + 2.266, 1),
        (at_ms + 0.5, at_ms + 1.9, 0),
        (0.1, 1e18, 1),
    ):
        body = {"param": {"search": {"1_call": []}}, "timestamp": {"from": first, "to": last}}
        answer = await api.client.post("/api/v3/search/call/data", json=body)
        assert (answer.status_code, len(answer.json()["data"])) == (201, count)
    for wrong in (1e300, -1e300, "1.5", True):
        body = {"param": {"search": {"1_call": []}}, "timestamp": {"from": wrong, "to": 1}}
        assert (await api.client.post("/api/v3/search/call/data", json=body)).status_code == 400


async def test_end_of_window_includes_its_whole_millisecond(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US + offset, sip()) for offset in (999, 1000, 1999, 2000)])

    answer = await ask(api, from_us=START_US + 1000, to_us=START_US + 1000)

    assert [row["timeUseconds"] for row in answer.json()["data"]] == [1000, 1999]


async def test_values_with_quotes_and_ampersands_are_found(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US, sip(from_user="o'neil&co"))])

    assert (await ask(api, element("data_header.from_user", "o'neil&co"))).json()["total"] == 1
    assert (await ask(api, element("data_header.from_user", "o'n%"))).json()["total"] == 1


async def test_unknown_field_gives_nothing_and_is_named(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US, sip())])

    answer = await ask(api, element("data_header.grüße\r\nX: y", "x"))

    assert answer.json() == {"total": 0, "keys": [], "data": []}
    assert answer.headers["X-Rhapsode-Warning"] == "unknown field: data_header.gr%C3%BC%C3%9Fe%0D%0AX: y"


async def test_warning_of_any_length_fits_a_header(api: Api):
    answer = await ask(api, *(element("€" * length, "x") for length in range(90, 130)))

    warning = answer.headers["X-Rhapsode-Warning"]
    assert 1990 < len(warning) <= 2000
    assert unquote(warning, errors="strict").startswith("unknown field: €€")


async def test_fields_that_a_filter_took_away_are_shown_empty(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US, sip())])
    taken = dict.fromkeys(
        ["source", "source_port", "family", "ip_protocol", "node", "correlation_id", "protocol_type", "raw"]
    )
    connection = await asyncpg.connect(database_url)
    extra = json.dumps({"fields": taken | {"destination": "no address"}})
    await connection.execute("update messages_1_call set extra = $1", extra)
    await connection.close()

    (row,) = (await ask(api)).json()["data"]
    body = {
        "param": {"search": {"1_call": {"callid": [row["sid"]]}}, "whitelist": ["192.0.2.1"]},
        "timestamp": {"from": START_US // 1000, "to": START_US // 1000},
    }
    transaction = await api.client.post("/api/v3/call/transaction", json=body)
    body["param"]["search"]["1_call"] = {"id": row["id"]}
    message = await api.client.post("/api/v3/search/call/message", json=body)

    assert (row["srcIp"], row["srcPort"], row["dstIp"], row["captureId"]) == ("", 0, "no address", "")
    assert list(transaction.json()["data"]["hosts"]) == ["127.0.0.1:0", "no address:5060"]
    assert message.json()["data"][0]["raw"] == ""


async def test_no_profile_of_ours_gives_nothing(api: Api):
    assert (await ask(api, key="60_call_h20")).json() == {"total": 0, "keys": [], "data": []}
    body = {"param": {"search": {}}, "timestamp": {"from": 0, "to": 1}}
    assert (await api.client.post("/api/v3/search/call/data", json=body)).json()["data"] == []


async def test_other_node_gives_nothing(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US, sip())])
    window = {"from": START_US // 1000, "to": START_US // 1000}

    for nodes, total in ((["n2"], 0), (["n2", "LOCALNODE"], 1), ([], 1)):
        param = {"search": {"1_call": []}, "location": {"node": nodes}}
        answer = await api.client.post("/api/v3/search/call/data", json={"param": param, "timestamp": window})
        assert answer.json()["total"] == total


@pytest.mark.parametrize(
    "body",
    [
        {"timestamp": {"from": "1", "to": 2}},
        {"timestamp": {"from": "1.5", "to": 2}},
        {"timestamp": {"from": 10**30, "to": 2}},
        {"timestamp": {"from": 2**63, "to": 2}},
        {"param": {"search": {"1_call": {}}}},
        {"param": {"search": {"1_call": [7]}}},
        {"param": {"search": {"1_call": [{"name": 1, "value": "x", "type": "string"}]}}},
        {"param": {"search": {"1_call": [{"name": "sid", "value": {}, "type": "string"}]}}},
        {"param": {"search": []}},
        {"param": 3},
    ],
)
async def test_wrong_types_are_refused(api: Api, body: Any):
    answer = await api.client.post("/api/v3/search/call/data", json=body)

    assert answer.status_code == 400
    assert answer.json() == {"data": {}, "message": "request format is not correct"}


async def test_login_is_needed(api: Api):
    del api.client.headers["Authorization"]

    for path in ("search/call/data", "search/call/message", "call/transaction"):
        assert (await api.client.post(f"/api/v3/{path}", json={})).status_code == 401


async def test_several_profiles_are_asked_each_by_its_own_form(database_url: str, api: Api):
    register = sip("REGISTER sip:example.com SIP/2.0", cseq="1 REGISTER", from_user="carol")
    await store(database_url, [a_packet(START_US, sip()), a_packet(START_US + 1000, register)])
    search = {
        "1_call": [element("data_header.from_user", "alice")],
        "1_registration": [element("data_header.from_user", "carol")],
    }
    window = {"from": START_US // 1000, "to": START_US // 1000 + 10}

    answer = await api.client.post(
        "/api/v3/search/call/data", json={"param": {"search": search}, "timestamp": window}
    )

    assert [row["table"] for row in answer.json()["data"]] == ["hep_proto_1_call", "hep_proto_1_registration"]


async def test_database_error_is_503(api: Api, server, database_url: str):
    name = urlsplit(database_url).path.removeprefix("/")
    server.execute(f'alter database "{name}" allow_connections false')
    server.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )

    answer = await api.client.post("/api/v3/search/call/data", json={"param": {"search": {"1_call": []}}})

    assert answer.status_code == 503


async def test_message_by_id_comes_with_payload(database_url: str, api: Api):
    payload = sip() + b"\xff\x00\x00"
    await store(database_url, [a_packet(START_US + index, payload) for index in range(3)])
    rows = (await ask(api)).json()["data"]
    window = {"from": START_US // 1000, "to": START_US // 1000}

    async def fetch(asked: dict[str, Any], **param: Any) -> Any:
        body = {"param": {"search": {"1_call": asked}, **param}, "timestamp": window}
        return (await api.client.post("/api/v3/search/call/message", json=body)).json()

    (message,) = (await fetch({"id": rows[1]["id"]}, limit=1))["data"]
    assert message["raw"] == sip().decode() + "\ufffd"
    assert message["create_ts"] == START_US // 1000
    assert message["micro_ts"] == (START_US + 1) / 1000
    assert not message.keys() & {"create_date", "node", "table"}
    assert (await fetch({"uuid": [row["id"] for row in rows]}))["total"] == 3
    assert (await fetch({"uuid": [row["id"] for row in rows]}, limit=2))["total"] == 2
    assert (await fetch({"id": 999_999_999}, limit=1))["data"] == []
    assert (await fetch({}))["message"] == "no ID or UUID has been provided"
    refused = {"param": {"search": {"9_call": {"id": 1}}}, "timestamp": window}
    answer = await api.client.post("/api/v3/search/call/message", json=refused)
    assert answer.status_code == 400
    assert answer.json()["message"] == 'invalid search profile key: "9_call"'


async def test_corrupt_payload_is_its_own_messages_error(database_url: str, api: Api):
    await store(database_url, [a_packet(START_US + index, sip()) for index in range(3)])
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "update messages_1_call set raw_codec = 1, raw = '\\xdeadbeef' where time_us = $1", START_US + 1
    )
    await connection.close()

    everything = (await ask(api)).json()["data"]
    by_call = (await ask(api, element("data_header.callid", "a84b4c76e66710@10.0.0.1"))).json()["data"]

    assert len(everything) == len(by_call) == 3
    assert [("parse_error" in row) for row in everything] == [False, True, False]
    assert by_call[1]["sid"] == "a84b4c76e66710@10.0.0.1"
    assert "stored payload cannot be read" in by_call[1]["parse_error"]


async def test_examples_of_the_description_find_the_message_they_name(api: Api, database_url: str) -> None:
    await store(database_url, [a_packet(START_US, sip())])
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    totals = {}

    for path in ("/search/call/data", "/search/call/message", "/call/transaction"):
        content = paths[f"/api/v3{path}"]["post"]["requestBody"]["content"]["application/json"]
        example = content["schema"]["examples"][0]
        totals[path] = (await api.client.post(f"/api/v3{path}", json=example)).json()["total"]

    assert totals == {"/search/call/data": 1, "/search/call/message": 1, "/call/transaction": 1}
