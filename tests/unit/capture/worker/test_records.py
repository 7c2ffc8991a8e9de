"""The journal's records on their way into the pipeline, which here only keeps what it is given."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from capture.journal.aside import list_aside, read_aside
from capture.journal.reader import JournalReader
from capture.journal.record import Position, Record
from capture.journal.segment import segment_path
from capture.pipeline import Pipeline, Rows
from capture.stats import Outcome
from capture.worker.records import Records
from tests.support.journals import ONE, at, packets, write_journal


class Kept:
    """In place of a pipeline."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.origins: list[int] = []

    def process(self, records: Sequence[Record], origin: int, rows: Rows) -> None:
        self.packets += [record.packet for record in records]
        self.origins += range(origin, origin + len(records))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Records 1–5 in segment 1, 6–10 in segment 2, 11–15 in segment 3."""
    return write_journal(tmp_path / "0000")


@pytest.fixture
def reader(journal: Path) -> Iterator[JournalReader]:
    with closing(JournalReader.open(journal)) as reader:
        reader.seek(None)
        yield reader


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"


def begun(reader: JournalReader, aside: Path, lethal: tuple[int, int] | None = None) -> Records:
    records = Records(reader, aside)
    records.begin(reader.position, lethal)
    return records


def batch(records: Records, most: int) -> tuple[Kept, list[Record], Rows, Position]:
    """A batch of so many records at most."""
    kept, taken, rows = Kept(), list[Record](), Rows()
    while len(taken) < most and records.are_ahead():
        records.take(cast(Pipeline, kept), rows, taken, most)
    return kept, taken, rows, records.end(rows)


def test_batches_end_where_the_next_one_begins(reader: JournalReader, aside: Path) -> None:
    records = begun(reader, aside)

    first, _, _, end = batch(records, 3)
    second, taken, rows, last = batch(records, 100)

    assert first.packets == packets(1, 3)
    assert end == Position(1, at(3), 4)
    assert second.packets == packets(4, 15)
    assert second.origins == list(range(12))
    assert [record.number for record in taken] == list(range(4, 16))
    assert last == Position(3, at(5), 16)
    assert not any(rows.outcomes)


def test_bytes_taken_are_those_of_the_journal(reader: JournalReader, aside: Path) -> None:
    records = begun(reader, aside)
    assert records.are_ahead()

    assert records.take(cast(Pipeline, Kept()), Rows(), [], 3) == 3 * ONE


@pytest.mark.parametrize("damaged", [2, 5, 15])
def test_damaged_records_are_counted_with_the_batch_that_passes_them(
    journal: Path, reader: JournalReader, aside: Path, damaged: int
) -> None:
    with segment_path(journal, (damaged + 4) // 5).open("r+b") as file:
        file.seek(at((damaged - 1) % 5) + ONE - 10)
        file.write(b"damage")

    kept, _, rows, end = batch(begun(reader, aside), 100)

    assert kept.packets == packets(1, damaged - 1) + packets(damaged + 1, 15)
    assert rows.outcomes[Outcome.FAILED] == 1
    assert end.number == 16


def test_packet_that_has_ended_two_workers_is_set_aside_and_its_neighbours_keep_their_places(
    reader: JournalReader, aside: Path
) -> None:
    kept, taken, rows, _ = batch(begun(reader, aside, (1, at(2))), 100)

    assert kept.packets == packets(1, 2) + packets(4, 15)
    assert kept.origins == [0, 1, *range(3, 15)]
    assert len(taken) == 15
    assert rows.outcomes[Outcome.FAILED] == 1
    (path,) = list_aside(aside)
    kept_aside = read_aside(path)
    assert (kept_aside.reason, kept_aside.record.packet) == ("killed two workers", packets(3, 3)[0])


def test_packet_that_cannot_be_processed_is_set_aside(reader: JournalReader, aside: Path) -> None:
    records = begun(reader, aside)
    _, taken, _, _ = batch(records, 1)

    records.give_up(taken[0], ValueError("no"))

    (path,) = list_aside(aside)
    assert read_aside(path).reason == "cannot be processed"
