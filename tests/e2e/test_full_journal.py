"""A journal that is full because the database is away: UDP is dropped and counted, TCP is no longer read."""

import http.client
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.content import stored_payloads
from tests.support.oracle import compare
from tests.support.postgres_server import PostgresServer
from tests.support.sender import Sender, payload
from tests.support.trial import DROPPED, KERNEL_DROPS, RECEIVED, WRITTEN, Trial, ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

JOURNAL_BYTES = 4 * 1024 * 1024
TCP_FIRST = 1_000_000
"""Numbers of the packets over TCP begin here."""
TCP_PACKETS = 40_000
"""28 MB: more than journal and socket buffers hold."""
DROPS = 1000
STILL_S = 1.0
FULL = 'rhapsode_journal_full{journal="0000"}'


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer().start()
    yield server
    server.stop()


def wait_until_still(sender: Sender) -> int:
    """Until a sender has been held up for a second; how many packets it has got rid of."""
    deadline = time.monotonic() + 30
    sent, since = sender.sent, time.monotonic()
    while time.monotonic() - since < STILL_S:
        assert time.monotonic() < deadline, "the sender is never held up"
        time.sleep(0.02)
        if sender.sent != sent:
            sent, since = sender.sent, time.monotonic()
    return sent


def test_full_journal_drops_and_counts_udp_and_stops_reading_tcp(server: PostgresServer) -> None:
    settings = {
        "RHAPSODE_JOURNAL__MAX_BYTES": str(JOURNAL_BYTES),
        "RHAPSODE_JOURNAL__SYNC_S": "0.1",
        "RHAPSODE_STORAGE__BATCH_ROWS": "2000",
    }
    with (
        tempfile.TemporaryDirectory(prefix="rhapsode-full-") as made,
        Trial(Path(made), server.url, settings) as trial,
        trial.life() as running,
    ):
        server.shut_down()
        with Sender(trial.hep, 20_000, tcp=True, first=TCP_FIRST, count=TCP_PACKETS) as stream:
            with trial.load() as datagrams:
                trial.wait_until(lambda now: now[DROPPED] >= DROPS and now[FULL] == 1, "packets are dropped")
                waiting = wait_until_still(stream)
                unhealthy = httpx.get(f"{running.web}/health", timeout=10)
                size = sum(path.stat().st_size for path in trial.data.glob("journal/0000/*.segment"))
            server.start()
            stream.join()
            # Whatever is dropped now would be a packet that the drained journal had no room for.
            figures = trial.wait_until(
                lambda now: ended(now) >= now[RECEIVED] >= TCP_PACKETS + datagrams.sent, "all have ended"
            )
        stored = stored_payloads(server.url)
        appended = trial.keeper.payloads()

        assert unhealthy.status_code == http.client.SERVICE_UNAVAILABLE
        assert "no room in journal 0000" in unhealthy.text
        assert size <= JOURNAL_BYTES + 2 * 8192, "and the headers of two segments made ahead of need"
        assert waiting < TCP_PACKETS
        assert stream.attempts == TCP_PACKETS, "the connection was held, not broken"
        over_tcp = Counter(payload(number) for number in range(TCP_FIRST, TCP_FIRST + TCP_PACKETS))
        assert not over_tcp - stored, "every packet over TCP is stored"
        assert not (difference := compare(appended, stored)), str(difference)
        assert stored.total() - TCP_PACKETS == datagrams.sent - figures[DROPPED] - figures[KERNEL_DROPS]
        assert figures[KERNEL_DROPS] == 0
        assert figures[WRITTEN] == stored.total()
        assert figures[RECEIVED] == figures[WRITTEN] + figures[DROPPED]
        assert not trial.witness.faults, trial.witness.faults
