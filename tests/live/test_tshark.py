"""Messages taken apart by the real tshark: alone, and by the route that the web UI asks."""

import asyncio
import random
from typing import Any

import pytest
import uvloop

from api.callflow.hosts import End
from api.dissect import Tshark
from api.export.captured import Captured
from api.settings import TsharkSettings
from tests.support.api import add_user, an_api
from tests.support.database import fetch
from tests.support.importing import INVITE, NOW_US
from tests.support.programs import find_program
from tests.support.stored import a_packet, store

RECEIVER_REPORT = bytes.fromhex("81c90007000000010000000200000000000000030000000400000005") + bytes(4)


@pytest.fixture(autouse=True)
def tshark() -> Tshark:
    find_program("tshark")
    return Tshark(TsharkSettings(timeout_s=60))


def a_message(payload: bytes = INVITE, ip_protocol: int = 17, **given: Any) -> Captured:
    ends = End(given.get("source", "192.0.2.10"), 5090), End(given.get("destination", "192.0.2.20"), 443)
    return Captured(NOW_US, *ends, ip_protocol, payload, given.get("is_sip", payload is INVITE))


async def layers_of(tshark: Tshark, message: Captured) -> dict[str, Any]:
    (packet,) = await tshark.dissect(message)
    layers: dict[str, Any] = packet["_source"]["layers"]
    return layers


@pytest.mark.parametrize(
    ("ip_protocol", "transport"), [(17, "udp"), (6, "tcp"), (22, "tcp"), (50, "tcp"), (132, "sctp")]
)
async def test_sip_is_taken_apart_whatever_carried_it_and_on_whatever_port(
    tshark: Tshark, ip_protocol: int, transport: str
) -> None:
    layers = await layers_of(tshark, a_message(ip_protocol=ip_protocol))

    assert [*layers][:5] == ["frame", "eth", "ip", transport, "sip"]
    assert layers[transport][f"{transport}.srcport"] == "5090"
    header = layers["sip"]["sip.msg_hdr_tree"]
    assert header["sip.Call-ID"] == "import-1@192.0.2.10"


@pytest.mark.parametrize("ip_protocol", [17, 6, 132])
async def test_message_in_several_packets_is_whole_in_the_first_one_shown(
    tshark: Tshark, ip_protocol: int
) -> None:
    head, _, body = INVITE.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    body += b"a=x:" + b"y" * 70_000 + b"\r\n"
    payload = b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])

    packets = await tshark.dissect(a_message(payload, ip_protocol, is_sip=True))

    layers = packets[0]["_source"]["layers"]
    assert len(packets) == 2
    assert layers["sip"]["sip.msg_hdr_tree"]["sip.Content-Length"] == str(len(body))


async def test_ipv6_is_taken_apart(tshark: Tshark) -> None:
    layers = await layers_of(tshark, a_message(source="2001:db8::1", destination="2001:db8::2"))

    assert layers["ipv6"]["ipv6.src"] == "2001:db8::1"
    assert "sip" in layers


async def test_header_that_comes_twice_is_there_twice(tshark: Tshark) -> None:
    via = b"Via: SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bK2\r\n"
    payload = INVITE.replace(b"From:", via + b"From:")

    layers = await layers_of(tshark, a_message(payload, is_sip=True))

    assert len(layers["sip"]["sip.msg_hdr_tree"]["sip.Via"]) == 2


@pytest.mark.parametrize(
    ("payload", "layer"),
    [(RECEIVER_REPORT, "rtcp"), (b'{"type": 200, "ssrc": 7}', "json"), (b"a line of a log", "data")],
)
async def test_other_payloads_are_taken_for_what_they_are(tshark: Tshark, payload: bytes, layer: str) -> None:
    assert layer in await layers_of(tshark, a_message(payload))


async def test_any_payload_is_taken_apart_or_refused_by_no_crash(tshark: Tshark) -> None:
    chance = random.Random(11)
    for _ in range(5):
        payload = bytearray(INVITE * 20)
        for _ in range(200):
            payload[chance.randrange(len(payload))] = chance.randrange(256)

        assert await tshark.dissect(a_message(bytes(payload), is_sip=True))


def test_message_is_taken_apart_by_the_loop_that_serves(tshark: Tshark) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert "sip" in runner.run(layers_of(tshark, a_message()))


async def test_web_ui_is_given_the_layers_of_a_message(database_url: str) -> None:
    await store(database_url, [a_packet(NOW_US, INVITE)])
    ((number,),) = await fetch(database_url, "select id from messages_1_call")
    body = {
        "timestamp": {"from": NOW_US // 1000 - 5000, "to": NOW_US // 1000 + 5000},
        "param": {"limit": 1, "search": {"1_call": {"uuid": [number]}}, "location": {"node": ["localnode"]}},
    }
    settings = TsharkSettings(timeout_s=60)

    async with an_api(database_url, tshark=settings) as api:
        await add_user(api.context.engine)
        headers = await api.log_in()
        answer = await api.client.post("/api/v3/search/call/decode/message", json=body, headers=headers)
        body["param"]["search"]["1_call"]["uuid"] = [number + 1]  # type: ignore[index] # of this very shape
        none = await api.client.post("/api/v3/search/call/decode/message", json=body, headers=headers)

    assert answer.status_code == 201
    assert answer.json()["total"] == 1
    layers = answer.json()["data"][0]["decoded"][0]["_source"]["layers"]
    assert layers["sip"]["sip.msg_hdr_tree"]["sip.CSeq_tree"]["sip.CSeq.method"] == "INVITE"
    assert "x-rhapsode-warning" not in answer.headers
    assert none.json() == {"total": 0, "data": []}
