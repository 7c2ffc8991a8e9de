"""A folder of heplify-server's scripts, from packets to what a search shows."""

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from capture.draft import Draft
from capture.script_report import WorkerReport
from capture.scripts.engine import Engine
from capture.scripts.kept import KeptVersions
from capture.scripts.loading import Loader
from capture.scripts.services import Services
from capture.settings import FilterSettings
from tests.support.api import Api, add_user, an_api
from tests.support.stored import a_packet, store

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[1] / "unit/capture/scripts/heplify"
START_US = 1_765_000_800_000_000
WINDOW = {"from": START_US // 1000, "to": START_US // 1000 + 3_600_000}
SDP = b"v=0\r\nc=IN IP4 203.0.113.9\r\nm=audio 40000 RTP/AVP 0\r\n"


def sip(method: str, call_id: str, body: bytes = b"") -> bytes:
    return (
        f"{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
        f"From: <sip:alice@10.0.0.5>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: {call_id}\r\n"
        f"CSeq: 1 {method}\r\nX-Customer: 4711\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


STORED = [
    a_packet(START_US, sip("INVITE", "call-1", SDP)),
    a_packet(START_US + 1, sip("MESSAGE", "message-1", b"secret"), capture_id=2002),
    a_packet(
        START_US + 2,
        b'{"type": 200}',
        protocol_type=5,
        source=bytes([203, 0, 113, 9]),
        source_port=40001,
    ),
]


@pytest.fixture
async def api(database_url: str, scripts: Callable[[Draft], None]) -> AsyncIterator[Api]:
    await store(database_url, STORED, script=scripts)
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin")
        api.client.headers.update(await api.log_in("admin"))
        yield api


@pytest.fixture
def scripts() -> Callable[[Draft], None]:
    settings = FilterSettings()
    report = WorkerReport("test")
    engine = Engine(settings, report, [0] * 64, lambda *_: False, lambda *_: None)
    loaded = Loader(SCRIPTS, settings, Services(SCRIPTS, settings), KeptVersions(None)).load({})
    assert [runner.report.load_error for runner in loaded.runners] == [""] * len(loaded.runners)
    engine.use(loaded.runners)
    return engine.run


async def rows(api: Api, name: str, value: str, key: str = "1_call") -> Any:
    element = {"name": name, "value": value, "type": "string"}
    body = {"param": {"search": {key: [element]}}, "timestamp": WINDOW}
    answer = await api.client.post("/api/v3/search/call/data", json=body)
    assert "X-Rhapsode-Warning" not in answer.headers
    return answer.json()["data"]


async def test_call_is_found_by_what_scripts_set_and_shows_it(api: Api) -> None:
    row, message = await rows(api, "data_header.customer", "47%")
    found = [
        *await rows(api, "protocol_header.correlation_id", row["correlation_id"]),
        *await rows(api, "smartinput", "data_header.from_domain = 'customer.example' AND sid = 'call-1'"),
    ]

    minute = START_US // 60_000_000
    digest = hashlib.md5(f"alicebob{minute}".encode(), usedforsecurity=False).hexdigest()
    assert (row["sid"], row["customer"], row["captureId"]) == ("call-1", "4711", "sbc-north")
    assert (row["from_domain"], row["correlation_id"]) == ("customer.example", digest)
    assert message["sid"] == "message-1"
    assert found == [row, row]


async def test_every_packet_is_where_scripts_put_it(api: Api) -> None:
    (message,) = await rows(api, "data_header.method", "MESSAGE")
    (rtcp,) = await rows(api, "sid", "call-1", "5_default")
    search = {"1_call": {"id": message["id"], "callid": ["message-1"]}}
    body = {"param": {"search": search}, "timestamp": WINDOW}

    answer = await api.client.post("/api/v3/search/call/message", json=body)

    assert (message["table"], message["captureId"]) == ("hep_proto_1_call", "sbc-south")
    assert answer.json()["data"][0]["raw"].endswith("\r\n\r\n******")
    assert (rtcp["correlation_id"], rtcp["captureId"]) == ("call-1", "sbc-north")
