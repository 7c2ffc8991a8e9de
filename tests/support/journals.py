"""Builders for tests of journals: arrivals, settings, images of a directory as a crash leaves it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from capture.journal.directory import ID_NAME
from capture.journal.log import JournalWriter
from capture.journal.reader import Chunk, JournalReader
from capture.journal.record import OVERHEAD, Arrival, Carrier, Position
from capture.journal.segment import RECORDS_START, segment_numbers, segment_path
from capture.settings import JournalSettings

PEER = bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 7))
SIZE = 100
"""Of the packets in short journals."""
ONE = OVERHEAD + SIZE
"""A record with one of them."""


def a_journal(**values: float) -> JournalSettings:
    """Settings of a journal that does not look at how full the disk is."""
    return JournalSettings.model_validate({"min_free_bytes": 1, "max_bytes": 1 << 30, **values})


def an_arrival(packet: bytes = b"HEP3", arrival_us: int = 1_700_000_000_000_000, port: int = 5060) -> Arrival:
    return (arrival_us, Carrier.UDP, PEER, port, packet)


def arrivals(count: int, size: int = 20, first: int = 1) -> list[Arrival]:
    """Distinct packets of `size` bytes, the number at the front."""
    return [an_arrival(f"{number:08d}".encode().ljust(size, b".")) for number in range(first, first + count)]


def packets_of(given: Sequence[Arrival]) -> list[bytes]:
    return [bytes(arrival[4]) for arrival in given]


def at(index: int) -> int:
    """Offset of the record with this index in its segment."""
    return RECORDS_START + index * ONE


def write_run(directory: Path, count: int, first: int = 1) -> None:
    """One run of a writer: one segment with `count` records."""
    writer = JournalWriter.open(directory, a_journal())
    assert writer.append(arrivals(count, SIZE, first)) == count
    writer.close()


def packets(first: int, last: int) -> list[bytes]:
    return packets_of(arrivals(last - first + 1, SIZE, first))


def packets_in(chunk: Chunk) -> list[bytes]:
    return [record.packet for record in chunk.records]


def write_journal(directory: Path) -> Path:
    """Records 1–5 in segment 1, 6–10 in segment 2, 11–15 in segment 3; nobody writes."""
    for first in (1, 6, 11):
        write_run(directory, 5, first)
    return directory


def crash_image(journal: Path, target: Path) -> Path:
    """A copy of what the files hold at this moment: what a killed writer leaves."""
    target.mkdir()
    shutil.copy(journal / ID_NAME, target)
    for number in segment_numbers(journal):
        shutil.copy(segment_path(journal, number), target)
    return target


def read_all(directory: Path, position: Position | None = None) -> tuple[list[bytes], int]:
    """All packets from a position on, and how many were lost among them."""
    reader = JournalReader.open(directory)
    gap = reader.seek(position)
    found: list[bytes] = []
    lost = gap.lost if gap else 0
    while True:
        chunk = reader.read()
        found += [record.packet for record in chunk.records]
        lost += chunk.lost
        if not chunk.records:
            reader.close()
            return found, lost


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int) -> None:
    """Invert one byte."""
    overwrite(path, offset, bytes((path.read_bytes()[offset] ^ 0xFF,)))
