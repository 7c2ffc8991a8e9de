from pathlib import Path

import pytest

from capture.errors import JournalError
from capture.intake.journals import Journals, open_journals
from capture.journal.figures import INTAKE_FIGURES, IntakeFigure, read_figures
from capture.journal.record import Arrival
from tests.support.journals import a_journal, an_arrival, arrivals, packets_of, read_all
from tests.support.receiving import MemoryWriter, journals_of
from tests.support.sender import packet

CALLS = [an_arrival(packet(number), arrival_us=1_700_000_000_000_000 + number) for number in range(120)]


def dropped(journals: Journals) -> int:
    return journals.read(IntakeFigure.DROPPED)


async def test_one_journal_takes_all_in_one_append() -> None:
    writer = MemoryWriter()

    left = journals_of(writer).append(CALLS)

    assert left == []
    assert writer.appends == [120]
    assert writer.appended == CALLS


async def test_figures_follow_the_last_record() -> None:
    writer = MemoryWriter(last_number=7)
    journals = journals_of(writer)
    assert journals.read(IntakeFigure.LAST_NUMBER) == 7

    journals.append(CALLS)

    assert journals.read(IntakeFigure.LAST_NUMBER) == 127
    assert journals.read(IntakeFigure.LAST_ARRIVAL_US) == CALLS[-1][0]


async def test_what_finds_no_room_comes_back_in_order_and_is_not_counted_yet() -> None:
    journals = journals_of(MemoryWriter(room=100))

    left = journals.append(CALLS)

    assert left == CALLS[100:]
    assert dropped(journals) == 0
    assert journals.read(IntakeFigure.LAST_ARRIVAL_US) == CALLS[99][0]


async def test_every_message_of_a_call_goes_to_one_of_several_journals_in_order() -> None:
    writers = [MemoryWriter() for _ in range(3)]

    left = journals_of(*writers).append(CALLS)

    assert left == []
    assert all(writer.appends == [len(writer.appended)] for writer in writers), "one write for each"
    for writer in writers:
        assert writer.appended == sorted(writer.appended), "by time of arrival"
        assert len(writer.appended) % 6 == 0, "whole calls of six messages"
    assert sorted(arrival for writer in writers for arrival in writer.appended) == CALLS


async def test_full_journal_does_not_keep_the_others_from_theirs() -> None:
    full, roomy = MemoryWriter(room=0), MemoryWriter()
    journals = journals_of(full, roomy)

    left = journals.append(CALLS)

    assert 0 < len(left) < 120
    assert sorted([*left, *roomy.appended]) == CALLS
    assert journals.full


async def test_drops_are_counted_with_the_journal_they_belong_to() -> None:
    words = [[0] * len(IntakeFigure), [0] * len(IntakeFigure)]
    writers = [MemoryWriter(room=0), MemoryWriter()]
    journals = Journals(writers, words)  # type: ignore[arg-type] # the seam of the tests

    journals.drop(journals.append(CALLS))

    assert [figures[IntakeFigure.DROPPED] for figures in words] == [120 - len(writers[1].appended), 0]


async def test_broken_journal_raises_and_everything_not_appended_is_counted() -> None:
    words = [[0] * len(IntakeFigure) for _ in range(3)]
    writers = [MemoryWriter() for _ in range(3)]
    writers[1].broken = True
    journals = Journals(writers, words)  # type: ignore[arg-type] # the seam of the tests

    with pytest.raises(JournalError):
        journals.append(CALLS)

    appended = sum(len(writer.appended) for writer in writers)
    assert appended + sum(figures[IntakeFigure.DROPPED] for figures in words) == 120
    assert words[1][IntakeFigure.DROPPED] > 0


def test_figures_go_on_over_restarts(tmp_path: Path) -> None:
    given = arrivals(5, size=100)
    for _ in range(2):
        with open_journals([tmp_path], a_journal()) as journals:
            journals.append(given)
            journals.drop(given[:2])
            journals.count(IntakeFigure.KERNEL_DROPS, 3)
            journals.close()

    figures = read_figures(tmp_path / INTAKE_FIGURES)
    assert figures["last_number"] == 10
    assert figures["dropped"] == 4
    assert figures["kernel_drops"] == 6
    assert figures["appended_bytes"] > 2 * 500
    assert figures["synced_us"] > 0
    assert read_all(tmp_path)[0] == packets_of(given) * 2


def test_number_is_found_again_when_the_figures_are_gone(tmp_path: Path) -> None:
    with open_journals([tmp_path], a_journal()) as journals:
        journals.append(arrivals(5))
    (tmp_path / INTAKE_FIGURES).unlink()

    with open_journals([tmp_path], a_journal()) as journals:
        assert journals.read(IntakeFigure.LAST_NUMBER) == 5


def test_journal_in_use_is_an_error_that_leaves_the_others_free(tmp_path: Path) -> None:
    with open_journals([tmp_path / "1"], a_journal()):
        with (
            pytest.raises(JournalError, match="has a writer already"),
            open_journals([tmp_path / "0", tmp_path / "1"], a_journal()),
        ):
            raise AssertionError("opened twice")

        with open_journals([tmp_path / "0"], a_journal()) as journals:
            assert journals.append([an_arrival()]) == []


def test_full_journal_shows_in_its_figures(tmp_path: Path) -> None:
    with open_journals([tmp_path], a_journal(segment_bytes=65536, max_bytes=200_000)) as journals:
        given: list[Arrival] = arrivals(400, size=1000)

        left = journals.append(given)
        journals.refresh()

        assert left
        assert journals.read(IntakeFigure.FULL) == 1
