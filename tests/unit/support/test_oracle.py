from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from capture.journal.directory import ID_NAME
from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.journal.record import OVERHEAD
from capture.journal.segment import RECORDS_START, segment_numbers, segment_path
from tests.support.journals import a_journal, an_arrival, arrivals, flip, packets_of
from tests.support.oracle import SegmentKeeper, compare, read_segment
from tests.support.sender import packet, payload

SMALL = 64 * 1024


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def test_every_packet_is_known_after_a_reader_has_deleted_its_segment(journals: Path, kept: Path) -> None:
    given = arrivals(500, size=1000)
    with SegmentKeeper(journals, kept) as keeper:
        writer = JournalWriter.open(journals / "0000", a_journal(segment_bytes=SMALL))
        reader = JournalReader.open(journals / "0000")
        reader.seek(None)
        for start in range(0, len(given), 50):
            writer.append(given[start : start + 50])
            keeper.look()
            reader.read()
            reader.delete_before(reader.position)
        reader.close()
        writer.close()

    assert len(segment_numbers(journals / "0000")) < 3
    assert keeper.packets() == Counter(packets_of(given))


def test_records_come_with_journal_and_number(journals: Path, kept: Path) -> None:
    with SegmentKeeper(journals, kept) as keeper:
        first = JournalWriter.open(journals / "0000", a_journal())
        second = JournalWriter.open(journals / "0001", a_journal())
        first.append(arrivals(2))
        second.append(arrivals(1))
        first.close()
        second.close()

    found = {(record.journal, record.number) for record in keeper.appended()}
    assert found == {(first.id.bytes, 1), (first.id.bytes, 2), (second.id.bytes, 1)}


def test_missed_segment_is_an_error(journals: Path, kept: Path) -> None:
    writer = JournalWriter.open(journals / "0000", a_journal(segment_bytes=SMALL))
    writer.append(arrivals(200, size=1000))
    segment_path(journals / "0000", 1).unlink()
    with SegmentKeeper(journals, kept) as keeper:
        writer.close()

    with pytest.raises(AssertionError, match="stands where 1 belongs"):
        keeper.appended()


def test_journal_made_anew_under_the_same_names_is_kept_too(journals: Path, kept: Path) -> None:
    directory = journals / "0000"
    with SegmentKeeper(journals, kept) as keeper:
        for content in (b"old", b"new"):
            writer = JournalWriter.open(directory, a_journal())
            writer.append([an_arrival(content)])
            writer.close()
            keeper.look()
            segment_path(directory, 1).unlink()
            (directory / ID_NAME).unlink()

    assert keeper.packets() == Counter([b"old", b"new"])


def test_lookers_at_once_keep_each_segment_once(journals: Path, kept: Path) -> None:
    (journals / "0000").mkdir(parents=True)
    kept.mkdir()
    for number in range(500):
        (journals / "0000" / f"{number}.segment").touch()
    keeper = SegmentKeeper(journals, kept)

    with ThreadPoolExecutor(4) as pool:
        for looked in [pool.submit(keeper.look) for _ in range(4)]:
            looked.result()

    assert len(list(kept.iterdir())) == 500


def test_torn_tail_is_no_record(journals: Path) -> None:
    directory = journals / "0000"
    writer = JournalWriter.open(directory, a_journal())
    writer.append(arrivals(3, size=100))
    writer.close()
    path = segment_path(directory, 1)

    flip(path, RECORDS_START + 2 * (OVERHEAD + 100) + OVERHEAD)

    assert [record.number for record in read_segment(path)] == [1, 2]


def test_payloads_are_those_of_the_packets(journals: Path, kept: Path) -> None:
    with SegmentKeeper(journals, kept) as keeper:
        writer = JournalWriter.open(journals / "0000", a_journal())
        writer.append([an_arrival(packet(number)) for number in (1, 2, 2)])
        writer.close()

    assert keeper.payloads() == Counter([payload(1), payload(2), payload(2)])


def test_comparison_tells_what_is_missing_and_what_is_too_many() -> None:
    difference = compare(Counter({b"a": 2, b"b": 1}), Counter({b"a": 1, b"b": 2}))

    assert difference
    assert difference.missing == Counter([b"a"])
    assert difference.surplus == Counter([b"b"])
    assert not compare(Counter([b"a", b"b"]), Counter([b"b", b"a"]))
