import os
from pathlib import Path

import pytest

from capture.journal.directory import Segments, identify
from capture.journal.log import JournalWriter
from capture.journal.number import last_number
from capture.journal.record import OVERHEAD
from capture.journal.segment import PAGE, RECORDS_START, segment_path
from tests.support.journals import a_journal, arrivals, flip, overwrite

ONE = OVERHEAD + 20


def last_in(directory: Path) -> int:
    return last_number(directory, Segments(directory, identify(directory)))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Records 1–4 in segment 1, 5–8 in segment 2."""
    for first in (1, 5):
        writer = JournalWriter.open(tmp_path, a_journal())
        writer.append(arrivals(4, first=first))
        writer.close()
    return tmp_path


def test_new_journal_has_no_last_number(tmp_path: Path) -> None:
    assert last_in(tmp_path) == 0


def test_last_number_is_that_of_the_newest_record(journal: Path) -> None:
    assert last_in(journal) == 8


def test_record_that_is_cut_off_has_no_number(journal: Path) -> None:
    os.truncate(segment_path(journal, 2), RECORDS_START + 4 * ONE - 1)

    assert last_in(journal) == 7


def test_record_that_is_damaged_keeps_its_number(journal: Path) -> None:
    flip(segment_path(journal, 2), RECORDS_START + 4 * ONE - 1)

    assert last_in(journal) == 8


def test_records_that_are_damaged_one_after_the_other_keep_their_numbers(journal: Path) -> None:
    for index in (2, 3):
        flip(segment_path(journal, 2), RECORDS_START + (index + 1) * ONE - 1)

    assert last_in(journal) == 8


def test_rubbish_behind_the_last_record_has_no_number(journal: Path) -> None:
    overwrite(segment_path(journal, 2), RECORDS_START + 4 * ONE, os.urandom(3 * ONE))

    assert last_in(journal) == 8


def test_records_behind_damage_count(journal: Path) -> None:
    overwrite(segment_path(journal, 2), RECORDS_START + 5, bytes(2 * ONE))

    assert last_in(journal) == 8


def test_segment_in_use_without_a_record_tells_by_its_first_number(journal: Path) -> None:
    os.truncate(segment_path(journal, 2), RECORDS_START)

    assert last_in(journal) == 4


def test_segment_that_can_tell_nothing_leaves_it_to_the_one_before(journal: Path) -> None:
    os.truncate(segment_path(journal, 2), RECORDS_START)
    overwrite(segment_path(journal, 2), PAGE, bytes(PAGE))
    flip(segment_path(journal, 1), RECORDS_START + 1)

    assert last_in(journal) == 4


def test_segment_larger_than_what_is_read_at_once_is_read_to_its_end(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal())
    writer.append(arrivals(3000, 1000))
    writer.close()

    assert last_in(tmp_path) == 3000
