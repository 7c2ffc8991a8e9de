"""A database by URL that goes away under load, in the ways in which databases do."""

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.postgres_server import PostgresServer
from tests.support.trial import KERNEL_DROPS, RATE, Trial, ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

AWAY_S = 10


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One that may be killed."""
    server = PostgresServer().start()
    yield server
    server.stop()


def test_database_away_for_ten_seconds_loses_nothing_and_the_backlog_drains(server: PostgresServer) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="rhapsode-away-") as made,
        # Batches as they are by default: how fast the backlog drains is a question here.
        Trial(Path(made), server.url, {"RHAPSODE_STORAGE__BATCH_ROWS": "2000"}) as trial,
        trial.life() as running,
    ):
        with trial.load() as load:
            trial.wait_for_more()
            server.shut_down()
            load.wait_for(load.sent + RATE * AWAY_S)
            unhealthy = httpx.get(f"{running.web}/health", timeout=10)
            at_return = trial.figures()
            server.start()
            trial.wait_until(
                lambda now: trial.sent + load.sent - ended(now) < RATE, "the backlog has drained"
            )

            # And now as a crash.
            server.kill()
            load.wait_for(load.sent + RATE)
            server.start()
            trial.wait_for_more()

        tally = trial.settle()

        assert unhealthy.status_code == http.client.SERVICE_UNAVAILABLE
        assert at_return["rhapsode_packets_received_total"] - ended(at_return) > RATE * (AWAY_S - 1)
        assert tally.appended == tally.sent
        assert trial.figures()[KERNEL_DROPS] == 0
        assert httpx.get(f"{running.web}/health", timeout=10).status_code == http.client.OK
