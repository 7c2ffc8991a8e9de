"""The corpus over real sockets into the real command, and every packet of it out of the API again."""

import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from capture.hep.decode import decode_packet
from rhapsode.send import send
from tests.support.captures import CORPUS, hep_packets
from tests.support.rhapsode import KEEP_ALL, Rhapsode, metrics, rhapsode_up, wait_for_outcomes

CAPTURES = sorted(CORPUS.glob("*.pcap"))
OVER_TCP = frozenset(["kamailio-hep3-over-tcp"])
CLASSES = (
    "1_call",
    "1_registration",
    "1_default",
    "5_default",
    "35_default",
    "53_default",
    "54_default",
    "100_default",
)
PAGE = 100
FROM_MS, TO_MS = 946_684_800_000, 4_102_444_800_000


class Seen(NamedTuple):
    """What an answer must say of one packet."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    time_us: int | None
    """None where the packet has no time: HEPv1, stored under its arrival."""
    method: str | None
    call_id: str | None
    payload: str
    """Hash of the payload's text without trailing NULs."""


def expected(capture: Path) -> list[Seen]:
    lines = capture.with_name(f"{capture.stem}.expect.jsonl").read_text().splitlines()
    return [
        _expected(json.loads(line), decode_packet(packet).payload)
        for line, packet in zip(lines, hep_packets(capture), strict=True)
    ]


def _expected(facts: dict[str, Any], payload: bytes) -> Seen:
    assert hashlib.sha256(payload).hexdigest()[:16] == facts["payload_sha256"]
    sip = facts.get("sip", {}) or _wrapped(payload)
    timed = facts["v"] > 1
    return Seen(
        facts["src"],
        facts["sport"],
        facts["dst"],
        facts["dport"],
        facts["sec"] * 1_000_000 + facts["usec"] if timed else None,
        sip.get("first"),
        sip.get("call_id"),
        _hash(payload.rstrip(b"\0").decode("utf-8", "replace").replace("\0", "\ufffd")),
    )


def _wrapped(payload: bytes) -> dict[str, Any]:
    """What the SIP says that OpenSIPS puts into JSON, which the expectations leave alone."""
    if not payload.startswith(b'{\n\t"payload":\t"'):
        return {}
    lines = json.loads(payload)["payload"].split("\r\n")
    words = lines[0].split(" ")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    if "Call-ID" not in headers:
        return {}
    return {"first": words[1] if words[0] == "SIP/2.0" else words[0], "call_id": headers["Call-ID"]}


def _hash(text: str) -> str:
    # Homer shows the bytes of an ISUP part as hexadecimal words.
    return hashlib.sha256(text.partition("Content-Type: application/isup")[0].encode()).hexdigest()


@pytest.fixture(scope="module")
def packets() -> list[Seen]:
    return [seen for capture in CAPTURES for seen in expected(capture)]


@pytest.fixture(scope="module")
def system(packets: list[Seen]) -> Iterator[Rhapsode]:
    """A running Rhapsode that has received and stored the corpus."""
    with tempfile.TemporaryDirectory(prefix="rhapsode-corpus-") as directory:
        Path(directory).chmod(0o711)
        with rhapsode_up(Path(directory) / "data", extra=KEEP_ALL) as running:
            host, port = running.hep
            for capture in CAPTURES:
                send(capture, host, port, tcp=capture.stem in OVER_TCP, warn=pytest.fail)
            wait_for_outcomes(running, len(packets))
            yield running


@pytest.fixture(scope="module")
def client(system: Rhapsode) -> Iterator[httpx.Client]:
    with system.login() as logged_in:
        yield logged_in


