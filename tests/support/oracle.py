"""What has been appended, known without asking the code under test: every segment is kept by a hard link
and read here.

A worker deletes the segments it has stored; their links stay. The format is read from its description, with
no code of `capture`. Comparisons are by content, as multisets: nothing missing, nothing foreign, nothing
twice. In a test of kills:

    with SegmentKeeper(data / "journal", data / "kept") as keeper, rhapsode_up(data) as up:
        with Sender(up.hep, rate=2000) as sender:
            ...                                        # kill what is to be killed
        ...                                            # wait until all that was received has an outcome
    difference = compare(keeper.payloads(), stored)    # `stored`: a Counter of the payloads in the tables
    assert not difference, str(difference)
"""

import contextlib
import os
import struct
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import xxhash

from tests.support.sender import payload_of

RECORDS_START = 8192
_SEGMENT = struct.Struct("<8sIQ16sQq")
_RECORD = struct.Struct("<IIQqHB16s")
_CHECKSUM_BYTES = 8
_NO_FRAME = 3
"""Carrier of a run of TCP bytes that is no frame: no packet."""
REPLAYED = 4
"""Carrier of a packet that had been set aside: it was appended before."""

LOOK_EVERY_S = 0.02
"""A segment lives longer: the newest is never deleted, and each is made ahead of need."""


class Appended(NamedTuple):
    """One record of a kept segment."""

    journal: bytes
    """The journal's id, 16 bytes."""
    segment: int
    """The segment's random id."""
    number: int
    carrier: int
    packet: bytes


@dataclass(frozen=True)
class Difference:
    """How two collections of packets differ."""

    missing: Counter[bytes]
    """Appended more often than stored."""
    surplus: Counter[bytes]
    """Stored more often than appended."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus)

    def __str__(self) -> str:
        def some(which: Counter[bytes]) -> str:
            return f"{which.total()} (first: {next(iter(which), b'')[:300]!r})"

        return f"missing {some(self.missing)}, surplus {some(self.surplus)}"


def compare(
    appended: Counter[bytes], stored: Counter[bytes], perhaps: Counter[bytes] | None = None
) -> Difference:
    """Empty (false) when both hold the same, equally often.

    `perhaps`: appended too, but gone with the power before it was synced, so that it may be stored or not.
    """
    return Difference(appended - stored, stored - appended - (perhaps or Counter()))


class SegmentKeeper:
    """Links every segment under `journals` (the folder of `0000`, `0001`, …) into `kept`, on the same disk.

    To be begun before intake is: neither folder has to be there. It looks from a thread of its own, and once
    more at the end and whenever it is asked.
    """

    def __init__(self, journals: Path, kept: Path) -> None:
        self._journals = journals
        self._kept = kept
        self._seen: set[int] = set()
        self._looking = threading.Lock()
        self._gone: Counter[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="segment keeper", daemon=True)

    def __enter__(self) -> "SegmentKeeper":
        self._kept.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Link what is new.

        A file that has just gone away was a spare never used, or its loss shows as a gap in the numbers.
        """
        if not self._journals.is_dir():
            return
        with self._looking:
            for journal in filter(Path.is_dir, self._journals.iterdir()):
                self._look_into(journal)

    def _look_into(self, journal: Path) -> None:
        with os.scandir(journal) as entries:
            for entry in entries:
                # By inode: a journal that is made anew uses the same names again. A link keeps it.
                if entry.name.endswith(".segment") and entry.inode() not in self._seen:
                    self._keep(Path(entry.path), entry.inode())

    def appended(self) -> list[Appended]:
        """All whole records of all kept segments, by journal and number.

        AssertionError if a journal's numbers are not 1, 2, 3, …: a segment was missed, or intake counts
        wrongly. The last segment cannot be missed, since nobody deletes it. After a loss of power there may
        be gaps, but no number twice. A record that a copy of a segment holds too counts once.
        """
        self.look()
        records = sorted(
            {record for path in self._kept.iterdir() for record in read_segment(path)},
            key=lambda record: (record.journal, record.number),
        )
        last: Counter[bytes] = Counter()
        for record in records:
            following = last[record.journal] + 1
            gap = self._gone is not None and record.number > following
            assert record.number == following or gap, (
                f"record {record.number} stands where {following} belongs"
            )
            last[record.journal] = record.number
        return records

    @property
    def gone(self) -> Counter[bytes]:
        """Payloads of what a loss of power took from the journal: they may be stored or not."""
        return self._gone or Counter()

    @contextmanager
    def power_loss(self) -> Iterator[None]:
        """What the block takes away from the segments is gone, and nobody's fault."""
        before = self.payloads()
        yield
        self._gone = self.gone + Counter()
        self._gone += before - self.payloads()

    def packets(self) -> Counter[bytes]:
        """Every packet appended, as received."""
        return Counter(record.packet for record in self.appended())

    def payloads(self) -> Counter[bytes]:
        """The payload of every HEP3 packet appended: what the messages in the tables are to hold."""
        return payloads(self.appended())

    def holds(self, payload: bytes) -> bool:
        """Whether one of the newest segments of each journal has these bytes: cheap enough to wait with."""
        self.look()
        newest: dict[str, list[Path]] = {}
        for path in sorted(self._kept.iterdir(), key=lambda path: path.stat().st_mtime_ns):
            newest.setdefault(path.name.partition("-")[0], []).append(path)
        return any(payload in path.read_bytes() for paths in newest.values() for path in paths[-3:])

    def _keep(self, path: Path, inode: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.link(path, self._kept / f"{path.parent.name}-{path.stem}-{inode}.segment")
            self._seen.add(inode)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self.look()


def payloads(records: Iterable[Appended]) -> Counter[bytes]:
    """The payloads of those records that are HEP3 packets, appended for the first time."""
    return Counter(payload_of(record.packet) for record in records if record.carrier < _NO_FRAME)


def read_segment(path: Path) -> list[Appended]:
    """The whole records of a segment, also those behind a place that a loss of power left damaged."""
    data = path.read_bytes()
    if len(data) < RECORDS_START:
        return []
    _, _, _, journal, segment_id, _ = _SEGMENT.unpack_from(data)
    marker = (segment_id & 0xFFFFFFFF).to_bytes(4, "little")
    records = []
    at = data.find(marker, RECORDS_START)
    while 0 <= at <= len(data) - _RECORD.size - _CHECKSUM_BYTES:
        _, length, number, _, _, carrier, _ = _RECORD.unpack_from(data, at)
        start = at + _RECORD.size
        end = start + length
        checksum = xxhash.xxh3_64_digest(data[at:end], segment_id + at)
        if data[end : end + _CHECKSUM_BYTES] == checksum:
            records.append(Appended(journal, segment_id, number, carrier, data[start:end]))
            at = data.find(marker, end + _CHECKSUM_BYTES)
        else:
            at = data.find(marker, at + 1)
    return records
