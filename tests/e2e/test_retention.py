"""Days of traffic are deleted while 2,000 packets a second come in and searches run: nobody notices.

`LONG=1` makes it four days of traffic and a minute of searches.
"""

import asyncio
import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from rhapsode.postgres import EmbeddedPostgres
from tests.support.rhapsode import Rhapsode, metrics, rhapsode_up, wait_for_outcomes
from tests.support.sender import Sender
from tests.support.stored import a_packet, store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LONG = bool(os.environ.get("LONG"))
DAYS, SEARCHES_S = (4, 60.0) if LONG else (2, 5.0)
RATE = 2000
HOUR_US = 3_600_000_000
EVERY_US = 60_000_000
"""A call and a registration of old traffic for each minute."""
YOUNG = 40
"""Of what is searched for, so many calls are too young to go."""
KEPT = {f"RHAPSODE_RETENTION__{key}": "6h" for key in ("CALL", "REGISTRATION", "OTHER")}
LEAVES = """
select count(*) from pg_class where relkind = 'r' and relname ~ '^messages_1_(call|registration)_p[0-9]+$'
"""

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rhapsode-retention-") as made:
        Path(made).chmod(0o711)  # where PostgreSQL's account may enter
        yield Path(made)


def sip(call_id: str, from_user: str, method: str) -> bytes:
    return (
        f"{method} sip:b@x SIP/2.0\r\nFrom: <sip:{from_user}@x>;tag=1\r\nTo: <sip:b@x>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n"
    ).encode()


def old_traffic(now_us: int) -> Iterator[Any]:
    """Made up, in the order of time, up to seven hours ago; then what is searched for and stays."""
    for time_us in range(now_us - DAYS * 24 * HOUR_US, now_us - 7 * HOUR_US, EVERY_US):
        user = "wanted" if time_us // EVERY_US % 10 == 0 else f"u{time_us % 997}"
        yield a_packet(time_us, sip(f"old-{time_us}", user, "INVITE"))
        yield a_packet(time_us + 1, sip(f"old-r-{time_us}", user, "REGISTER"))
    for number in range(YOUNG):
        yield a_packet(now_us - HOUR_US + number, sip(f"young-{number}", "wanted", "INVITE"))


async def execute(url: str, *statements: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


@dataclass
class Searches:
    """One after the other, from a thread, until told to stop."""

    running: Rhapsode
    now_us: int
    took_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        young = {f"young-{number}" for number in range(YOUNG)}
        with self.running.login() as client:
            while not self.stop.is_set():
                self._by_key(client, young)
                self._newest(client)

    def _by_key(self, client: httpx.Client, young: set[str]) -> None:
        """A window over all days: whatever is being deleted, what is young is there, and nothing else."""
        rows = self._ask(
            client, [{"name": "data_header.from_user", "value": "wanted", "type": "string"}], 10_000
        )
        found = {row["sid"] for row in rows}
        if not young <= found or any(row["from_user"] != "wanted" for row in rows):
            self.faults.append(f"{len(young - found)} of {YOUNG} are not found among {len(found)}")

    def _newest(self, client: httpx.Client) -> None:
        """Oldest first, as Homer sorts, and as many as were asked for."""
        times = [row["micro_ts"] for row in self._ask(client, [], 200)]
        if len(times) != 200 or times != sorted(times):
            self.faults.append(f"{len(times)} newest")

    def _ask(
        self, client: httpx.Client, conditions: list[dict[str, str]], limit: int
    ) -> list[dict[str, Any]]:
        window = {
            "from": (self.now_us - DAYS * 25 * HOUR_US) // 1000,
            "to": time.time_ns() // 1_000_000 + 1000,
        }
        conditions = [*conditions, {"name": "limit", "value": str(limit), "type": "string"}]
        asked = {"timestamp": window, "param": {"search": {"1_call": conditions}}}
        began = time.monotonic()
        answer = client.post("/api/v3/search/call/data", json=asked)
        self.took_s.append(time.monotonic() - began)
        if answer.status_code != httpx.codes.CREATED:
            self.faults.append(f"{answer.status_code}: {answer.text[:200]}")
            return []
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows


def test_days_are_deleted_beside_traffic_and_searches_and_nobody_waits(directory: Path) -> None:
    now_us = time.time_ns() // 1000
    url = EmbeddedPostgres(directory / "postgres").url
    with rhapsode_up(directory) as first:
        asyncio.run(store(url, old_traffic(now_us)))
        # Whoever waits for a lock for longer than a second stands in the log then.
        asyncio.run(
            execute(
                url,
                "alter system set log_lock_waits = on",
                "alter system set deadlock_timeout = '1s'",
                LEAVES,
            )
        )
        before = asyncio.run(execute(url, LEAVES))
        first.stop()

    with rhapsode_up(directory, extra=KEPT) as running, Sender(running.hep, RATE) as load:
        searches = Searches(running, now_us)
        thread = threading.Thread(target=searches.run)
        thread.start()
        slowest_s = watch(running, url, now_us)
        searches.stop.set()
        thread.join()
        sent = load.stop()
        figures = wait_for_outcomes(running, sent)
        after = asyncio.run(execute(url, LEAVES))

    dropped = figures["rhapsode_partitions_dropped_total"]
    log.warning(
        "%d partitions deleted beside %d packets and %d searches: median %.0f ms, slowest %.0f ms;"
        " a packet stored after %.0f ms at most",
        *(dropped, sent, len(searches.took_s), statistics.median(searches.took_s) * 1000),
        *(max(searches.took_s) * 1000, slowest_s * 1000),
    )
    assert dropped >= before * 0.6, f"{dropped} of {before}"
    assert after < before
    assert searches.faults == []
    assert len(searches.took_s) >= 10
    assert "still waiting for" not in running.output, "a lock was waited for longer than a second"
    assert figures['rhapsode_packets_total{outcome="written"}'] == sent
    assert figures['rhapsode_rollbacks_total{journal="0000"}'] == 0
    assert figures["rhapsode_retention_failing"] == 0


def watch(running: Rhapsode, url: str, now_us: int) -> float:
    """Until searches went on for a while and all that is to go has gone; the longest wait of a packet."""
    # Six hours, the width of a partition, and the time by which one goes later.
    too_old = f"select count(*) from messages_1_call where time_us < {now_us - 8 * HOUR_US - 600_000_000}"
    began, slowest_s = time.monotonic(), 0.0
    while True:
        figures = metrics(running)
        slowest_s = max(slowest_s, figures['rhapsode_commit_delay_seconds{journal="0000"}'])
        lasted_s = time.monotonic() - began
        if lasted_s > SEARCHES_S and not figures["rhapsode_retention_failing"]:
            # Figures are written at the end of a round.
            done = figures["rhapsode_partitions_dropped_total"] > 0
            if done and asyncio.run(execute(url, too_old)) == 0:
                return slowest_s
        assert lasted_s < SEARCHES_S + 120, f"not all is deleted: {figures}"
        time.sleep(0.05)
