"""How long after it was sent a packet can be found over HTTP, while others come in at a steady rate."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import mix, searches
from tests.benchmarks.day import Day
from tests.benchmarks.flood import Flood
from tests.benchmarks.system import System

RATE = 5_000
PROBES = 100
_PATIENCE_S = 60.0


def measure(running: System, flood: Flood, packets: Path, probes: int = PROBES) -> list[float]:
    """Seconds from sending to the first answer that holds the packet, sorted."""
    client = searches.Client(running.web)
    address = ("127.0.0.1", running.hep_port)
    try:
        with (
            flood.start(running.hep_port, packets, RATE, RATE * 600),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            return sorted(_probe(client, sender, address, number) for number in range(probes))
    finally:
        client.close()


def _probe(client: searches.Client, sender: socket.socket, address: tuple[str, int], number: int) -> float:
    call = mix.Call(10_000_000 + number)
    sent_us = time.time_ns() // 1000
    window = Day(1, sent_us - 60_000_000, sent_us + 60_000_000, 1, 0)
    path, body = searches.elements(window, ("data_header.callid", call.call_id))
    started = time.monotonic()
    sender.sendto(_first(call.packets(sent_us)), address)
    while True:
        answer, _ = client.ask(path, body)
        waited_s = time.monotonic() - started
        if json.loads(answer)["total"]:
            return waited_s
        assert waited_s < _PATIENCE_S, f"a packet was not found within {_PATIENCE_S} s"
        # An eager client would take from the system the processor that it is waiting for.
        time.sleep(0.01)


def _first(packets: Iterator[mix.Timed]) -> bytes:
    return next(packets).packet
