"""Intake, workers, API and migrate as plain processes on Debian's PostgreSQL 15, without a supervisor."""

import http.client
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from capture.route import MessageClass
from capture.store.columns import keys_table, messages_table
from migrations.run import head_level
from tests.support.collector import Collector, api_elsewhere, migrate, outcomes
from tests.support.content import lost_to_searches, stored_payloads
from tests.support.database import execute, fetch, run_elsewhere
from tests.support.postgres_server import PostgresServer
from tests.support.rhapsode import ROOT, Rhapsode
from tests.support.sender import Sender, call_id, packet, payload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
RATE = 2000
SECOND_FIRST = 1_000_002
"""Number of the second collector's first packet: the first of a call."""


TABLES = [name(message_class) for name in (messages_table, keys_table) for message_class in MessageClass]
NEXT_REVISION = """
from alembic import op
import sqlalchemy as sa

revision = "0999"
down_revision = "{head}"


def upgrade() -> None:
    for table in {tables}:
        op.add_column(table, sa.Column("note", sa.Text))
"""
WITHOUT_NOTE = """
select relname from pg_class
where relname ~ '^(messages|keys)_' and relkind in ('r', 'p')
    and not exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'note')
"""
LEAVES_AND_NUMBERS = """
select count(*) filter (where relname ~ '^messages'), count(*) filter (where relname ~ '^keys'),
    (select last_value from leaf_number)
from pg_class where relkind = 'r' and relispartition
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if not (DEBIAN_15 / "postgres").exists():
        pytest.skip("postgresql-15 is not installed")
    server = PostgresServer(programs=DEBIAN_15).start()
    yield server
    server.stop()


@pytest.fixture
def empty_url(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """A database without any table."""
    name = f"roles_{abs(hash(request.node.name))}"
    run_elsewhere(execute(server.url, f"create database {name}"))
    return server.url.replace("/postgres?", f"/{name}?")


def next_version(directory: Path) -> dict[str, str]:
    """An environment with a later version: its migration adds a column to all messages and keys tables."""
    shutil.copytree(ROOT / "migrations", directory / "migrations")
    revision = NEXT_REVISION.format(head=f"{head_level():04}", tables=TABLES)
    (directory / "migrations" / "versions" / "0999_note.py").write_text(revision)
    return {"PYTHONPATH": f"{directory}:{ROOT}"}


def find(client: httpx.Client, number: int) -> list[str]:
    """Payloads of the messages of a number's call, by the API."""
    now_ms = int(time.time() * 1000)
    body = {
        "timestamp": {"from": now_ms - 3_600_000, "to": now_ms + 60_000},
        "param": {"search": {"1_call": {"callid": [call_id(number)]}}},
    }
    answer = client.post("/api/v3/call/transaction", json=body)
    assert answer.status_code == http.client.CREATED, answer.text
    return sorted(message["raw"] for message in answer.json()["data"]["messages"])


def send_late(address: tuple[str, int]) -> list[int]:
    """Numbers of packets whose capture times are of hours that nothing covers yet."""
    now_us = time.time_ns() // 1000
    numbers = list(range(SECOND_FIRST, SECOND_FIRST + 60))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in numbers:
            sender.sendto(packet(number, now_us - (1 + number % 3) * 24 * 3600 * 1_000_000), address)
    return numbers


def call_of(number: int) -> list[str]:
    return sorted(payload(number + step).decode() for step in range(6))


def test_roles_alone_store_and_find_every_packet_while_each_of_them_is_restarted(
    empty_url: str, tmp_path: Path
) -> None:
    migrate(empty_url)
    with Collector(tmp_path / "collector", empty_url, workers=2) as collector:
        with Sender(collector.hep, RATE) as load, api_elsewhere(tmp_path / "api", empty_url) as api:
            load.wait_for(RATE)
            collector.stop("0000")
            collector.kill("0001")
            load.wait_for(load.sent + RATE)
            collector.start_worker("0000")
            collector.start_worker("0001")
            with api.login() as client:
                token = client.headers["Authorization"]
            assert api.stop() == 0
        collector.stop("intake")
        collector.start_intake()
        with Sender(collector.hep, RATE, first=600_000, count=RATE) as more:
            more.join()
        figures = collector.drained(load.sent + RATE)

        # Another process of the same database takes a token of the one before.
        with (
            api_elsewhere(tmp_path / "api", empty_url) as api,
            httpx.Client(base_url=api.web, headers={"Authorization": token}, timeout=30) as client,
        ):
            health = client.get("/health")
            assert find(client, 0) == call_of(0)
            assert find(client, 600_000) == call_of(600_000)
            own = client.get("/metrics").text

        assert outcomes(figures) == {"written": load.sent + RATE}
        assert outcomes(collector.figures("0000")) == outcomes(collector.figures("0001")) == outcomes(figures)
    stored = stored_payloads(empty_url)
    numbers = [*range(load.sent), *range(600_000, 600_000 + RATE)]
    assert stored == dict.fromkeys(map(payload, numbers), 1)
    assert lost_to_searches(empty_url) == []
    assert health.status_code == http.client.OK
    assert health.json()["receive"] is health.json()["store"] is None, "they are not its to judge"
    assert "rhapsode_packets" not in own


