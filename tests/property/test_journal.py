"""Whatever happens to a journal: what is whole on disk is read once, in order, and numbers tell the rest."""

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.journal.record import (
    MAX_PACKET_BYTES,
    OVERHEAD,
    Arrival,
    Carrier,
    Key,
    Record,
    Stop,
    pack_records,
    unpack_records,
)
from capture.journal.segment import PAGE, RECORDS_START, segment_numbers, segment_path
from tests.support.journals import PEER, a_journal, an_arrival, overwrite

KEY = Key(segment=3, marker=0xA1B2C3D4, seed=0x0123456789ABCDEF)
SMALLEST_SEGMENT = 64 * 1024
# Syncing is real work on a disk and none here; what it is for is not what is tested.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

any_arrival = st.tuples(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from([int(carrier) for carrier in Carrier]),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 65535),
    st.binary(max_size=200),
)


@given(st.lists(any_arrival, max_size=8), st.integers(0, 1 << 31), st.integers(1, 1 << 62))
def test_records_come_back_as_they_were_packed(given_: list[Arrival], offset: int, number: int) -> None:
    records: list[Record] = []

    data = b"".join(pack_records(given_, 0, KEY, offset, number, 1 << 31))
    read, stop, following = unpack_records(data, KEY, offset, number, records)

    assert (read, stop, following) == (len(data), Stop.END, number + len(given_))
    assert [(r.arrival_us, int(r.carrier), r.peer, r.peer_port, r.packet) for r in records] == given_


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_records_or_a_reason_to_stop(data: bytes, marked: bool) -> None:
    data = KEY.marker.to_bytes(4, "little") + data if marked else data
    records: list[Record] = []

    read, stop, number = unpack_records(data, KEY, 0, 1, records)

    assert (read, number, records) == (0, 1, [])
    assert stop is (Stop.END if not data else stop)


class Stored(NamedTuple):
    """A record as the test found it in the files by itself."""

    packet: bytes
    segment: int
    offset: int
    end: int


