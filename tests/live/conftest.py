"""One `rhapsode up` for all live tests, and what it says of the calls that were made meanwhile."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.rhapsode import Rhapsode, metrics, rhapsode_up, wait_for_outcomes
from tests.support.wire import SipOnWire

WRITTEN = 'rhapsode_packets_total{outcome="written"}'
_SIP_CLASSES = ("1_call", "1_registration", "1_default")


class Outcomes(NamedTuple):
    """Of all packets so far."""

    received: int
    written: int


class Live:
    """A running Rhapsode as its operator sees it: its figures, and the answers of the REST API."""

    def __init__(self, running: Rhapsode, client: httpx.Client) -> None:
        self.hep = running.hep
        self._running = running
        self._client = client
        self._from_ms = int(time.time() * 1000) - 60_000

    def outcomes(self) -> Outcomes:
        return self._outcomes(metrics(self._running))

    def wait_for(self, received: int) -> Outcomes:
        """Until so many packets have ended in an outcome."""
        return self._outcomes(wait_for_outcomes(self._running, received))

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
        return Outcomes(int(figures["rhapsode_packets_received_total"]), int(figures[WRITTEN]))


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


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    with tempfile.TemporaryDirectory(prefix="rhapsode-live-") as directory:
        # PostgreSQL's account must pass.
        Path(directory).chmod(0o711)
        with rhapsode_up(Path(directory) / "data") as running, running.login() as client:
            yield Live(running, client)
