from capture.intake.drops import KernelDrops
from capture.intake.journals import Journals
from capture.intake.sockets import Sockets
from capture.journal.figures import IntakeFigure
from tests.support.receiving import MemoryWriter, journals_of


class CountingSockets(Sockets):
    """Sockets whose counters the test sets."""

    def __init__(self, *counters: int, identity: int = 1) -> None:
        super().__init__([], [])
        self.counters = list(counters)
        self._identity = identity

    def drops(self) -> list[int]:
        return list(self.counters)

    def identity(self) -> int:
        return self._identity


def total(journals: Journals) -> int:
    return journals.read(IntakeFigure.KERNEL_DROPS)


async def test_new_drops_of_all_sockets_are_added() -> None:
    sockets, journals = CountingSockets(0, 0), journals_of(MemoryWriter())
    drops = KernelDrops(sockets, journals)

    sockets.counters = [3, 4]
    drops.update()
    drops.update()
    sockets.counters = [3, 10]
    drops.update()

    assert total(journals) == 13


async def test_drops_from_before_intake_began_count() -> None:
    journals = journals_of(MemoryWriter())

    KernelDrops(CountingSockets(5), journals)

    assert total(journals) == 5


async def test_successor_on_the_same_sockets_adds_only_what_is_new() -> None:
    sockets, journals = CountingSockets(5), journals_of(MemoryWriter())
    KernelDrops(sockets, journals).update()

    sockets.counters = [9]
    KernelDrops(sockets, journals).update()

    assert total(journals) == 9


async def test_new_sockets_begin_at_zero_and_the_sum_goes_on() -> None:
    journals = journals_of(MemoryWriter())
    KernelDrops(CountingSockets(9, identity=1), journals)

    KernelDrops(CountingSockets(2, identity=2), journals)

    assert total(journals) == 11


async def test_counter_that_passes_32_bits_does_not_go_back() -> None:
    sockets, journals = CountingSockets(2**32 - 2), journals_of(MemoryWriter())
    drops = KernelDrops(sockets, journals)

    sockets.counters = [3]
    drops.update()

    assert total(journals) == 2**32 + 3
