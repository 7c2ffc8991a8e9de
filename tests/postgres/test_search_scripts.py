"""What filter scripts set is found and shown: in every class, in every bucket, at once."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from capture.draft import Draft, Value
from tests.support.api import Api, add_user, an_api
from tests.support.stored import a_packet, store

HOUR_US = 3_600_000_000
START_US = 1_765_000_800_000_000 // (2 * HOUR_US) * (2 * HOUR_US)
"""The lower bound of a bucket of two hours."""
PAYLOADS = {
    "5_default": (5, b'{"type": 200}'),
    "35_default": (34, b'{"MOS": 4}'),
    "53_default": (53, b'{"id": 1}'),
    "54_default": (54, b'{"cic": 3, "opc": 1, "dpc": 2}'),
    "100_default": (100, b"a line"),
}


def sip(call_id: str = "a", cid: str = "", method: str = "INVITE") -> bytes:
    header = f"X-CID: {cid}\r\n" if cid else ""
    return (
        f"{method} sip:b@x SIP/2.0\r\nFrom: <sip:alice@x>;tag=1\r\nTo: <sip:bob@x>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n{header}\r\n"
    ).encode()


def tag(name: str, value: Value) -> Any:
    """A script that sets a tag of every message."""

    def script(draft: Draft) -> None:
        assert draft.write(f"custom:{name}", value) is None

    return script


@asynccontextmanager
async def logged_in(url: str, custom_headers: Iterable[str] = (), user: str = "admin") -> AsyncIterator[Api]:
    async with an_api(url, custom_headers=tuple(custom_headers)) as api:
        await add_user(api.context.engine, user)
        api.client.headers.update(await api.log_in(user))
        yield api


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with logged_in(database_url) as api:
        yield api


def window(hours: int = 24) -> dict[str, int]:
    return {"from": START_US // 1000, "to": START_US // 1000 + hours * 3_600_000}


async def ask(api: Api, name: str, value: str, key: str = "1_call") -> Any:
    element = {"name": name, "value": value, "type": "string"}
    body = {"param": {"search": {key: [element]}}, "timestamp": window()}
    return await api.client.post("/api/v3/search/call/data", json=body)


async def places(api: Api, value: str, name: str = "data_header.X-CID", key: str = "1_call") -> list[int]:
    """How many µs into its hour each match lies, by hours; no element may be unknown."""
    answer = await ask(api, name, value, key)
    assert "X-Rhapsode-Warning" not in answer.headers
    return [row["timeSeconds"] * 1_000_000 + row["timeUseconds"] - START_US for row in answer.json()["data"]]


async def test_name_is_unknown_until_a_script_sets_it_and_known_at_once_then(
    database_url: str, api: Api
) -> None:
    await store(database_url, [a_packet(START_US, sip())])

    before = await ask(api, "data_header.customer", "acme")
    smart = await ask(api, "smartinput", "data_header.customer = 'acme'")
    await store(database_url, [a_packet(START_US + 1, sip())], script=tag("customer", "acme"))
    after = await ask(api, "data_header.customer", "acme")
    smart_after = await ask(api, "smartinput", "data_header.customer = 'acme'")

    assert before.headers["X-Rhapsode-Warning"] == "unknown field: data_header.customer"
    assert smart.headers["X-Rhapsode-Warning"] == "unknown field: data_header.customer"
    assert before.json()["total"] == smart.json()["total"] == 0
    for answer in (after, smart_after):
        assert "X-Rhapsode-Warning" not in answer.headers
        assert [row["customer"] for row in answer.json()["data"]] == ["acme"]
        assert "customer" in answer.json()["keys"]


@pytest.mark.parametrize("key", PAYLOADS)
async def test_tag_of_what_is_no_sip_is_found_and_shown(database_url: str, api: Api, key: str) -> None:
    kind, payload = PAYLOADS[key]
    packets = [a_packet(START_US + n, payload, protocol_type=kind, correlation_id=b"a") for n in range(2)]
    await store(database_url, packets[:1])
    await store(database_url, packets[1:], script=tag("customer", "acme"))

    answer = await ask(api, "data_header.customer", "ac%", key)
    absent = await ask(api, "data_header.customer", "isEmpty", key)

    assert [(row["timeUseconds"], row["customer"]) for row in answer.json()["data"]] == [(1, "acme")]
    assert [row["timeUseconds"] for row in absent.json()["data"]] == [0]
    assert "customer" not in absent.json()["data"][0]


async def test_tags_are_shown_with_single_messages_and_in_transactions(database_url: str, api: Api) -> None:
    await store(database_url, [a_packet(START_US, sip())], script=tag("customer", "acme"))
    (row,) = (await ask(api, "sid", "a")).json()["data"]

    search = {"1_call": {"id": row["id"], "callid": ["a"]}}
    body = {"param": {"search": search}, "timestamp": window()}
    message = await api.client.post("/api/v3/search/call/message", json=body)
    transaction = await api.client.post("/api/v3/call/transaction", json=body)

    assert message.json()["data"][0]["customer"] == "acme"
    assert transaction.json()["data"]["messages"][0]["customer"] == "acme"


async def test_mapping_offers_what_scripts_have_set_in_every_class(database_url: str, api: Api) -> None:
    await store(database_url, [a_packet(START_US, sip())], script=tag("customer", "acme"))

    rows = (await api.client.get("/api/v3/mapping/protocol")).json()["data"]

    assert len(rows) == 8
    for row in rows:
        assert "data_header.customer" in [field["id"] for field in row["fields_mapping"]]


async def test_tag_named_like_something_of_ours_hides_nothing(database_url: str, api: Api) -> None:
    def script(draft: Draft) -> None:
        for name in ("from_user", "server", "srcIp", "id", "sid", "table", "mos", "payloadType"):
            draft.write(f"custom:{name}", b"mine")

    await store(database_url, [a_packet(START_US, sip())], script=script)

    (row,) = (await ask(api, "data_header.from_user", "alice")).json()["data"]

    assert (row["from_user"], row["srcIp"], row["sid"], row["table"]) == (
        "alice",
        "192.0.2.1",
        "a",
        "hep_proto_1_call",
    )
    assert isinstance(row["id"], int)
    assert row["payloadType"] == 1
    assert "server" not in row
    assert row["mos"] == "mine"


async def test_name_that_is_header_and_tag_is_found_in_buckets_of_all_settings(database_url: str) -> None:
    """An hour without the header in the settings, one with it, one in which both wrote, one without it."""

    async def store_hour(hour: int, keyed: Iterable[str], offset: int = 0) -> None:
        at_us = START_US + 2 * hour * HOUR_US + offset
        await store(
            database_url,
            [a_packet(at_us, sip(f"header-{at_us}", "blue")), a_packet(at_us + 1, sip(f"none-{at_us}"))],
            custom_headers=tuple(keyed),
        )
        packets = [a_packet(at_us + 2, sip(f"tagged-{at_us}")), a_packet(at_us + 3, sip(f"t-{at_us}", "red"))]
        await store(database_url, packets, custom_headers=tuple(keyed), script=tag("X-CID", "blue"))
        taken = [a_packet(at_us + 4, sip(f"taken-{at_us}", "blue"))]
        await store(database_url, taken, custom_headers=tuple(keyed), script=tag("X-CID", None))

    await store_hour(0, [])
    await store_hour(1, ["X-CID"])
    await store_hour(2, ["X-CID"])
    await store_hour(2, [], offset=100)
    await store_hour(3, [])
    hours = [(hour, 0) for hour in range(4)] + [(2, 100)]
    starts = sorted(2 * hour * HOUR_US + offset for hour, offset in hours)

    async with logged_in(database_url, ["X-CID"]) as api:
        as_header = {value: await places(api, value) for value in ("blue", "bl%", "%lue", "red", "!=blue")}
    async with logged_in(database_url, user="other") as api:
        as_tag = {value: await places(api, value) for value in ("blue", "bl%", "red", "isNull")}

    blue = [start + place for start in starts for place in (0, 2, 3)]
    assert as_header["blue"] == as_header["bl%"] == as_header["%lue"] == blue
    assert as_header["red"] == []
    assert as_header["!=blue"] == [start + place for start in starts for place in (1, 4)]
    assert as_tag["blue"] == as_tag["bl%"] == [start + place for start in starts for place in (2, 3)]
    assert as_tag["red"] == []
    assert as_tag["isNull"] == [start + place for start in starts for place in (0, 1, 4)]


async def test_long_and_many_values_of_a_tag_are_found(database_url: str, api: Api) -> None:
    values = [f"{n:03d}-" + "x" * 300 + f"-{n}" for n in range(5)] + [f"v{n}" for n in range(150)]

    def script(draft: Draft) -> None:
        draft.write("custom:note", values[draft.time_us - START_US])

    # Of one call, which has shown more than is remembered by the end.
    await store(database_url, [a_packet(START_US + n, sip()) for n in range(len(values))], script=script)

    for place in (0, 4, 5, 70, 154):
        assert await places(api, values[place], "data_header.note") == [place]
    assert await places(api, "%x-3", "data_header.note") == [3]
    assert await places(api, "003%", "data_header.note") == [3]


async def test_session_and_call_id_that_differ_are_both_found(database_url: str, api: Api) -> None:
    def script(draft: Draft) -> None:
        draft.write("sid", b"session")

    await store(database_url, [a_packet(START_US, sip()), a_packet(START_US + 1, sip("b"))], script=script)

    for name, value, expected in (
        ("sid", "session", [0, 1]),
        ("sid", "a", []),
        ("data_header.callid", "a", [0]),
        ("data_header.callid", "b%", [1]),
        ("data_header.callid", "session", []),
        ("protocol_header.correlation_id", "session", [0, 1]),
    ):
        assert await places(api, value, name) == expected, (name, value)
