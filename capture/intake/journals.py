"""The journals that intake appends to, and the figures that it keeps beside each.

Knows nothing of sockets, loops or what is inside a packet.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from capture.errors import JournalError
from capture.intake.spread import choose_journal
from capture.intake.tally import Tally
from capture.journal.figures import FigureFile, IntakeFigure
from capture.journal.log import JournalWriter
from capture.journal.record import Arrival
from capture.settings import JournalSettings

FIGURES_NAME = "intake.figures"

logger = logging.getLogger(__name__)


class Journals:
    """One or several journals, each with its figures.

    What belongs to no single journal (connections, kernel drops) stands in the first one's figures.
    """

    def __init__(
        self, writers: Sequence[JournalWriter], figures: Sequence["memoryview[int] | list[int]"]
    ) -> None:
        """`figures` are the words of each journal, by `IntakeFigure`."""
        self._writers = tuple(writers)
        self._figures = tuple(figures)
        self._choose = choose_journal(len(self._writers))
        self._dropped = Tally(logger, "packets dropped")
        self._bytes_before = [words[IntakeFigure.APPENDED_BYTES] for words in self._figures]
        for writer, words in zip(self._writers, self._figures, strict=True):
            words[IntakeFigure.LAST_NUMBER] = writer.last_number
        self.refresh()

    def append(self, arrivals: list[Arrival]) -> list[Arrival]:
        """One write for each journal concerned; what found no room comes back.

        JournalError when a disk refuses for another reason than room; what was not appended is counted as
        dropped.
        """
        if len(self._writers) == 1:
            return self._append(0, arrivals)
        left: list[Arrival] = []
        shares = self._shares(arrivals)
        while shares:
            index, share = shares.popitem()
            try:
                left += self._append(index, share)
            except JournalError:
                for unwritten in (left, *shares.values()):
                    self.drop(unwritten)
                raise
        return left

    def drop(self, arrivals: list[Arrival]) -> None:
        """Count packets that are given up."""
        if not arrivals:
            return
        for index, share in self._shares(arrivals).items():
            self._figures[index][IntakeFigure.DROPPED] += len(share)
        self._dropped.add(
            len(arrivals), "no room in the journal" if self.full else "the journal cannot be written"
        )

    @property
    def full(self) -> bool:
        return any(writer.full for writer in self._writers)

    def count(self, figure: IntakeFigure, amount: int) -> None:
        self._figures[0][figure] += amount

    def show(self, figure: IntakeFigure, value: int) -> None:
        self._figures[0][figure] = value

    def read(self, figure: IntakeFigure) -> int:
        return self._figures[0][figure]

    def refresh(self) -> None:
        """Bring the figures up to date that do not change with each append."""
        for writer, words, before in zip(self._writers, self._figures, self._bytes_before, strict=True):
            words[IntakeFigure.APPENDED_BYTES] = before + writer.appended_bytes
            words[IntakeFigure.SYNCED_US] = writer.synced_us
            words[IntakeFigure.FULL] = int(writer.full)

    def report(self, period_s: float) -> None:
        """Log what has been dropped since the last call, `period_s` ago."""
        self._dropped.report(period_s)

    def close(self) -> None:
        """Sync all and let go of them; the figures are to be closed by whoever opened them."""
        with contextlib.ExitStack() as stack:
            for writer in self._writers:
                stack.callback(writer.close)
        self.refresh()

    def _append(self, index: int, arrivals: list[Arrival]) -> list[Arrival]:
        writer, words = self._writers[index], self._figures[index]
        try:
            fitted = writer.append(arrivals)
        except JournalError:
            self.drop(arrivals)
            raise
        if fitted:
            words[IntakeFigure.LAST_NUMBER] = writer.last_number
            words[IntakeFigure.LAST_ARRIVAL_US] = arrivals[fitted - 1][0]
        return arrivals[fitted:]

    def _shares(self, arrivals: list[Arrival]) -> dict[int, list[Arrival]]:
        """Arrivals by journal, each journal's in their order."""
        if len(self._writers) == 1:
            return {0: arrivals}
        shares: dict[int, list[Arrival]] = {}
        for arrival in arrivals:
            shares.setdefault(self._choose(arrival[4], arrival[2]), []).append(arrival)
        return shares


@contextlib.contextmanager
def open_journals(directories: Sequence[Path], settings: JournalSettings) -> Iterator[Journals]:
    """The journals in these directories, which are made when missing; JournalError when one is in use.

    The figures go on where the last run left them: counts of packets may not go back.
    """
    with contextlib.ExitStack() as stack:
        writers = []
        figures = []
        for directory in directories:
            writer = stack.enter_context(contextlib.closing(JournalWriter.open(directory, settings)))
            writers.append(writer)
            file = FigureFile.open(directory / FIGURES_NAME, IntakeFigure, writer.id)
            figures.append(stack.enter_context(contextlib.closing(file)).words)
            for note in (*writer.notes, *file.notes):
                logger.warning("%s", note)
        yield Journals(writers, figures)
