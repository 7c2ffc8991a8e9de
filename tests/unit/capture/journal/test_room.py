import pytest

from capture.journal.room import Disk, Room
from capture.settings import JournalSettings

GIB = 1 << 30


def smaller_than_allowed(**values: int) -> JournalSettings:
    return JournalSettings.model_construct(**values)


@pytest.mark.parametrize(
    ("disk", "left"),
    [
        (Disk(used=0, free=10_000, total=20_000), 1000),
        (Disk(used=400, free=10_000, total=20_000), 600),
        (Disk(used=0, free=600, total=20_000), 500),
        (Disk(used=1200, free=10_000, total=20_000), -200),
        (Disk(used=0, free=40, total=20_000), -60),
    ],
    ids=["new", "byte limit", "floor", "over the limit", "below the floor"],
)
def test_room_is_what_the_byte_limit_and_the_floor_leave(disk: Disk, left: int) -> None:
    room = Room(smaller_than_allowed(max_bytes=1000, min_free_bytes=100), disk)

    assert room.left(0) == left


def test_default_limit_is_half_of_what_would_be_free_without_the_journal() -> None:
    fresh = Room(JournalSettings(), Disk(used=0, free=100 * GIB, total=200 * GIB))
    under_a_backlog = Room(JournalSettings(), Disk(used=40 * GIB, free=60 * GIB, total=200 * GIB))

    assert fresh.max_bytes == under_a_backlog.max_bytes == 50 * GIB


def test_default_limit_counts_the_backlog_of_all_journals_of_the_disk() -> None:
    fresh = Room(JournalSettings(), Disk(used=0, free=100 * GIB, total=200 * GIB))
    second_of_two = Room(JournalSettings(), Disk(40 * GIB, 20 * GIB, 200 * GIB), others_bytes=40 * GIB)

    assert fresh.max_bytes == second_of_two.max_bytes == 50 * GIB
    assert second_of_two.left(0) == 10 * GIB


@pytest.mark.parametrize(("total", "floor"), [(10 * GIB, GIB), (1000 * GIB, 20 * GIB)])
def test_default_floor_is_a_gibibyte_or_two_percent_of_the_disk(total: int, floor: int) -> None:
    room = Room(JournalSettings(), Disk(used=0, free=total // 2, total=total))

    assert room.min_free_bytes == floor


def test_what_is_written_is_taken_off_until_the_next_measuring() -> None:
    room = Room(smaller_than_allowed(max_bytes=1000, min_free_bytes=1), Disk(0, 1 << 40, 1 << 40))

    assert room.left(300) == 700

    room.measure(Disk(used=100, free=1 << 40, total=1 << 40), 300)

    assert room.left(300) == 900
    assert room.left(350) == 850


def test_exhausted_room_comes_back_with_the_next_measuring() -> None:
    room = Room(smaller_than_allowed(max_bytes=1000, min_free_bytes=1), Disk(0, 1 << 40, 1 << 40))

    room.exhaust(200)
    assert room.left(200) == 0

    room.measure(Disk(used=200, free=1 << 40, total=1 << 40), 200)
    assert room.left(200) == 800
