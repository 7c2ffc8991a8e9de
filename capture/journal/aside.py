"""Packets that were set aside: one file each, listed, read, and replayed as a journal of their own.

A file is a line of JSON that says where the packet came from and why it failed, then the packet. Its name is
the journal's id and the record's place: so the same failure found again after a crash is the same file.
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
from xxhash import xxh3_64_hexdigest

from capture.errors import JournalError
from capture.journal.directory import make_directory, sync_directory, write_whole
from capture.journal.figures import INTAKE_FIGURES, FigureFile, IntakeFigure
from capture.journal.log import JournalWriter
from capture.journal.record import Arrival, Carrier, Record
from capture.settings import JournalSettings

SUFFIX = ".packet"
REPLAYED_NAME = "replayed.json"
"""In a journal made by `replay`: the names of the files it was made of."""
_BATCH = 256
_FORMAT = 1


class Aside(msgspec.Struct, frozen=True):
    """A packet set aside."""

    journal: UUID
    record: Record
    reason: str


class Replay(NamedTuple):
    """What `replay` did."""

    replayed: int
    skipped: list[str]
    """Files that could not be read, with the error; they stay where they are."""


def set_aside(directory: Path, journal: UUID, record: Record, reason: str) -> Path:
    """Keep a packet in `directory`; on disk when this returns. A second time at one place changes nothing."""
    path = _path(directory, journal, record.segment, record.offset)
    if path.exists():
        # It may have been made just before a crash: then its name is not on disk yet.
        sync_directory(directory)
        return path
    facts = {
        "format": _FORMAT,
        "journal": str(journal),
        "segment": record.segment,
        "offset": record.offset,
        "number": record.number,
        "arrival_us": record.arrival_us,
        "carrier": record.carrier.name,
        "peer": record.peer.hex(),
        "peer_port": record.peer_port,
        "reason": reason,
        "bytes": len(record.packet),
        "xxh3": xxh3_64_hexdigest(record.packet),
    }
    try:
        make_directory(directory)
        write_whole(path, json.dumps(facts).encode() + b"\n" + record.packet)
    except OSError as error:
        raise JournalError(f"a packet cannot be set aside in {directory}: {error}") from error
    return path


def list_aside(directory: Path) -> list[Path]:
    """The files in `directory` by journal and place; none when there is no such directory."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def list_aside_of(directory: Path, journal: UUID, place: tuple[int, int]) -> list[Path]:
    """Those of one journal, from this place (segment, offset) on."""
    first = _path(directory, journal, *place)
    return [path for path in sorted(directory.glob(f"{journal}-*{SUFFIX}")) if path >= first]


def _path(directory: Path, journal: UUID, segment: int, offset: int) -> Path:
    return directory / f"{journal}-{segment:016d}-{offset:010d}{SUFFIX}"


def read_aside(path: Path) -> Aside:
    """JournalError when the file is not whole."""
    try:
        line, _, packet = path.read_bytes().partition(b"\n")
        facts = json.loads(line)
        whole = facts["bytes"] == len(packet) and facts["xxh3"] == xxh3_64_hexdigest(packet)
        record = Record(
            number=facts["number"],
            segment=facts["segment"],
            offset=facts["offset"],
            arrival_us=facts["arrival_us"],
            carrier=Carrier[facts["carrier"]],
            peer=bytes.fromhex(facts["peer"]),
            peer_port=facts["peer_port"],
            packet=packet,
        )
        aside = Aside(UUID(facts["journal"]), record, facts["reason"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JournalError(f"{path} is no packet set aside: {error!r}") from error
    if not whole:
        raise JournalError(f"{path} is damaged: its packet is not the one that was set aside")
    return aside


def replay(directory: Path, target: Path, settings: JournalSettings) -> Replay:
    """Make the journal `target`, which may not exist yet, of the packets in `directory`, and then remove
    these.

    The journal appears whole and on disk or not at all. It names its files, so that after a crash in the
    middle of removing them the next call removes the rest instead of replaying them twice: as long as
    `target` is beside the journals made before.
    """
    try:
        for made in target.parent.glob(f"*/{REPLAYED_NAME}"):
            _remove(directory, json.loads(made.read_text("utf-8")))
        return _replay(directory, target, settings)
    except (OSError, ValueError) as error:
        raise JournalError(f"{directory} cannot be replayed: {error}") from error


def _replay(directory: Path, target: Path, settings: JournalSettings) -> Replay:
    if target.exists():
        raise JournalError(f"{target} exists already")
    packets: list[tuple[str, Arrival]] = []
    skipped: list[str] = []
    for path in list_aside(directory):
        try:
            record = read_aside(path).record
        except JournalError as error:
            skipped.append(str(error))
            continue
        # What came by an import still did.
        carrier = Carrier.IMPORT if record.carrier is Carrier.IMPORT else Carrier.REPLAY
        packets.append(
            (path.name, (record.arrival_us, carrier, record.peer, record.peer_port, record.packet))
        )
    if packets:
        # Not beside the target, where a worker might be started for it before it is whole.
        partial = directory / "replay.partial"
        shutil.rmtree(partial, ignore_errors=True)
        _build(partial, packets, settings)
        partial.rename(target)
        sync_directory(target.parent)
        _remove(directory, [name for name, _ in packets])
    return Replay(len(packets), skipped)


def _build(directory: Path, packets: list[tuple[str, Arrival]], settings: JournalSettings) -> None:
    writer = JournalWriter.open(directory, settings)
    try:
        for start in range(0, len(packets), _BATCH):
            batch = [arrival for _, arrival in packets[start : start + _BATCH]]
            if writer.append(batch) != len(batch):
                raise JournalError(f"no room in {directory.parent} for the packets to be replayed")
        writer.sync()
        _count_received(directory, writer)
    finally:
        writer.close()
    write_whole(directory / REPLAYED_NAME, json.dumps([name for name, _ in packets]).encode())


def _count_received(directory: Path, writer: JournalWriter) -> None:
    """As intake does: each of these packets will have an outcome again."""
    figures = FigureFile.open(directory / INTAKE_FIGURES, IntakeFigure, writer.id)
    figures.words[IntakeFigure.LAST_NUMBER] = writer.last_number
    figures.close()


def _remove(directory: Path, names: list[str]) -> None:
    removed = False
    for name in names:
        path = directory / Path(name).name
        removed = removed or path.exists()
        path.unlink(missing_ok=True)
    if removed:
        sync_directory(directory)
