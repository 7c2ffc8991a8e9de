"""Calls as files over HTTP: what tshark reads is what was stored."""

import json
from collections.abc import AsyncIterator
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import dpkt
import httpx
import pytest

from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from capture.pcap.packets import read_packets
from tests.support.api import Api, add_user, an_api
from tests.support.captures import CORPUS, hep_packets
from tests.support.database import fetch
from tests.support.stored import a_packet, store
from tests.support.tshark import complaints, read_fields

REPLIES = Path(__file__).with_name("homer7")
START_US = 1_765_000_012_345_678
MINUTE_US = 60_000_000
FILES = ("pcap", "text")


def sip(offset_us: int, number: int, *, body: str = "", length: int | None = None, **given: Any) -> Packet:
    said = len(body) if length is None else length
    payload = (
        f"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK{number}\r\n"
        f"From: <sip:alice@from.example>;tag=1\r\nTo: <sip:bob@to.example>\r\nCall-ID: a\r\n"
        f"CSeq: {number} MESSAGE\r\nContent-Length: {said}\r\n\r\n{body}"
    )
    return a_packet(START_US + offset_us, payload.encode(), **given)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as running:
        await add_user(running.context.engine)
        running.client.headers.update(await running.log_in())
        yield running


def a_body(*call_ids: str, key: str = "1_call", **param: Any) -> dict[str, Any]:
    return {
        "param": {"search": {key: {"id": 1, "callid": list(call_ids), "uuid": []}}, **param},
        "timestamp": {"from": START_US // 1000, "to": (START_US + MINUTE_US) // 1000},
    }


async def export(api: Api, kind: str, body: Any) -> httpx.Response:
    return await api.client.post(f"/api/v3/export/call/messages/{kind}", json=body)


async def capture_of(api: Api, directory: Path, *call_ids: str, **param: Any) -> Path:
    answer = await export(api, "pcap", a_body(*call_ids, **param))
    assert answer.status_code == 200, answer.text
    path = directory / "export.pcap"
    path.write_bytes(answer.content)
    return path


V4 = {"source": bytes([10, 0, 0, 1]), "destination": bytes([10, 0, 0, 2])}
BACK = {"source": V4["destination"], "destination": V4["source"]}
V6 = {"family": 10} | {
    end: ip_address(text).packed for end, text in (("source", "2001:db8::1"), ("destination", "2001:db8::2"))
}
WAYS: list[dict[str, Any]] = [
    {},
    {"ip_protocol": 6},
    {"ip_protocol": 6, **V4},
    {"ip_protocol": 6, **BACK, "body": "hello"},
    {"ip_protocol": 6, **V4, "body": "x" * 60_000},
    {"ip_protocol": 6, **V4, "body": "cut", "length": 30},
    {"ip_protocol": 6, **V4},
    {"ip_protocol": 132, **V4},
    {"ip_protocol": 132, **BACK},
    {"ip_protocol": 132, **V6},
    {"ip_protocol": 22, **V4, "destination_port": 5061},
    {"ip_protocol": 22, **V6},
    {"ip_protocol": 50, **V4, "destination_port": 443},
    {"ip_protocol": 17, **V6, "destination_port": 40_000},
    {"ip_protocol": 17, **V4, "vlan": 123, "tos": 0xB8},
    {"ip_protocol": 17, **V6, "vlan": 0xE001},
]


async def test_capture_file_says_what_was_stored(database_url: str, api: Api, tmp_path: Path) -> None:
    packets = [sip(1_001 * number, number, **way) for number, way in enumerate(WAYS)]
    await store(database_url, packets)

    capture = await capture_of(api, tmp_path, "a")

    names = ["frame.time_epoch", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "sip.Call-ID", "sip.CSeq.seq"]
    ports = [f"{name}.{end}port" for name in ("udp", "tcp", "sctp") for end in ("src", "dst")]
    others = ["vlan.id", "vlan.priority", "ip.dsfield", "sip.Content-Length"]
    shown = read_fields(capture, [*names, *ports, *others], "sip")
    assert len(shown) == len(packets)
    for number, (row, packet) in enumerate(zip(shown, packets, strict=True)):
        epoch, *addresses, call_id, sequence = row[:7]
        assert epoch == f"{START_US // 1_000_000}.{START_US % 1_000_000 + 1_001 * number:06d}000"
        source, destination = (ip_address(end).compressed for end in (packet.source, packet.destination))
        assert [address for address in addresses if address] == [source, destination]
        # Of a message that is not whole tshark reads the first line only.
        assert (call_id, sequence) == (("", "") if "length" in WAYS[number] else ("a", str(number)))
        transport = {17: 0, 132: 4}.get(packet.ip_protocol or 0, 2)
        expected = [""] * 6
        expected[transport : transport + 2] = [str(packet.source_port), str(packet.destination_port)]
        assert row[7:13] == expected
    assert [row[13:16] for row in shown[-2:]] == [["123", "0", "0xb8"], ["1", "7", ""]]
    assert complaints(capture) == []


async def test_capture_file_is_read_back_as_what_was_stored(
    database_url: str, api: Api, tmp_path: Path
) -> None:
    # Of SCTP, and of what was captured in part, import takes nothing.
    ways = [way for way in WAYS if way.get("ip_protocol") != 132 and "length" not in way]
    packets = [sip(1_001 * number, number, **way) for number, way in enumerate(ways)]
    await store(database_url, packets)

    capture = await capture_of(api, tmp_path, "a")

    def facts(packet: Packet) -> tuple[Any, ...]:
        ends = packet.source, packet.source_port, packet.destination, packet.destination_port
        is_stream = packet.ip_protocol != 17
        return packet.seconds, packet.microseconds, ends, is_stream, packet.payload

    assert list(map(facts, read_packets(capture, pytest.fail))) == list(map(facts, packets))


async def test_capture_file_holds_payloads_byte_for_byte(database_url: str, api: Api) -> None:
    payload = (
        b"MESSAGE sip:b@c SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 MESSAGE\r\n\r\n\xff\xfe\x00 \xf0\x9f\x98\x80\x00"
    )
    await store(database_url, [a_packet(START_US, payload)])

    pcap = (await export(api, "pcap", a_body("a"))).content
    text = (await export(api, "text", a_body("a"))).content

    ((_, frame),) = dpkt.pcap.Reader(BytesIO(pcap))
    assert dpkt.ethernet.Ethernet(frame).data.data.data == payload
    assert text.endswith(b"\r\n\r\n" + payload + b"\r\n")


async def test_reports_and_logs_of_a_call_are_datagrams_beside_it(
    database_url: str, api: Api, tmp_path: Path
) -> None:
    log, rtcp = (
        a_packet(START_US + offset, payload, protocol_type=kind, correlation_id=b"a", ip_protocol=6)
        for offset, kind, payload in ((1, 100, b"a log line"), (2, 5, b'{"type":200}'))
    )
    await store(database_url, [sip(0, 1, ip_protocol=6), log, rtcp, sip(3, 2, ip_protocol=6)])

    capture = await capture_of(api, tmp_path, "a")

    payloads = read_fields(capture, ["_ws.col.Protocol", "sip.CSeq.seq", "udp.payload"])
    assert [row[1] for row in payloads] == ["1", "", "", "2"]
    assert [bytes.fromhex(row[2]) for row in payloads[1:3]] == [b"a log line", b'{"type":200}']
    assert complaints(capture) == []


async def test_whole_corpus_opens_without_a_complaint_about_its_frames(
    database_url: str, api: Api, tmp_path: Path
) -> None:
    packets = [
        packet
        for path in sorted(CORPUS.glob("*.pcap"))
        for packet in map(decode_packet, hep_packets(path))
        if packet.seconds and packet.seconds > 1_500_000_000
    ]
    await store(database_url, packets)
    call_ids = {
        row[0]
        for key in ("1_call", "1_registration", "1_default")
        for row in await fetch(database_url, f"select distinct sid from keys_{key} where sid is not null")
    }
    body = a_body(*call_ids)
    body["timestamp"] = {"from": 1_500_000_000_000, "to": 2_000_000_000_000}

    answer = await export(api, "pcap", body)
    total = (await api.client.post("/api/v3/call/transaction", json=body)).json()["total"]
    capture = tmp_path / "corpus.pcap"
    capture.write_bytes(answer.content)

    assert total > 500
    assert len(read_fields(capture, ["frame.number"])) == total
    # Of what is in payloads, their senders are to blame.
    about_frames = [line for line in complaints(capture) if line.split()[2] not in ("SIP", "ISUP")]
    assert about_frames == []
    assert len(read_fields(capture, ["frame.number"], "sip")) > 500


async def the_mixed_call(database_url: str) -> dict[str, Any]:
    """What the recorded answers are about, and the request for it."""
    packets = [decode_packet(packet) for packet in hep_packets(CORPUS / "mixed-kamailio-rtpengine.pcap")]
    await store(database_url, packets)
    body = a_body("mix-call-0@127.0.0.1")
    body["timestamp"] = {"from": 1795408799000, "to": 1795409399000}
    return body


async def test_text_is_what_homer_answers(database_url: str, api: Api) -> None:
    body = await the_mixed_call(database_url)

    answer = await export(api, "text", body)

    assert answer.content == (REPLIES / "POST-export-call-messages-text.bin").read_bytes()
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"


async def test_capture_file_has_the_packets_of_homers(database_url: str, api: Api) -> None:
    body = await the_mixed_call(database_url)

    answer = await export(api, "pcap", body)

    def packets(file: bytes) -> list[tuple[Any, ...]]:
        ethernets = [
            (time_s, dpkt.ethernet.Ethernet(frame)) for time_s, frame in dpkt.pcap.Reader(BytesIO(file))
        ]
        return [
            (time_s, e.src, e.dst, e.data.src, e.data.dst, e.data.p, bytes(e.data.data))
            for time_s, e in ethernets
        ]

    assert packets(answer.content) == packets((REPLIES / "POST-export-call-messages-pcap.bin").read_bytes())
    assert answer.headers["content-type"] == "application/octet-stream"


async def test_file_has_a_name_with_its_time(api: Api) -> None:
    for kind, ending in (("pcap", "pcap"), ("text", "txt")):
        answer = await export(api, kind, a_body("a"))

        name = answer.headers["content-disposition"]
        assert name.startswith("attachment; filename=export-20")
        assert name.endswith(f"Z.{ending}")


async def test_nothing_found_is_an_empty_file(api: Api) -> None:
    for body in (
        a_body("nobody"),
        a_body(),
        {},
        {"param": {"search": {}}},
        a_body("a", location={"node": ["n2"]}),
    ):
        pcap, text = [await export(api, kind, body) for kind in FILES]

        assert (pcap.status_code, text.status_code) == (200, 200)
        assert (len(pcap.content), text.content) == (24, b"")


async def test_addresses_are_left_out_and_a_cut_file_says_so(database_url: str) -> None:
    packets = [sip(number, number, source=bytes([10, 0, 0, number])) for number in range(5)]
    await store(database_url, packets)
    async with an_api(database_url, search={"transaction_limit": 4}) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())

        whole = await export(api, "text", a_body("a"))
        without = await export(api, "text", a_body("a", whitelist=["10.0.0.4", "10.0.0.2/31"]))

    assert whole.headers["X-Rhapsode-Incomplete"] == "limit"
    assert whole.content.count(b"proto:UDP") == 4
    assert without.content.count(b"proto:UDP") == 1


