"""The API as a process: a socket handed down, signals, TLS, and bodies that never end."""

import asyncio
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.database import connect
from api.run import STOP_S
from tests.support.api import AWAY, SESAME, add_user
from tests.support.stored import a_packet, store

START_US = 1_765_000_000_000_000
TLS = Path(__file__).parent / "tls"
PROGRAM = """
import logging, socket, sys
from pathlib import Path
from api.run import serve
from api.settings import ApiOptions, HttpSettings
logging.basicConfig(level="INFO")
cert, key = (Path(name) if name else None for name in sys.argv[3:5])
http = HttpSettings(max_body_bytes=65536, cert=cert, key=key)
serve(socket.socket(fileno=int(sys.argv[1])), ApiOptions(database_url=sys.argv[2], http=http))
"""


class Served:
    """A process that serves the API, and where."""

    def __init__(self, database_url: str, cert: Path | None = None, key: Path | None = None) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            self.port: int = listener.getsockname()[1]
            names = [str(path or "") for path in (cert, key)]
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(listener.fileno()), database_url, *names],
                pass_fds=[listener.fileno()],
                stderr=subprocess.PIPE,
                text=True,
            )
        self.url = f"{'https' if cert else 'http'}://127.0.0.1:{self.port}"

    def get(self, path: str, verify: ssl.SSLContext | bool = True) -> httpx.Response:
        # The socket listens already: a request waits until the process is ready.
        return httpx.get(f"{self.url}{path}", timeout=30, verify=verify)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def end(self, timeout_s: float = 20) -> int:
        return self.process.wait(timeout_s)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def served() -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*arguments: str | Path | None) -> Served:
        started.append(Served(*arguments))  # type: ignore[arg-type]  # in the order of its parameters
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_status_zero(served: Callable[..., Served], number: signal.Signals) -> None:
    api = served(AWAY)
    assert api.get("/docs").status_code == 200

    api.process.send_signal(number)

    assert api.end() == 0


def test_request_that_hangs_does_not_keep_it(served: Callable[..., Served]) -> None:
    api = served(AWAY)
    with api.connect() as hanging:
        _begin_body(hanging)
        assert api.get("/docs").status_code == 200
        begun = time.monotonic()

        api.process.send_signal(signal.SIGTERM)

        assert api.end() == 0
        assert time.monotonic() - begun < STOP_S + 5


def test_second_signal_ends_it_at_once(served: Callable[..., Served]) -> None:
    api = served(AWAY)
    with api.connect() as hanging:
        _begin_body(hanging)
        assert api.get("/docs").status_code == 200
        api.process.send_signal(signal.SIGTERM)
        # The first has arrived once the socket is closed.
        _wait_until_refused(api.port)
        begun = time.monotonic()

        api.process.send_signal(signal.SIGTERM)

        api.end()
        assert time.monotonic() - begun < STOP_S


def test_endless_body_is_refused_while_it_is_being_sent(served: Callable[..., Served]) -> None:
    api = served(AWAY)
    with api.connect() as sender:
        sender.sendall(
            b"POST /api/v3/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(9):
            sender.sendall(b"2000\r\n" + b" " * 0x2000 + b"\r\n")

        answer = sender.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize(
    ("route", "asked", "table"),
    [
        ("search/call/data", [], "messages_1_call"),
        ("call/transaction", {"callid": ["a"]}, "messages_1_call"),
        ("call/report/qos", {"callid": ["a"]}, "messages_5_default"),
        ("call/report/log", {"callid": ["a"]}, "messages_100_default"),
        ("export/call/messages/pcap", {"callid": ["a"]}, "messages_1_call"),
        ("export/call/messages/text", {"callid": ["a"]}, "messages_1_call"),
    ],
)
async def test_search_of_a_client_that_leaves_is_given_up(
    served: Callable[..., Served], database_url: str, route: str, asked: Any, table: str
) -> None:
    await store(database_url, [a_packet(START_US, b"INVITE sip:a@b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n")])
    engine = connect(database_url)
    await add_user(engine)
    api = served(database_url)
    body = {"param": {"search": {"1_call": asked}}, "timestamp": {"from": 0, "to": START_US}}
    waiting = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")

    async def count_until(wanted: int) -> int:
        async with asyncio.timeout(10):
            while True:
                async with engine.connect() as connection:
                    count: int = (await connection.execute(waiting)).scalar_one()
                if count == wanted:
                    return count
                await asyncio.sleep(0.02)

    async with (
        httpx.AsyncClient(base_url=api.url, timeout=30) as client,
        engine.connect() as blocker,
    ):
        login = {"username": "admin", "password": SESAME}
        token = (await client.post("/api/v3/auth", json=login)).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        await blocker.execute(text(f"lock table {table} in access exclusive mode"))
        asking = asyncio.create_task(client.post(f"/api/v3/{route}", json=body, headers=headers))
        await count_until(1)

        asking.cancel()

        assert await count_until(0) == 0
    await engine.dispose()


async def test_client_that_leaves_amid_a_file_leaves_no_trace(
    served: Callable[..., Served], database_url: str
) -> None:
    payload = b"MESSAGE sip:a@b SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 MESSAGE\r\n\r\n" + random.randbytes(20_000)
    # More than the buffers of both sides hold.
    await store(database_url, [a_packet(START_US + number, payload) for number in range(800)])
    engine = connect(database_url)
    await add_user(engine)
    api = served(database_url)
    body = {
        "param": {"search": {"1_default": {"callid": ["a"]}}},
        "timestamp": {"from": START_US // 1000, "to": START_US // 1000 + 1},
    }

    async with httpx.AsyncClient(base_url=api.url, timeout=30) as client:
        login = {"username": "admin", "password": SESAME}
        token = (await client.post("/api/v3/auth", json=login)).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        route = "/api/v3/export/call/messages/pcap"
        async with client.stream("POST", route, json=body, headers=headers) as answer:
            assert answer.status_code == 200
            await anext(answer.aiter_raw())
        whole = await client.post(route, json=body, headers=headers)

    assert len(whole.content) > 800 * 20_000
    api.process.send_signal(signal.SIGTERM)
    assert api.end() == 0
    assert api.process.stderr is not None
    assert "Traceback" not in api.process.stderr.read()
    await engine.dispose()


def test_https_by_certificate_and_key(served: Callable[..., Served]) -> None:
    api = served(AWAY, TLS / "cert.pem", TLS / "key.pem")
    trusted = ssl.create_default_context(cafile=str(TLS / "cert.pem"))

    answer = api.get("/api/v3/auth/type/list", verify=trusted)

    assert answer.status_code == 200


def test_database_of_another_schema_is_refused_in_words(
    served: Callable[..., Served], empty_database_url: str
) -> None:
    api = served(empty_database_url)

    assert api.process.stderr is not None
    assert "run `rhapsode migrate`" in api.process.stderr.read()
    assert api.end() != 0


def _begin_body(connection: socket.socket) -> None:
    connection.sendall(
        b"POST /api/v3/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )


def _wait_until_refused(port: int) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("the socket was never closed")
