"""A running Rhapsode as its operator sees it, beside other people's programs that send to it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx

from tests.support.rhapsode import Rhapsode, metrics, rhapsode_up, wait_for_outcomes
from tests.support.wire import SipOnWire

PATIENCE_S = 30.0
RECEIVED = "rhapsode_packets_received_total"
WRITTEN = 'rhapsode_packets_total{outcome="written"}'
_OUTCOMES = "rhapsode_packets_total{"
_POLL_S = 0.05
"""Figures are looked at: nothing tells of them."""
_SIP_CLASSES = ("1_call", "1_registration", "1_default")


class Outcomes(NamedTuple):
    """Of all packets so far."""

    received: int
    written: int


class Live:
    """Its figures, and the answers of the REST API."""

    def __init__(self, running: Rhapsode, client: httpx.Client) -> None:
        self.hep = running.hep
        self.running = running
        self._client = client
        self._from_ms = int(time.time() * 1000) - 60_000

    def outcomes(self) -> Outcomes:
        return self._outcomes(metrics(self.running))

    def wait_for(self, received: int) -> Outcomes:
        """Until so many packets have ended in an outcome."""
        return self._outcomes(wait_for_outcomes(self.running, received))

    def wait_until_hung_up(self) -> Outcomes:
        """Until no sender is connected by TCP, and all that came in has ended in an outcome."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            figures = metrics(self.running)
            ended = sum(value for series, value in figures.items() if series.startswith(_OUTCOMES))
            if not figures["rhapsode_tcp_connections"] and ended == figures[RECEIVED]:
                return self._outcomes(figures)
            assert time.monotonic() < deadline, f"{figures}\n{self.running.output}"
            time.sleep(_POLL_S)

    def transaction(self, *call_ids: str) -> list[dict[str, Any]]:
        """Every message of these calls, of any class, in the order of an answer."""
        found: dict[int, dict[str, Any]] = {}
        for key in _SIP_CLASSES:
            for message in self._transaction(key, call_ids):
                found.setdefault(message["id"], message)
        return list(found.values())

    def _transaction(self, key: str, call_ids: Sequence[str]) -> list[dict[str, Any]]:
        body = {
            "timestamp": {"from": self._from_ms, "to": int(time.time() * 1000) + 60_000},
            "param": {"search": {key: {"callid": list(call_ids)}}},
        }
        answer = self._client.post("/api/v3/call/transaction", json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        assert "X-Rhapsode-Incomplete" not in answer.headers
        messages: list[dict[str, Any]] = answer.json()["data"]["messages"]
        return messages

    @staticmethod
    def _outcomes(figures: dict[str, float]) -> Outcomes:
        return Outcomes(int(figures[RECEIVED]), int(figures[WRITTEN]))


def shown(row: dict[str, Any]) -> SipOnWire:
    """A found message in the form of one on the wire."""
    return SipOnWire(
        row["srcIp"],
        row["srcPort"],
        row["dstIp"],
        row["dstPort"],
        row["method"],
        row["callid"],
        row["raw"].encode(),
    )


@contextmanager
def live_up(*arguments: str) -> Iterator[Live]:
    """`rhapsode up` in a directory that PostgreSQL's account may pass."""
    with TemporaryDirectory(prefix="rhapsode-live-") as directory:
        Path(directory).chmod(0o711)
        with rhapsode_up(Path(directory) / "data", *arguments) as running, running.login() as client:
            yield Live(running, client)