async def test_payload_that_cannot_be_read_is_named(database_url: str, api: Api) -> None:
    await store(database_url, [sip(0, 1), sip(1, 2)])
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "update messages_1_default set raw_codec = 1, raw = '\\xdeadbeef' where time_us = $1", START_US + 1
    )
    await connection.close()

    answer = await export(api, "pcap", a_body("a"))

    assert answer.headers["X-Rhapsode-Warning"] == "stored payloads that cannot be read: 1"
    assert len(list(dpkt.pcap.Reader(BytesIO(answer.content)))) == 2


async def test_what_a_script_has_masked_stays_masked(database_url: str, api: Api) -> None:
    await store(database_url, [sip(0, 1)])
    connection = await asyncpg.connect(database_url)
    extra = json.dumps({"fields": {"source": "10.9.9.9", "raw": None}})
    await connection.execute("update messages_1_default set extra = $1", extra)
    await connection.close()

    text = (await export(api, "text", a_body("a"))).content

    assert b"10.9.9.9:5060 ---> 192.0.2.2:5060" in text
    assert b"MESSAGE" not in text


async def test_exports_and_views_of_logs_are_noted(database_url: str, api: Api) -> None:
    log = a_packet(START_US, b"a log line", protocol_type=100, correlation_id=b"a")
    await store(database_url, [sip(0, 1), log])
    for kind in FILES:
        await export(api, kind, a_body("a"))
    await api.client.post("/api/v3/call/report/log", json=a_body("a"))
    await api.context.audit.flush()

    noted = await fetch(
        database_url, "select username, action, object, detail from audit where action <> 'login' order by id"
    )

    assert [(*row, json.loads(detail)) for *row, detail in noted] == [
        ("admin", "export pcap", "a", {"messages": 2}),
        ("admin", "export txt", "a", {"messages": 2}),
        ("admin", "view logs", "a", {"lines": 1}),
    ]


