"""A packet that ends two workers in a row is known."""

import pytest

from capture.journal.figures import WorkerFigure
from capture.mark import MARK, PacketMark, ScriptDeath


def words() -> list[int]:
    return [0] * len(WorkerFigure)


def test_worker_that_ended_well_names_nothing() -> None:
    figures = words()
    mark = PacketMark(figures)
    figures[MARK] = 3 << 32 | 64
    mark.clear()

    assert PacketMark(figures).find_lethal() is None
    assert PacketMark(figures).find_lethal() is None


def test_one_death_is_no_proof() -> None:
    figures = words()
    figures[MARK] = 3 << 32 | 64

    assert PacketMark(figures).find_lethal() is None


def test_second_death_at_one_place_names_it() -> None:
    figures = words()
    figures[MARK] = 3 << 32 | 64
    PacketMark(figures).find_lethal()
    figures[MARK] = 3 << 32 | 64

    assert PacketMark(figures).find_lethal() == (3, 64)


def test_deaths_at_different_places_are_no_proof() -> None:
    figures = words()
    figures[MARK] = 3 << 32 | 64
    PacketMark(figures).find_lethal()
    figures[MARK] = 3 << 32 | 1064

    assert PacketMark(figures).find_lethal() is None


def test_place_stays_named_until_it_is_survived() -> None:
    figures = words()
    for _ in range(2):
        figures[MARK] = 3 << 32 | 64
        PacketMark(figures).find_lethal()

    assert PacketMark(figures).find_lethal() == (3, 64)
    PacketMark(figures).survive()
    assert PacketMark(figures).find_lethal() is None


def test_worker_that_the_watchdog_ended_names_the_script_and_not_the_packet() -> None:
    figures = words()
    for _ in range(2):
        figures[MARK], figures[WorkerFigure.MARK_SCRIPT] = 3 << 32 | 64, 77
        figures[WorkerFigure.SCRIPT_ENDED] = 1

        assert PacketMark(figures).find_script_death() == ScriptDeath((3, 64), 77, by_watchdog=True)
        assert PacketMark(figures).find_lethal() is None


def test_script_that_ended_a_worker_while_it_was_loaded_is_found_without_a_packet() -> None:
    figures = words()
    figures[WorkerFigure.MARK_SCRIPT] = 77
    figures[WorkerFigure.SCRIPT_ENDED] = 1

    assert PacketMark(figures).find_script_death() == ScriptDeath(None, 77, by_watchdog=True)
    assert PacketMark(figures).find_script_death() is None


def test_second_death_at_one_packet_within_a_script_is_the_scripts() -> None:
    figures = words()
    figures[MARK], figures[WorkerFigure.MARK_SCRIPT] = 3 << 32 | 64, 77
    first = PacketMark(figures).find_script_death(), PacketMark(figures).find_lethal()
    figures[MARK], figures[WorkerFigure.MARK_SCRIPT] = 3 << 32 | 64, 77
    second = PacketMark(figures).find_script_death(), PacketMark(figures).find_lethal()

    assert first == (None, None)
    assert second == (ScriptDeath((3, 64), 77, by_watchdog=False), None)


def test_deaths_outside_of_scripts_are_no_scripts_fault() -> None:
    figures = words()
    for _ in range(2):
        figures[MARK] = 3 << 32 | 64
        assert PacketMark(figures).find_script_death() is None
        lethal = PacketMark(figures).find_lethal()

    assert lethal == (3, 64)


def test_mark_is_lifted_only_while_the_worker_waits() -> None:
    figures = words()
    mark = PacketMark(figures)
    figures[MARK] = 3 << 32 | 64

    with mark.lifted():
        assert figures[WorkerFigure.MARK] == 0

    assert figures[WorkerFigure.MARK] == 3 << 32 | 64


def test_mark_stands_again_where_waiting_has_failed() -> None:
    figures = words()
    mark = PacketMark(figures)
    figures[MARK] = 3 << 32 | 64

    with pytest.raises(OSError, match="gone"), mark.lifted():
        raise OSError("gone")

    assert figures[MARK] == 3 << 32 | 64


def test_script_that_hangs_while_it_is_loaded_has_no_part_in_a_packet_before() -> None:
    figures = words()
    figures[MARK] = 3 << 32 | 64
    first = PacketMark(figures)
    assert (first.find_script_death(), first.find_lethal()) == (None, None)
    figures[WorkerFigure.MARK_SCRIPT], figures[WorkerFigure.SCRIPT_ENDED] = 77, 1

    second = PacketMark(figures)

    assert second.find_script_death() == ScriptDeath(None, 77, by_watchdog=True)
    assert second.find_lethal() is None