class Model:
    """A journal, and what must be read of it: the files are walked here by their documented bytes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = a_journal(segment_bytes=SMALLEST_SEGMENT, sync_s=60)
        self.writer = JournalWriter.open(directory, self.settings)
        self.reader = JournalReader.open(directory)
        self.walked: dict[int, int] = {}
        self.unread: list[Stored] = []
        self.due: list[bytes] = []
        self.read: list[bytes] = []
        self.lost = 0

    def append(self, packets: Sequence[bytes]) -> None:
        before = self.writer.last_number
        assert self.writer.append([an_arrival(packet) for packet in packets]) == len(packets)
        assert self.writer.last_number == before + len(packets)
        found = [stored for number in segment_numbers(self.directory) for stored in self._walk(number)]
        assert [stored.packet for stored in found] == list(packets)
        self.unread += found

    def append_what_is_on_disk(self, start: int, length: int) -> None:
        """A payload that holds real records."""
        newest = segment_path(self.directory, max(self.walked, default=1))
        data = newest.read_bytes()[RECORDS_START:] or b"none"
        start %= len(data)
        self.append([data[start : start + min(length, MAX_PACKET_BYTES)]])

    def take(self, max_bytes: int, commit: int) -> bool:
        """Read a chunk, go on behind the record `commit` of it as after a crash; delete what is done."""
        chunk = self.reader.read(max_bytes)
        records = chunk.records[: 1 + commit % len(chunk.records)] if chunk.records else []
        self.lost += chunk.lost
        self.read += [record.packet for record in records]
        if len(records) < len(chunk.records):
            assert self.reader.seek(records[-1].end) is None
        self.due += [stored.packet for stored in self.unread[: len(records)]]
        del self.unread[: len(records)]
        assert self.read == self.due
        self.reader.delete_before(self.reader.position)
        return bool(chunk.records)

    def reopen_reader(self) -> None:
        position = self.reader.position
        self.reader.close()
        self.reader = JournalReader.open(self.directory)
        assert self.reader.seek(position) is None

    def reopen_writer(self) -> None:
        self.writer.close()
        self.writer = JournalWriter.open(self.directory, self.settings)

    def tear(self, cut: int) -> None:
        """The writer dies in the middle of a write: the newest segment ends at any byte not yet read."""
        self.writer.close()
        if self.unread:
            newest = self.unread[-1].segment
            first = min(stored.offset for stored in self.unread if stored.segment == newest)
            path = segment_path(self.directory, newest)
            size = first + cut % (path.stat().st_size - first)
            with path.open("r+b") as file:
                file.truncate(size)
            self.unread = [s for s in self.unread if s.segment != newest or s.end <= size]
        self.writer = JournalWriter.open(self.directory, self.settings)

    def damage(self, which: int, at: int, length: int) -> None:
        """Bytes of a record not yet read, and maybe of those behind it, are not what was written."""
        self.writer.close()
        if self.unread:
            hit = self.unread[which % len(self.unread)]
            start = hit.offset + at % (hit.end - hit.offset)
            path = segment_path(self.directory, hit.segment)
            before = path.read_bytes()[start : start + length]
            # Not its own inverse: what is damaged twice stays damaged.
            overwrite(path, start, bytes((byte + 1) & 0xFF for byte in before))
            self.unread = [
                s
                for s in self.unread
                if s.segment != hit.segment or s.end <= start or s.offset >= start + len(before)
            ]
        self.writer = JournalWriter.open(self.directory, self.settings)

    def damage_header(self, which: int, at: int) -> None:
        """One of the two headers of a segment."""
        self.writer.close()
        numbers = [n for n in segment_numbers(self.directory) if n in self.walked]
        if numbers:
            path = segment_path(self.directory, numbers[which % len(numbers)])
            overwrite(path, at % 52, bytes((path.read_bytes()[at % 52] ^ 0xFF,)))
        self.writer = JournalWriter.open(self.directory, self.settings)

    def finish(self) -> None:
        """What is lost at the end of a segment shows with the next record."""
        self.append([b"last"])
        while self.take(1 << 20, -1):
            pass
        assert self.unread == []
        assert len(self.read) + self.lost == self.writer.last_number

    def close(self) -> None:
        self.reader.close()
        self.writer.close()

    def _walk(self, number: int) -> list[Stored]:
        """The records behind what was walked before."""
        data = segment_path(self.directory, number).read_bytes()
        at = self.walked.get(number, RECORDS_START)
        found = []
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at + 4)
            end = at + 43 + length + 8
            found.append(Stored(data[at + 43 : end - 8], number, at, end))
            at = end
        if len(data) > PAGE:
            self.walked[number] = at
        return found


# Filled by one byte each, so that drawing a large one costs nothing.
a_packet = st.builds(lambda byte, size: bytes((byte,)) * size, st.integers(0, 255), st.integers(0, 20_000))
whole = st.integers(0, 1 << 20)
an_action = st.one_of(
    st.tuples(st.just("append"), st.lists(a_packet, min_size=1, max_size=8)),
    st.tuples(st.just("append"), st.lists(a_packet, min_size=1, max_size=8)),
    st.tuples(st.just("append_what_is_on_disk"), whole, st.integers(1, MAX_PACKET_BYTES)),
    st.tuples(st.just("take"), st.integers(1, 200_000), whole),
    st.tuples(st.just("reopen_reader")),
    st.tuples(st.just("reopen_writer")),
    st.tuples(st.just("tear"), whole),
    st.tuples(st.just("damage"), whole, whole, st.integers(1, 30_000)),
    st.tuples(st.just("damage"), whole, whole, st.just(1)),
    st.tuples(st.just("damage_header"), whole, whole),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(an_action, max_size=14))
def test_each_whole_record_is_read_once_in_order_and_numbers_tell_the_rest(
    actions: list[tuple[str, ...]],
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        model = Model(Path(directory) / "0000")
        try:
            for name, *values in actions:
                getattr(model, name)(*values)
            model.finish()
        finally:
            model.close()


def test_overhead_is_what_the_walk_above_takes_it_for() -> None:
    assert OVERHEAD == 43 + 8
    assert len(PEER) == 16