# Links


async def link(api: Api, body: Any, **headers: str) -> httpx.Response:
    return await api.client.post("/api/v3/export/call/transaction/link", json=body, headers=headers)


def as_the_page_reads_it(url: str) -> Any:
    """The web UI's page of results takes all between the question mark and the last character."""
    search = urlsplit(url).query
    assert search.endswith("=")
    return json.loads(unquote(search[:-1]))


async def test_link_opens_the_calls(database_url: str, api: Api) -> None:
    await store(database_url, [sip(0, 1)])

    answer = await link(api, a_body("a", "b&c=d#'é"))

    made = answer.json()["data"]
    assert (answer.status_code, made["uuid"]) == (200, "")
    assert made["url"].startswith("http://test/search/result?%7B")
    question = as_the_page_reads_it(made["url"])
    assert question["timestamp"] == a_body("a")["timestamp"]
    asked = question["param"]["search"]["1_call"]
    assert asked["callid"] == ["a", "b&c=d#'é"]
    # What the page then asks for.
    element = {"name": "sid", "value": ";".join(asked["callid"]), "type": "string", "hepid": 1}
    body = question | {"param": {"search": {"1_default": [element]}}}
    assert (await api.client.post("/api/v3/search/call/data", json=body)).json()["total"] == 1


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("https://ui.example:8443", "https://ui.example:8443"),
        ("null", "http://test"),
        ("javascript://x", "http://test"),
        ("https://ui.example/path", "http://test"),
        ("https://a b", "http://test"),
    ],
)
async def test_link_leads_to_where_the_user_is(api: Api, origin: str, shown: str) -> None:
    url = (await link(api, a_body("a"), origin=origin)).json()["data"]["url"]

    assert url.startswith(f"{shown}/search/result?")


