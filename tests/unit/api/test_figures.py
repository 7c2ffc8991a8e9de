"""What the files beside the journals say."""

import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from api.figures import read_journals
from capture.journal.figures import INTAKE_FIGURES, WORKER_FIGURES, FigureFile, IntakeFigure, WorkerFigure
from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.journal.record import Arrival, Carrier
from capture.settings import JournalSettings

SETTINGS = JournalSettings(segment_bytes=64 * 1024, max_bytes=1 << 24, min_free_bytes=1)


def write_figures(
    path: Path, journal: UUID, words: dict[IntakeFigure, int] | dict[WorkerFigure, int]
) -> None:
    layout = IntakeFigure if path.name == INTAKE_FIGURES else WorkerFigure
    file = FigureFile.open(path, layout, journal)
    for word, value in words.items():
        file.words[word] = value
    file.close()


def packets(count: int, arrival_us: int) -> list[Arrival]:
    return [(arrival_us + number, Carrier.UDP, bytes(16), 5060, b"x" * 10_000) for number in range(count)]


def test_directory_without_journals_has_none(tmp_path: Path) -> None:
    assert read_journals(tmp_path / "nowhere") == []
    (tmp_path / "journal" / "0000").mkdir(parents=True)
    assert read_journals(tmp_path) == []


def test_file_that_is_not_there_or_broken_counts_as_zeros(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "0000"
    directory.mkdir(parents=True)
    (directory / INTAKE_FIGURES).write_bytes(b"not figures")

    (journal,) = read_journals(tmp_path)

    assert journal.received == 0
    assert set(journal.worker.values()) == {0}
    assert not journal.has_intake
    assert not journal.has_worker


def test_received_is_what_was_appended_and_what_was_dropped(tmp_path: Path) -> None:
    path = tmp_path / "journal" / "0000" / INTAKE_FIGURES
    write_figures(path, UUID(int=1), {IntakeFigure.LAST_NUMBER: 7, IntakeFigure.DROPPED: 3})

    (journal,) = read_journals(tmp_path)

    assert journal.received == 10
    assert journal.waiting == 7


def test_packets_that_a_killed_intake_did_not_show_are_received_once_they_are_committed(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "journal" / "0000"
    words = {IntakeFigure.LAST_NUMBER: 7, IntakeFigure.DROPPED: 3}
    write_figures(directory / INTAKE_FIGURES, UUID(int=1), words)
    ended = {WorkerFigure.NUMBER: 10, WorkerFigure.WRITTEN: 8, WorkerFigure.FAILED: 1}
    write_figures(directory / WORKER_FIGURES, UUID(int=1), ended)

    (journal,) = read_journals(tmp_path)

    assert journal.received == 12
    assert journal.waiting == 0


def test_packets_stored_and_gone_with_the_power_are_received_beside_those_with_their_numbers(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "journal" / "0000"
    write_figures(directory / INTAKE_FIGURES, UUID(int=1), {IntakeFigure.LAST_NUMBER: 9})
    ended = {WorkerFigure.NUMBER: 8, WorkerFigure.WRITTEN: 12, WorkerFigure.BEYOND: 5}
    write_figures(directory / WORKER_FIGURES, UUID(int=1), ended)

    (journal,) = read_journals(tmp_path)

    assert (journal.beyond, journal.received, journal.waiting) == (5, 14, 2)


def test_packets_of_before_this_database_knew_the_journal_are_not_received(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "0000"
    write_figures(directory / INTAKE_FIGURES, UUID(int=1), {IntakeFigure.LAST_NUMBER: 103})
    ended = {WorkerFigure.NUMBER: 103, WorkerFigure.WRITTEN: 2, WorkerFigure.BEYOND: (1 << 64) - 100}
    write_figures(directory / WORKER_FIGURES, UUID(int=1), ended)

    (journal,) = read_journals(tmp_path)

    assert (journal.beyond, journal.received, journal.waiting) == (-100, 3, 1)


@pytest.mark.parametrize("committed", [0, 1, 15], ids=["none", "one", "those of the first segments"])
def test_lag_is_the_age_of_the_first_packet_not_committed(tmp_path: Path, committed: int) -> None:
    directory = tmp_path / "journal" / "0000"
    hour_ago_us = time.time_ns() // 1000 - 3_600_000_000
    writer = JournalWriter.open(directory, SETTINGS)
    assert writer.append(packets(committed, hour_ago_us - 3_600_000_000)) == committed
    assert writer.append(packets(5, hour_ago_us)) == 5
    write_figures(directory / INTAKE_FIGURES, writer.id, {IntakeFigure.LAST_NUMBER: writer.last_number})
    with closing(JournalReader.open(directory)) as reader:
        reader.seek(None)
        records = [record for _ in range(4) for record in reader.read().records]
        position = records[committed - 1].end if committed else None
    if position:
        place = {
            WorkerFigure.SEGMENT: position.segment,
            WorkerFigure.OFFSET: position.offset,
            WorkerFigure.NUMBER: position.number,
        }
        write_figures(directory / WORKER_FIGURES, writer.id, place)

    (journal,) = read_journals(tmp_path)

    writer.close()
    assert journal.waiting == 5
    assert 3600 <= journal.waiting_us / 1_000_000 < 3660
    assert journal.bytes >= 50_000


def test_drained_journal_has_no_lag_however_old_its_last_packet_is(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "0000"
    words = {IntakeFigure.LAST_NUMBER: 9, IntakeFigure.LAST_ARRIVAL_US: 1}
    write_figures(directory / INTAKE_FIGURES, UUID(int=1), words)
    write_figures(directory / WORKER_FIGURES, UUID(int=1), {WorkerFigure.NUMBER: 10})

    (journal,) = read_journals(tmp_path)

    assert (journal.waiting, journal.waiting_us) == (0, 0)


def test_living_processes_are_known_by_their_locks(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "0000"
    writer = JournalWriter.open(directory, SETTINGS)
    write_figures(directory / INTAKE_FIGURES, writer.id, {})

    (while_writing,) = read_journals(tmp_path)
    writer.close()
    with closing(JournalReader.open(directory)):
        (while_reading,) = read_journals(tmp_path)

    assert (while_writing.has_intake, while_writing.has_worker) == (True, False)
    assert (while_reading.has_intake, while_reading.has_worker) == (False, True)
