"""Short journals for the tests of reading."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from tests.support.journals import SIZE, a_journal, arrivals, write_journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """As `write_journal` leaves it."""
    return write_journal(tmp_path / "journal")


@pytest.fixture
def reader(journal: Path) -> Iterator[JournalReader]:
    opened = JournalReader.open(journal)
    yield opened
    opened.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[JournalWriter, JournalReader, Path]]:
    """A writer with five records, and a reader that has read them."""
    directory = tmp_path / "live"
    writer = JournalWriter.open(directory, a_journal())
    writer.append(arrivals(5, SIZE))
    opened = JournalReader.open(directory)
    opened.read()
    yield writer, opened, directory
    opened.close()
    writer.close()
