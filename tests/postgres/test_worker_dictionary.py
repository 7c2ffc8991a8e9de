"""The worker that trains a payload dictionary and goes on with it, between a real journal and database."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.journal.figures import read_figures
from capture.journal.log import JournalWriter
from capture.settings import JournalSettings
from capture.store.connection import Connection
from capture.store.dictionaries import listed_dictionaries
from tests.support import sender
from tests.support.content import SIP_CLASSES, stored_payloads
from tests.support.proxy import Cut, proxy_beside
from tests.support.working import append, working

MESSAGES = 1200
ENOUGH = 1000
SHIPPED, TRAINED = 1, 2


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "0000"


@pytest.fixture
def writer(journal: Path) -> Iterator[JournalWriter]:
    opened = JournalWriter.open(journal, JournalSettings())
    yield opened
    opened.close()


def append_numbers(writer: JournalWriter, numbers: range) -> None:
    append(writer, [sender.packet(number) for number in numbers])


def figure(journal: Path, name: str) -> int:
    """0 while the worker has not made its file yet."""
    path = journal / "worker.figures"
    return read_figures(path)[name] if path.exists() else 0


def wait_for(journal: Path, name: str, least: int) -> None:
    """Until a figure is so large: nothing tells of it."""
    deadline = time.monotonic() + 60
    while figure(journal, name) < least:
        assert time.monotonic() < deadline, f"{name} is {figure(journal, name)} after a minute"
        time.sleep(0.02)


def fetch(url: str, query: str) -> list[tuple[int, int]]:
    async def ask() -> list[tuple[int, int]]:
        connection = await Connection.open(url)
        try:
            return await connection.fetch(tuple[int, int], query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def trained(url: str) -> list[int]:
    async def ask() -> list[int]:
        connection = await Connection.open(url)
        try:
            return [listed.id for listed in await listed_dictionaries(connection) if listed.trained_on]
        finally:
            await connection.close()

    return asyncio.run(ask())


def sent(count: int) -> Counter[bytes]:
    return Counter(sender.payload(number) for number in range(count))


def of_all_classes(columns: str) -> str:
    return " union all ".join(f"select {columns} from messages_{name}" for name in SIP_CLASSES)


def test_worker_trains_by_itself_and_goes_on_with_what_was_trained(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    with working(journal, database_url, train_after_messages=ENOUGH, batch_rows=100):
        append_numbers(writer, range(ENOUGH - 1))
        wait_for(journal, "written", ENOUGH - 1)
        before = trained(database_url)
        append_numbers(writer, range(ENOUGH - 1, MESSAGES))
        wait_for(journal, "dictionary", TRAINED)
        append_numbers(writer, range(MESSAGES, MESSAGES + 300))
        wait_for(journal, "written", MESSAGES + 300)

    assert before == []
    assert trained(database_url) == [TRAINED]
    assert stored_payloads(database_url) == sent(MESSAGES + 300)
    rows = fetch(database_url, of_all_classes("raw_codec, id"))
    assert {codec for codec, _ in rows} == {SHIPPED, TRAINED}
    newest_old = max(number for codec, number in rows if codec == SHIPPED)
    assert newest_old < min(number for codec, number in rows if codec == TRAINED)


def test_no_batch_holds_payloads_of_two_dictionaries(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    with working(journal, database_url, train_after_messages=ENOUGH, batch_rows=50):
        append_numbers(writer, range(MESSAGES))
        sent_so_far = MESSAGES
        while figure(journal, "dictionary") != TRAINED:
            # Under way all the time, so that the switch comes between two batches that follow each other.
            append_numbers(writer, range(sent_so_far, sent_so_far + 100))
            sent_so_far += 100
            wait_for(journal, "written", sent_so_far)
        append_numbers(writer, range(sent_so_far, sent_so_far + 100))
        wait_for(journal, "written", sent_so_far + 100)

    by_batch = fetch(
        database_url,
        "select count(distinct raw_codec), count(*) from"
        f" ({of_all_classes('xmin::text as batch, raw_codec')}) rows group by batch",
    )
    assert len(by_batch) > MESSAGES // 50
    assert {codecs for codecs, _ in by_batch} == {1}
    assert stored_payloads(database_url) == sent(sent_so_far + 100)


@pytest.mark.parametrize("statement", [b"COPY ", b"commit"])
def test_batch_with_a_new_dictionary_that_is_rolled_back_is_stored_once_and_whole(
    writer: JournalWriter, journal: Path, database_url: str, statement: bytes
) -> None:
    with (
        proxy_beside(database_url) as proxy,
        working(journal, proxy.url, train_after_messages=ENOUGH, batch_rows=200),
    ):
        append_numbers(writer, range(MESSAGES))
        wait_for(journal, "dictionary", TRAINED)
        cut = proxy.cut = Cut(statement)
        append_numbers(writer, range(MESSAGES, MESSAGES + 200))
        assert cut.made.wait(30)
        wait_for(journal, "written", MESSAGES + 200)

    assert stored_payloads(database_url) == sent(MESSAGES + 200)
    assert trained(database_url) == [TRAINED]
    assert figure(journal, "rollbacks") >= 1
    rows = fetch(database_url, of_all_classes("raw_codec, id"))
    assert Counter(codec for codec, _ in rows)[TRAINED] >= 200


def test_two_workers_of_a_database_train_once_and_both_begin_with_it_after_a_restart(
    writer: JournalWriter, journal: Path, database_url: str
) -> None:
    journals = journal, journal.parent / "0001"
    other = JournalWriter.open(journals[1], JournalSettings())
    append_numbers(writer, range(MESSAGES))
    append_numbers(other, range(MESSAGES, 2 * MESSAGES))

    with (
        working(journals[0], database_url, train_after_messages=ENOUGH),
        working(journals[1], database_url, train_after_messages=ENOUGH),
    ):
        for each in journals:
            wait_for(each, "written", MESSAGES)
        deadline = time.monotonic() + 60
        while {figure(each, "dictionary") for each in journals}.isdisjoint(trained(database_url)):
            assert time.monotonic() < deadline, "neither has trained within a minute"
            time.sleep(0.02)
    append_numbers(writer, range(2 * MESSAGES, 2 * MESSAGES + 10))
    append_numbers(other, range(2 * MESSAGES + 10, 2 * MESSAGES + 20))
    for each in journals:
        with working(each, database_url, train_after_messages=ENOUGH):
            wait_for(each, "written", MESSAGES + 10)
        assert [figure(each, "dictionary")] == trained(database_url)
    other.close()

    assert stored_payloads(database_url) == sent(2 * MESSAGES + 20)