def test_two_collectors_write_to_one_database_at_once_and_one_loses_its_worker(
    empty_url: str, tmp_path: Path
) -> None:
    migrate(empty_url)
    with (
        Collector(tmp_path / "one", empty_url) as one,
        Collector(tmp_path / "other", empty_url) as other,
        api_elsewhere(tmp_path / "api", empty_url) as api,
    ):
        # Both meet an hour that no partition covers.
        with Sender(one.hep, RATE / 2) as load, Sender(other.hep, RATE / 2, first=SECOND_FIRST) as second:
            load.wait_for(RATE)
            other.kill("0000")
            load.wait_for(load.sent + RATE)
            other.start_worker("0000")
            load.wait_for(load.sent + RATE)
        of_one, of_other = one.drained(load.sent), other.drained(second.sent)
        with api.login() as client:
            found = find(client, 6), find(client, SECOND_FIRST + 6)

    assert outcomes(of_one) == {"written": load.sent}
    assert outcomes(of_other) == {"written": second.sent}
    numbers = [*range(load.sent), *range(SECOND_FIRST, SECOND_FIRST + second.sent)]
    assert stored_payloads(empty_url) == dict.fromkeys(map(payload, numbers), 1)
    assert lost_to_searches(empty_url) == []
    assert found == (call_of(6), call_of(SECOND_FIRST + 6))
    every_id = " union all ".join(f"select id from {messages_table(of)}" for of in MessageClass)
    assert len(set(run_elsewhere(fetch(empty_url, every_id)))) == len(numbers)
    ((messages, keys, numbers_taken),) = run_elsewhere(fetch(empty_url, LEAVES_AND_NUMBERS))
    assert messages == keys == numbers_taken > 0, "each leaf was made once, by one of them"


def test_worker_goes_on_writing_across_a_migration_that_adds_a_column(empty_url: str, tmp_path: Path) -> None:
    migrate(empty_url)
    with (
        Collector(tmp_path / "collector", empty_url) as collector,
        api_elsewhere(tmp_path / "api", empty_url) as api,
        api.login() as client,
        Sender(collector.hep, RATE) as load,
    ):
        load.wait_for(RATE)
        assert find(client, 0) == call_of(0)
        answers = []
        with ThreadPoolExecutor(1) as pool:
            migration = pool.submit(migrate, empty_url, next_version(tmp_path / "next"))
            while not migration.done() or len(answers) < 5:
                answers.append(find(client, 6))
            migration.result()
        load.wait_for(load.sent + RATE)
        # A leaf that is made now has the column.
        late = send_late(collector.hep)
        load.wait_for(load.sent + RATE)
        load.stop()
        figures = collector.drained(load.sent + len(late))
        after = find(client, load.sent // 6 * 6 - 600)

    assert outcomes(figures) == {"written": load.sent + len(late)}
    assert stored_payloads(empty_url) == dict.fromkeys(map(payload, [*range(load.sent), *late]), 1)
    assert lost_to_searches(empty_url) == []
    assert answers == [call_of(6)] * len(answers)
    assert after == call_of(load.sent // 6 * 6 - 600)
    assert run_elsewhere(fetch(empty_url, WITHOUT_NOTE)) == [], "leaves made afterwards have it too"


def test_role_that_is_told_to_stop_while_it_starts_stops_in_order(empty_url: str, tmp_path: Path) -> None:
    extra = {"RHAPSODE_DATABASE_URL": empty_url, "RHAPSODE_DATA_DIR": str(tmp_path)}
    migrate(empty_url)
    starts = {
        "^hep ": ("intake", "--hep", "127.0.0.1:0"),
        "^metrics ": ("worker", "--metrics", "127.0.0.1:0"),
        "^web ": ("api", "--http", "127.0.0.1:0"),
    }

    for first_line, arguments in starts.items():
        with Rhapsode(*arguments, extra=extra) as role:
            role.wait_for(first_line)
            # Not yet able to: modules are still being imported.
            assert role.stop() == 0, role.output
