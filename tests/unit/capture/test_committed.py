"""What a worker shows of its committed batches."""

from capture.committed import CommittedFigures
from capture.journal.figures import WorkerFigure
from capture.journal.record import Position
from capture.pipeline import Rows
from capture.stats import Outcome


def some_rows(written: int) -> Rows:
    rows = Rows()
    rows.outcomes[Outcome.WRITTEN] = written
    return rows


def test_refused_messages_are_failed_and_not_written() -> None:
    words = [0] * len(WorkerFigure)
    figures = CommittedFigures(words)
    figures.begin(Position(1, 8192, 1), [100, 0, 0, 0, 0, 0])

    figures.add(Position(1, 9000, 11), some_rows(10), 2, 0.5, None)

    assert (words[WorkerFigure.WRITTEN], words[WorkerFigure.FAILED]) == (108, 2)
    assert (words[WorkerFigure.BATCHES], words[WorkerFigure.BATCH_ROWS]) == (1, 8)
    assert words[WorkerFigure.NUMBER] == 11


def test_counts_do_not_fall_when_the_database_lost_its_last_commits() -> None:
    words = [0] * len(WorkerFigure)
    CommittedFigures(words).begin(Position(1, 9000, 11), [10, 0, 0, 0, 0, 0])

    figures = CommittedFigures(words)
    figures.begin(Position(1, 8192, 6), [5, 0, 0, 0, 0, 0])
    shown_before = words[WorkerFigure.WRITTEN]
    figures.add(Position(1, 9500, 13), some_rows(7), 0, 0.5, None)

    assert shown_before == 10
    assert words[WorkerFigure.WRITTEN] == 12


def test_numbers_given_again_after_a_loss_of_power_are_told_apart_and_held_up_by_nothing() -> None:
    words = [0] * len(WorkerFigure)
    figures = CommittedFigures(words)
    figures.begin(Position(7, 9000, 101), [100, 0, 0, 0, 0, 0])

    figures.add(Position(8, 8500, 71), some_rows(10), 0, 0.5, None)

    assert (words[WorkerFigure.WRITTEN], words[WorkerFigure.NUMBER]) == (110, 71)
    assert words[WorkerFigure.BEYOND] == 40


def test_another_database_begins_to_count_anew() -> None:
    words = [0] * len(WorkerFigure)
    CommittedFigures(words).begin(Position(7, 9000, 101), [100, 0, 0, 0, 0, 0])

    figures = CommittedFigures(words)
    figures.forget()
    figures.begin(Position(7, 8192, 91), [0, 0, 0, 0, 0, 0])
    figures.add(Position(7, 9000, 101), some_rows(10), 0, 0.5, None)

    assert (words[WorkerFigure.WRITTEN], words[WorkerFigure.NUMBER]) == (10, 101)
    assert words[WorkerFigure.BEYOND] == (1 << 64) - 90