def search(client: httpx.Client, key: str, **param: Any) -> list[dict[str, Any]]:
    body = {
        "timestamp": {"from": FROM_MS, "to": TO_MS},
        "param": {"search": {key: [{"name": "limit", "value": "10000", "type": "string"}]}} | param,
    }
    answer = client.post("/api/v3/search/call/data", json=body)
    assert answer.status_code == 201, answer.text
    assert "X-Rhapsode-Incomplete" not in answer.headers
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def messages(client: httpx.Client, key: str, ids: list[int]) -> list[dict[str, Any]]:
    found = []
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        body = {
            "timestamp": {"from": FROM_MS, "to": TO_MS},
            "param": {"limit": PAGE, "search": {key: {"uuid": page}}},
        }
        answer = client.post("/api/v3/search/call/message", json=body)
        assert answer.status_code == 201, answer.text
        found += answer.json()["data"]
    return found


def shown(row: dict[str, Any], arrival_from_us: int) -> Seen:
    time_us = round(row["micro_ts"] * 1000)
    is_sip = row["payloadType"] == 1
    return Seen(
        row["srcIp"],
        row["srcPort"],
        row["dstIp"],
        row["dstPort"],
        None if time_us >= arrival_from_us else time_us,
        row["method"] if is_sip and row["method"] else None,
        row["callid"] if is_sip and row["callid"] else None,
        _hash(row["raw"]),
    )


def test_every_packet_is_counted_written(system: Rhapsode, packets: list[Seen]) -> None:
    figures = metrics(system)

    assert figures["rhapsode_packets_received_total"] == len(packets)
    assert figures['rhapsode_packets_total{outcome="written"}'] == len(packets)


def test_every_packet_is_found_with_its_method_addresses_time_and_payload(
    client: httpx.Client, packets: list[Seen]
) -> None:
    # HEPv1 packets carry no time, so they are stored under an arrival of this very day; the corpus is older.
    arrival_from_us = int((time.time() - 3600) * 1_000_000)
    found: list[Seen] = []
    for key in CLASSES:
        rows = search(client, key)
        found += [shown(row, arrival_from_us) for row in messages(client, key, [row["id"] for row in rows])]

    assert Counter(found) - Counter(packets) == Counter()
    assert Counter(packets) - Counter(found) == Counter()


def test_every_call_is_found_by_its_call_id_whole(client: httpx.Client, packets: list[Seen]) -> None:
    sizes = Counter(seen.call_id for seen in packets if seen.call_id)
    call_ids = sorted(sizes)[:: max(1, len(sizes) // 40)]

    for call_id in call_ids:
        body = {
            "timestamp": {"from": FROM_MS, "to": TO_MS},
            "param": {"search": {"1_call": {"callid": [call_id]}}},
        }
        answer = client.post("/api/v3/call/transaction", json=body)
        assert answer.status_code == 201
        data = answer.json()["data"]
        own = [message for message in data["messages"] if message.get("callid") == call_id]
        assert len(own) == sizes[call_id], call_id
        assert len(data["calldata"]) == len(data["messages"])
        assert {entry["id"] for entry in data["calldata"]} == {message["id"] for message in data["messages"]}


@pytest.mark.parametrize(
    ("key", "elements"),
    [
        ("1_call", [{"name": "data_header.from_user", "value": "alice", "type": "string"}]),
        ("1_call", [{"name": "protocol_header.srcPort", "value": "5060", "type": "integer"}]),
        ("1_call", [{"name": "data_header.method", "value": "INVITE;BYE", "type": "string"}]),
    ],
)
def test_search_by_field_agrees_with_the_unfiltered_answer(
    client: httpx.Client, key: str, elements: list[dict[str, str]]
) -> None:
    name = elements[0]["name"].partition(".")[2]
    wanted = elements[0]["value"].split(";")
    limit = {"name": "limit", "value": "10000", "type": "string"}
    body = {
        "timestamp": {"from": FROM_MS, "to": TO_MS},
        "param": {"search": {key: [*elements, limit]}},
    }

    found = client.post("/api/v3/search/call/data", json=body).json()["data"]

    expected_ids = [row["id"] for row in search(client, key) if str(row[name]) in wanted]
    assert expected_ids
    assert [row["id"] for row in found] == expected_ids
