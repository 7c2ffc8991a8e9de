"""The worker's own process between a real journal and a real database."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from capture.journal.aside import list_aside, read_aside, set_aside
from capture.journal.figures import FigureFile, Trouble, WorkerFigure, read_figures
from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.journal.record import Carrier
from capture.lethal import REASON
from capture.mark import MARK, PacketMark
from capture.settings import JournalSettings
from capture.stats import WORKER_OUTCOMES
from tests.support import sender
from tests.support.database import execute

PEER = bytes(10) + b"\xff\xff\xc0\x00\x02\x01"
_WORKER = """
import sys
from pathlib import Path
from capture.settings import RetentionSettings, StorageSettings
from capture.worker import WorkerOptions, run
run(
    WorkerOptions(
        Path(sys.argv[1]),
        sys.argv[2],
        storage=StorageSettings(batch_rows=int(sys.argv[3])),
        retention=RetentionSettings(call=sys.argv[5]),
        until_drained="drain" in sys.argv,
        drain_s=float(sys.argv[4]),
        lua_dir=Path(sys.argv[6]) if sys.argv[6] else None,
    )
)
"""


class WorkerProcess:
    def __init__(
        self,
        journal: Path,
        url: str,
        *,
        batch_rows: int = 50,
        drain: bool = False,
        drain_s: float = 4.0,
        calls_kept: str = "14d",
        lua_dir: Path | None = None,
    ) -> None:
        words = [
            sys.executable,
            "-c",
            _WORKER,
            str(journal),
            url,
            str(batch_rows),
            str(drain_s),
            calls_kept,
            str(lua_dir or ""),
            *(["drain"] if drain else []),
        ]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE)

    def finish(self) -> str:
        """Wait for its end; what it said."""
        _, said = self.process.communicate(timeout=60)
        return said.decode()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.finish()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "0000"


@pytest.fixture
def writer(journal: Path) -> Iterator[JournalWriter]:
    opened = JournalWriter.open(journal, JournalSettings(segment_bytes=64 * 1024))
    yield opened
    opened.close()


def append(writer: JournalWriter, packets: list[bytes], carrier: Carrier = Carrier.UDP) -> None:
    arrivals = [(time.time_ns() // 1000, carrier, PEER, 5060, packet) for packet in packets]
    assert writer.append(arrivals) == len(packets)


def fetch(url: str, query: str) -> list[Any]:
    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    return asyncio.run(ask())


def stored(url: str) -> int:
    tables = "messages_1_call", "messages_1_registration", "messages_1_default"
    return int(fetch(url, "select " + " + ".join(f"(select count(*) from {t})" for t in tables))[0][0])


def outcomes(url: str) -> dict[str, int]:
    columns = [outcome.name.lower() for outcome in WORKER_OUTCOMES]
    row = fetch(url, f"select {', '.join(columns)} from journal_position")[0]
    return {column: int(row[column]) for column in columns}


def test_everything_in_the_journal_is_stored_and_counted(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    append(writer, [sender.packet(number) for number in range(500)])
    append(writer, [b"no HEP at all", sender.packet(1)[:-20]])
    append(writer, [b"GET / HTTP/1.1"], Carrier.TCP_RUBBISH)
    append(writer, [sender.hep3(b"", time.time_ns() // 1000)])
    writer.close()

    said = WorkerProcess(journal, database_url, drain=True).finish()

    counts = outcomes(database_url)
    assert counts == {
        "written": 500,
        "filtered": 1,
        "duplicate": 0,
        "refused": 0,
        "malformed": 3,
        "failed": 0,
    }, said
    assert stored(database_url) == 500
    figures = read_figures(journal / "worker.figures")
    assert figures["written"] == 500
    assert figures["number"] == 505
    assert figures["malformed_magic"] + figures["malformed_short"] + figures["malformed_length"] == 2
    assert figures["malformed_stream"] == 1
    assert len(list(journal.glob("*.segment"))) == 1, "segments that are stored are deleted"


def test_second_run_stores_nothing_twice(writer: JournalWriter, journal: Path, database_url: str) -> None:
    append(writer, [sender.packet(number) for number in range(100)])
    writer.close()

    WorkerProcess(journal, database_url, drain=True).finish()
    WorkerProcess(journal, database_url, drain=True).finish()

    assert stored(database_url) == 100
    assert outcomes(database_url)["written"] == 100


def test_stopped_worker_stores_what_the_journal_holds(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    append(writer, [sender.packet(number) for number in range(300)])

    worker = WorkerProcess(journal, database_url)
    wait_for_rows(database_url, 1)
    said = worker.stop()

    assert worker.process.returncode == 0, said
    assert stored(database_url) == 300


def wait_for_rows(url: str, rows: int) -> None:
    deadline = time.monotonic() + 30
    while stored(url) < rows:
        assert time.monotonic() < deadline, f"no {rows} rows within 30 s"


def test_packet_is_stored_within_a_moment_of_its_arrival(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    append(writer, [sender.packet(0)])
    worker = WorkerProcess(journal, database_url)
    wait_for_rows(database_url, 1)

    started = time.monotonic()
    append(writer, [sender.packet(1)])
    wait_for_rows(database_url, 2)
    elapsed_s = time.monotonic() - started

    worker.stop()
    assert elapsed_s < 3, "the FIFO wakes the worker; the real target is measured elsewhere"


@pytest.mark.parametrize("number", [37, 99])
def test_damaged_records_are_counted_failed_and_the_others_stored(
    writer: JournalWriter, journal: Path, database_url: str, number: int
) -> None:
    append(writer, [sender.packet(number) for number in range(100)])
    writer.close()
    mark = b"X-Number: %d\r" % number
    segment = next(path for path in journal.glob("*.segment") if mark in path.read_bytes())
    data = bytearray(segment.read_bytes())
    data[data.index(mark) + 10] ^= 1
    segment.write_bytes(data)

    said = WorkerProcess(journal, database_url, drain=True).finish()

    assert outcomes(database_url)["written"] == 99
    assert outcomes(database_url)["failed"] == 1
    assert "journal: " in said, said


@pytest.mark.parametrize("deaths", [1, 2])
def test_packet_at_which_two_workers_died_is_set_aside(
    writer: JournalWriter, journal: Path, database_url: str, deaths: int
) -> None:
    append(writer, [sender.packet(number) for number in range(20)])
    reader = JournalReader.open(journal)
    bad = reader.read().records[7]
    reader.close()
    writer.close()
    for _ in range(deaths):
        figures = FigureFile.open(journal / "worker.figures", WorkerFigure, reader.id)
        mark = PacketMark(figures.words)
        mark.find_lethal()
        mark.words[MARK] = bad.segment << 32 | bad.offset
        figures.close()

    said = WorkerProcess(journal, database_url, drain=True).finish()

    expected = {1: (20, 0), 2: (19, 1)}[deaths]
    counts = outcomes(database_url)
    assert (counts["written"], counts["failed"]) == expected, said
    aside = list_aside(journal.parent / "aside")
    assert [read_aside(path).record.packet for path in aside] == ([bad.packet] if deaths == 2 else [])


def test_two_packets_that_end_workers_are_both_set_aside(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    append(writer, [sender.packet(number) for number in range(20)])
    reader = JournalReader.open(journal)
    records = reader.read().records
    reader.close()
    writer.close()
    # Both in one batch: the worker that set the first aside died of the second, with nothing committed.
    set_aside(journal.parent / "aside", reader.id, records[7], REASON)
    for _ in range(2):
        figures = FigureFile.open(journal / "worker.figures", WorkerFigure, reader.id)
        mark = PacketMark(figures.words)
        mark.find_lethal()
        mark.words[MARK] = records[9].segment << 32 | records[9].offset
        figures.close()

    said = WorkerProcess(journal, database_url, drain=True).finish()

    counts = outcomes(database_url)
    assert (counts["written"], counts["failed"]) == (18, 2), said
    aside = list_aside(journal.parent / "aside")
    assert [read_aside(path).record.packet for path in aside] == [records[7].packet, records[9].packet]


def test_killed_worker_s_successor_goes_on_from_the_stored_position(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    append(writer, [sender.packet(number) for number in range(3000)])
    first = WorkerProcess(journal, database_url, batch_rows=20)
    wait_for_rows(database_url, 100)
    os.kill(first.process.pid, signal.SIGKILL)
    first.finish()
    between = stored(database_url)
    writer.close()

    WorkerProcess(journal, database_url, drain=True).finish()

    assert between < 3000
    assert stored(database_url) == 3000
    assert outcomes(database_url)["written"] == 3000


async def wait_for_waiting(connection: "asyncpg.Connection[asyncpg.Record]", number: int = 1) -> None:
    """Until so many statements wait for a lock; those of killed workers go on waiting."""
    waiting = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock' and state = 'active'"
    )
    deadline = time.monotonic() + 30
    # A transaction keeps what it has seen of the activity until it is told to look anew.
    while await connection.fetchval(waiting) < number:
        assert time.monotonic() < deadline, "nobody waits for the lock"
        await connection.execute("select pg_stat_clear_snapshot()")


def test_packet_for_which_the_database_is_waited_for_is_not_blamed_for_the_worker_s_death(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    append(writer, [sender.packet(number) for number in range(20)])
    writer.close()

    async def kill_waiting_workers() -> None:
        blocker = await asyncpg.connect(database_url)
        try:
            await blocker.execute("begin; lock table leaf_keying in access exclusive mode")
            for number in range(3):
                worker = WorkerProcess(journal, database_url, drain=True)
                await wait_for_waiting(blocker, number + 1)
                worker.process.kill()
                worker.finish()
        finally:
            await blocker.close()

    asyncio.run(kill_waiting_workers())
    said = WorkerProcess(journal, database_url, drain=True).finish()

    assert outcomes(database_url)["failed"] == 0, said
    assert stored(database_url) == 20


def test_worker_told_to_stop_leaves_a_long_backlog_to_the_next_start(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    packets = [sender.packet(number) for number in range(1000)]
    for _ in range(30):
        append(writer, packets)

    worker = WorkerProcess(journal, database_url, batch_rows=150, drain_s=0.1)
    wait_for_rows(database_url, 1)
    said = worker.stop()

    assert worker.process.returncode == 0, said
    assert stored(database_url) < 30_000


@pytest.mark.parametrize("signals", [1, 2])
def test_worker_told_to_stop_does_not_wait_for_a_database_that_hangs(
    writer: JournalWriter, journal: Path, database_url: str, signals: int
) -> None:
    append(writer, [sender.packet(0)])
    # The second signal stops at once, however long the first would have left it.
    drain_s = {1: 0.1, 2: 60.0}[signals]

    async def stop_waiting_worker() -> WorkerProcess:
        blocker = await asyncpg.connect(database_url)
        try:
            await blocker.execute("begin; lock table journal_position in access exclusive mode")
            worker = WorkerProcess(journal, database_url, drain_s=drain_s)
            await wait_for_waiting(blocker)
            worker.process.send_signal(signal.SIGTERM)
            if signals == 2:
                await tell_again(worker.process)
            await asyncio.to_thread(worker.process.wait, 30)
        finally:
            await blocker.close()
        return worker

    worker = asyncio.run(stop_waiting_worker())

    said = worker.finish()
    assert worker.process.returncode == 0, said


async def tell_again(process: "subprocess.Popen[bytes]") -> None:
    """Two at once are one to the kernel: until one more has been heard, which ends the process."""
    async with asyncio.timeout(30):
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, 0.2)


def test_large_packets_make_small_batches(journal: Path, database_url: str) -> None:
    writer = JournalWriter.open(journal, JournalSettings())
    packets = [sender.hep3(sender.payload(n) + bytes(60_000), time.time_ns() // 1000) for n in range(100)]
    for _ in range(6):
        append(writer, packets)
    writer.close()

    said = WorkerProcess(journal, database_url, batch_rows=2000, drain=True).finish()

    assert stored(database_url) == 600, said
    assert read_figures(journal / "worker.figures")["batches"] >= 3


def test_packets_that_a_script_makes_large_make_small_batches(
    tmp_path: Path, journal: Path, database_url: str
) -> None:
    lua = "function on_sip(message) set('payload', message.payload .. ('x'):rep(60000)) end"
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "enlarge.lua").write_text(lua)
    writer = JournalWriter.open(journal, JournalSettings())
    append(writer, [sender.packet(number) for number in range(700)])
    writer.close()

    said = WorkerProcess(
        journal, database_url, batch_rows=2000, drain=True, lua_dir=tmp_path / "scripts"
    ).finish()

    assert stored(database_url) == 700, said
    assert read_figures(journal / "worker.figures")["batches"] >= 3


def test_packets_older_than_their_retention_are_filtered_and_make_no_partition(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    now_us = time.time_ns() // 1000
    ages_s = [0, 3500, 3700, 86_400, 20 * 86_400]
    append(writer, [sender.packet(0, now_us - age_s * 1_000_000) for age_s in ages_s])
    writer.close()

    said = WorkerProcess(journal, database_url, drain=True, calls_kept="1h").finish()

    assert outcomes(database_url)["written"] == 2, said
    assert outcomes(database_url)["filtered"] == 3
    assert read_figures(journal / "worker.figures")["filtered_expired"] == 3
    oldest_us = fetch(database_url, "select min(time_us) from messages_1_call")[0][0]
    assert oldest_us == now_us - 3_500_000_000
    assert len(fetch(database_url, LEAVES)) <= 3, "one of two neighbours, and one made ahead of time"


LEAVES = "select relname from pg_class where relname ~ '^messages_1_call_p' and relkind = 'r'"


def test_worker_alone_deletes_at_its_start_what_has_been_kept_long_enough(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    now_us = time.time_ns() // 1000
    append(writer, [sender.packet(0, now_us - age_h * 3_600_000_000) for age_h in (300, 200, 100, 0)])
    store_and_stop(journal, database_url, 4)
    before = {name for (name,) in fetch(database_url, LEAVES)}

    worker = WorkerProcess(journal, database_url, calls_kept="6h")
    wait_for_figure(journal, "leaves_dropped")
    said = worker.stop()

    assert stored(database_url) == 1, said
    figures = read_figures(journal / "worker.figures")
    assert figures["leaves_dropped"] == 3
    # Another may have been made meanwhile, ahead of time.
    assert len(before - {name for (name,) in fetch(database_url, LEAVES)}) == 3
    assert figures["oldest_call_us"] == now_us
    assert figures["stored_call_bytes"] > 0
    assert (figures["written"], figures["rollbacks"]) == (4, 0)


def store_and_stop(journal: Path, url: str, rows: int) -> None:
    worker = WorkerProcess(journal, url)
    wait_for_rows(url, rows)
    worker.stop()


def wait_for_figure(journal: Path, name: str) -> None:
    """Until it is not 0: nothing tells of it."""
    deadline = time.monotonic() + 30
    while not read_figures(journal / "worker.figures")[name]:
        assert time.monotonic() < deadline, f"{name} is 0 for 30 s"
        time.sleep(0.02)


def test_deletion_that_fails_does_not_hold_up_storing_and_leaves_its_words(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    now_us = time.time_ns() // 1000
    append(writer, [sender.packet(0, now_us - 300 * 3_600_000_000)])
    store_and_stop(journal, database_url, 1)

    async def work_beside_a_long_reader() -> str:
        reader = await asyncpg.connect(database_url)
        try:
            await reader.execute("begin; lock table messages_1_call in access share mode")
            worker = WorkerProcess(journal, database_url, calls_kept="6h")
            await asyncio.to_thread(wait_for_figure, journal, "retention_failing_us")
            append(writer, [sender.packet(number) for number in range(20)])
            await asyncio.to_thread(wait_for_rows, database_url, 20)
            return await asyncio.to_thread(worker.stop)
        finally:
            await reader.close()

    said = asyncio.run(work_beside_a_long_reader())

    assert "lock timeout" in (journal / "retention.error").read_text(), said
    assert read_figures(journal / "worker.figures")["rollbacks"] == 0
    worker = WorkerProcess(journal, database_url, calls_kept="6h")
    wait_for_figure(journal, "leaves_dropped")
    worker.stop()
    assert read_figures(journal / "worker.figures")["retention_failing_us"] == 0
    assert not (journal / "retention.error").exists()


def wait_for_trouble(figures: Path) -> dict[str, int]:
    """The figures once the worker tells of trouble."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if figures.exists() and (told := read_figures(figures))["trouble"]:
            return told
        time.sleep(0.05)
    raise AssertionError("no trouble is told")


def test_partition_that_is_not_ours_over_a_packet_s_time_is_told_and_nothing_is_lost(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    day_us = 86_400_000_000
    now_us = time.time_ns() // 1000
    covering = f"for values from ({now_us - day_us}) to ({now_us + day_us})"
    for name in ("messages_1_call", "messages_1_registration", "messages_1_default"):
        asyncio.run(execute(database_url, f"create table other_{name} partition of {name} {covering}"))
    append(writer, [sender.packet(number) for number in range(20)])
    worker = WorkerProcess(journal, database_url)
    try:
        told = wait_for_trouble(journal / "worker.figures")
        for name in ("messages_1_call", "messages_1_registration", "messages_1_default"):
            asyncio.run(execute(database_url, f"drop table other_{name}"))
        wait_for_rows(database_url, 20)
    finally:
        said = worker.stop()

    assert (told["trouble"], told["database_away"]) == (Trouble.NO_PARTITION, 0), said
    assert read_figures(journal / "worker.figures")["trouble"] == Trouble.NONE