async def test_link_that_would_show_nothing_is_refused(api: Api) -> None:
    for body in ({}, a_body(), {"param": a_body("a")["param"]}, a_body("a") | {"timestamp": {"from": 1}}):
        answer = await link(api, body)

        assert answer.status_code == 400
        assert answer.json() == {"data": {}, "message": "a link needs Call-IDs and a window of time"}
    answer = await link(api, a_body(*(f"call-{number}@example.com" for number in range(2000))))
    assert answer.json() == {"data": {}, "message": "too many Call-IDs for a link"}


# What every route has to bear

ROUTES = (
    "call/transaction",
    "call/report/qos",
    "call/report/log",
    "export/call/messages/pcap",
    "export/call/messages/text",
    "export/call/transaction/link",
)
NOT_BUILT = {
    "export/call/messages/sipp": "SIPp export is not implemented",
    "export/call/transaction/report": "report export is not implemented",
    "export/call/stenographer": "export from Stenographer is not implemented",
}
ALL = [("POST", route) for route in (*ROUTES, *NOT_BUILT)] + [("GET", "export/action/logs")]


async def test_stranger_is_sent_to_the_login(api: Api) -> None:
    del api.client.headers["Authorization"]

    for method, route in ALL:
        answer = await api.client.request(method, f"/api/v3/{route}")

        assert (answer.status_code, answer.json()) == (401, {"message": "missing or malformed jwt"}), route


async def test_user_may_do_what_an_administrator_may(api: Api) -> None:
    await add_user(api.context.engine, "carol", usergroup="user")
    user = await api.log_in("carol")

    for method, route in ALL:
        for headers in ({}, user):
            answer = await api.client.request(method, f"/api/v3/{route}", json=a_body("a"), headers=headers)

            expected = 501 if route in NOT_BUILT or method == "GET" else 200 if "export" in route else 201
            assert answer.status_code == expected, route


@pytest.mark.parametrize(("route", "message"), NOT_BUILT.items())
async def test_what_is_not_there_says_so(api: Api, route: str, message: str) -> None:
    answer = await api.client.post(f"/api/v3/{route}", json=a_body("a"))

    assert (answer.status_code, answer.json()) == (501, {"data": {}, "message": message})


