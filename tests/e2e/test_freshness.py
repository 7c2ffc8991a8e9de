"""How soon a packet can be searched: within 300 ms when idle, within a second under load.

The machines that run this are shared and noisy, so the best of several tries counts: what the system can do,
not what its neighbours let it do.
"""

import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support import sender
from tests.support.rhapsode import Rhapsode, rhapsode_up

TRIES = 6
IDLE_S = 0.3
LOADED_S = 1.0
GIVE_UP_S = 10.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rhapsode]:
    with rhapsode_up(tmp_path_factory.mktemp("freshness")) as up:
        yield up


@pytest.fixture
def client(running: Rhapsode) -> Iterator[httpx.Client]:
    with running.login() as logged_in:
        yield logged_in


def seconds_until_found(running: Rhapsode, client: httpx.Client, number: int) -> float:
    """From the sending of a packet to the first answer that has it."""
    body = {
        "timestamp": {"from": int(time.time() * 1000) - 60_000, "to": int(time.time() * 1000) + 60_000},
        "param": {"search": {"1_call": [{"name": "sid", "value": sender.call_id(number), "type": "string"}]}},
    }
    data = sender.packet(number)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        started = time.monotonic()
        out.sendto(data, running.hep)
    while time.monotonic() - started < GIVE_UP_S:
        answer = client.post("/api/v3/search/call/data", json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        if answer.json()["data"]:
            return time.monotonic() - started
    raise AssertionError(f"packet {number} is not found after {GIVE_UP_S} s:\n{running.output}")


def call_starts(first_call: int) -> list[int]:
    """Numbers of packets that begin calls (every fifth is a registration)."""
    calls = [call for call in range(first_call, first_call + 2 * TRIES) if call % 5 != 4][:TRIES]
    return [call * sender.MESSAGES_PER_CALL for call in calls]


def test_packet_is_found_within_300_ms_when_idle(running: Rhapsode, client: httpx.Client) -> None:
    took = [seconds_until_found(running, client, number) for number in call_starts(10_000_000)]

    assert min(took) <= IDLE_S, took


def test_packet_is_found_within_a_second_under_load(running: Rhapsode, client: httpx.Client) -> None:
    with sender.Sender(running.hep, 2000) as load:
        load.wait_for(4000)
        took = [seconds_until_found(running, client, number) for number in call_starts(20_000_000)]

    assert sorted(took)[TRIES // 2] <= LOADED_S, took
