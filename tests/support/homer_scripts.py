"""A call as agents send it, and a client that asks for it as people's scripts ask Homer.

The call has two legs, one over UDP and one over TCP, RTCP and a log line; beside it there is a registration.
"""

import json
import socket
import subprocess
import time
from typing import Any, NamedTuple

import httpx

from capture.hep.encode import encode_packet
from tests.support.programs import find_program
from tests.support.stored import a_packet

CALLER, PROXY, CALLEE = (bytes([192, 0, 2, last]) for last in (1, 2, 9))
RTCP = {
    "type": 200,
    "ssrc": 1,
    "sender_information": {"packets": 250, "octets": 40000},
    "report_blocks": [{"fraction_lost": 0, "packets_lost": 2, "ia_jitter": 16, "lsr": 0, "dlsr": 0}],
}
JSON = {"Content-Type": "application/json"}


class ACall(NamedTuple):
    """Where and when it was sent."""

    time_us: int
    call_id: str
    leg_id: str
    """Of the other leg."""
    register_id: str
    payloads: list[bytes]
    """In the order of their times, a millisecond apart: five of one leg, two of the other, RTCP, log line."""

    @property
    def window(self) -> dict[str, int]:
        """A minute around it."""
        return {"from": self.time_us // 1000 - 30_000, "to": self.time_us // 1000 + 30_000}


def sip(first: str, call_id: str, cseq: str, to_tag: str = "") -> bytes:
    return (
        f"{first}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{cseq[0]}\r\n"
        f'From: "Alice" <sip:alice@a.example>;tag=f1\r\nTo: <sip:bob@b.example>{to_tag}\r\n'
        f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\nUser-Agent: Acme/1.0\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def send_a_call(address: tuple[str, int], name: str = "a") -> ACall:
    """One call of this moment over UDP, as HEP."""
    time_us = time.time_ns() // 1_000_000 * 1000 + 123
    call_id, leg_id, register_id = f"{name}-leg@192.0.2.1", f"{name}-other@192.0.2.2", f"{name}-reg@192.0.2.1"
    invite, bye = "INVITE sip:bob@b.example SIP/2.0", "BYE sip:bob@b.example SIP/2.0"
    first = [
        (sip(invite, call_id, "1 INVITE"), True),
        (sip("SIP/2.0 180 Ringing", call_id, "1 INVITE", ";tag=t1"), False),
        (sip("SIP/2.0 200 OK", call_id, "1 INVITE", ";tag=t1"), False),
        (sip(bye, call_id, "2 BYE", ";tag=t1"), True),
        (sip("SIP/2.0 200 OK", call_id, "2 BYE", ";tag=t1"), False),
    ]
    packets = [
        a_packet(
            time_us + number * 1000,
            payload,
            source=CALLER if is_there else PROXY,
            destination=PROXY if is_there else CALLER,
            correlation_id=call_id.encode(),
        )
        for number, (payload, is_there) in enumerate(first)
    ]
    over_tcp = {"ip_protocol": 6, "correlation_id": call_id.encode(), "destination_port": 5080}
    for number, payload in enumerate((sip(invite, leg_id, "1 INVITE"), sip(bye, leg_id, "2 BYE")), 5):
        given = over_tcp | {"source": PROXY, "destination": CALLEE}
        packets.append(a_packet(time_us + number * 1000, payload, **given))
    media = {"source_port": 30001, "destination_port": 40001, "correlation_id": call_id.encode()}
    said = {"protocol_type": 100, "correlation_id": call_id.encode()}
    packets.append(a_packet(time_us + 7000, json.dumps(RTCP).encode(), protocol_type=5, **media))
    packets.append(a_packet(time_us + 8000, b"the call has ended", **said))
    payloads = [packet.payload for packet in packets]
    register = sip("REGISTER sip:b.example SIP/2.0", register_id, "1 REGISTER")
    packets.append(a_packet(time_us + 9000, register))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in packets:
            sender.sendto(encode_packet(packet), address)
    return ACall(time_us, call_id, leg_id, register_id, payloads)


class Script:
    """What a script of ten lines does: it logs in, and sends what it was told to."""

    def __init__(self, web: str, username: str, password: str) -> None:
        self.url = f"{web}/api/v3"
        self._client = httpx.Client(timeout=30)
        login = {"username": username, "password": password, "type": "internal"}
        self.login = self._client.post(f"{self.url}/auth", json=login)
        self.headers = {"Authorization": f"Bearer {self.login.json()['token']}"}

    def __enter__(self) -> "Script":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A request with the login, or with other headers."""
        content = None if body is None else json.dumps(body)
        sent = self.headers if headers is None else headers
        return self._client.request(
            method, f"{self.url}/{path}", content=content, headers={**JSON, **sent} if content else sent
        )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON."""
        answer = self.send(method, path, body, {**self.headers, **headers})
        return answer.status_code, answer.json()

    def rows(self, body: Any) -> list[dict[str, Any]]:
        """Of a search."""
        status, answer = self.ask("POST", "search/call/data", body)
        assert status == 201, answer
        rows: list[dict[str, Any]] = answer["data"]
        assert answer["total"] == len(rows)
        assert set(answer["keys"]) == {key for row in rows for key in row}
        return rows


def element(name: str, value: Any, kind: str = "string") -> dict[str, Any]:
    """One of a form, as the web UI sends it and scripts copy it."""
    return {"name": name, "value": value, "func": None, "type": kind, "hepid": 1}


def question(window: Any, asked: Any, key: str = "1_call", **param: Any) -> dict[str, Any]:
    """The body of a search."""
    return {"timestamp": window, "param": {"search": {key: asked}, **param}}


def curl(*arguments: str) -> tuple[int, str]:
    """Status and body, as a shell script gets them."""
    done = subprocess.run(
        [find_program("curl"), "-s", "-w", "\n%{http_code}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body