WRONG = {
    "not JSON": b"{",
    "an array": b"[]",
    "a number for the search": b'{"param":{"search":7}}',
    "an array for a profile": b'{"param":{"search":{"1_call":[]}}}',
    "an object for a Call-ID": b'{"param":{"search":{"1_call":{"callid":[{}]}}}}',
    "an array in the Call-IDs": b'{"param":{"search":{"1_call":{"callid":[["a"]]}}}}',
    "a truth for a time": b'{"timestamp":{"from":true}}',
    "a list for a time": b'{"timestamp":{"from":[1]}}',
    "a text for a time": b'{"timestamp":{"to":"1"}}',
    "a time beyond all": b'{"timestamp":{"to":1' + b"0" * 30 + b"}}",
    "a text for the whitelist": b'{"param":{"whitelist":"10.0.0.1"}}',
    "numbers for nodes": b'{"param":{"location":{"node":[1]}}}',
    "too many Call-IDs": json.dumps(a_body(*map(str, range(10_001)))).encode(),
    "too many Call-IDs under two keys": json.dumps(
        {
            "param": {
                "search": {
                    key: {"callid": [f"{key} {number}" for number in range(5001)]}
                    for key in ("1_call", "1_default")
                }
            }
        }
    ).encode(),
    "deeply nested": b'{"param":{"search":{"1_call":' + b"[" * 10_000 + b"]" * 10_000 + b"}}}",
}


@pytest.mark.parametrize("route", ROUTES)
async def test_wrong_types_are_refused(api: Api, route: str) -> None:
    for what, body in WRONG.items():
        answer = await api.client.post(
            f"/api/v3/{route}", content=body, headers={"Content-Type": "application/json"}
        )

        assert answer.status_code == 400, what
        assert answer.json().keys() == {"data", "message"}, what
        assert answer.json()["data"] == {}, what


@pytest.mark.parametrize(
    "route", ["call/transaction", "export/call/messages/pcap", "export/call/messages/text"]
)
async def test_unknown_profile_is_refused(api: Api, route: str) -> None:
    answer = await api.client.post(f"/api/v3/{route}", json=a_body("a", key="60_call_h20"))

    assert answer.status_code == 400
    assert answer.json() == {"data": {}, "message": 'invalid search profile key: "60_call_h20"'}


HOSTILE = [
    "'; drop table users; --",
    'a"b\\c',
    "%",
    "_b2b-1" * 3,
    "_b2b-1" * 200_000,
    "a%_b",
    "nul\0",
    "\U0001f600 \u202eright to left",
    "\ud800 lone",
    "line\r\nX-Evil: 1",
    "x" * 1_000_000,
    "-1",
    "1e308",
    "null",
]


@pytest.mark.parametrize("route", ROUTES)
async def test_hostile_values_find_nothing_and_break_nothing(database_url: str, api: Api, route: str) -> None:
    await store(database_url, [sip(0, 1)])
    for value in HOSTILE:
        body = json.dumps(a_body(value, whitelist=[value], location={"node": [value, "localnode"]}))

        answer = await api.client.post(
            f"/api/v3/{route}", content=body, headers={"Content-Type": "application/json"}
        )

        # A lone surrogate is no JSON, and a link of a million characters is none.
        is_refused = "\ud800" in value or (route.endswith("link") and len(value) > 1000)
        expected = 400 if is_refused else 200 if "export" in route else 201
        assert answer.status_code == expected, value[:40]
        assert "x-evil" not in answer.headers
        if "messages" in route and not is_refused:
            assert len(answer.content) == (24 if route.endswith("pcap") else 0), value[:40]


async def test_call_with_a_hostile_name_is_found_whole(database_url: str, api: Api, tmp_path: Path) -> None:
    call_id = "'; drop--%_\"\\ \U0001f600&<>"
    payload = f"MESSAGE sip:b@c SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 MESSAGE\r\n\r\n".encode()
    await store(database_url, [a_packet(START_US, payload), sip(1, 1)])

    text = (await export(api, "text", a_body(call_id))).content
    transaction = (await api.client.post("/api/v3/call/transaction", json=a_body(call_id))).json()

    assert text.count(b"proto:") == 1
    assert payload in text
    assert [message["sid"] for message in transaction["data"]["messages"]] == [call_id]
