"""Imports of capture files: what is known of each, and how a message knows which one it came by.

A record of the journal names its import in place of a peer, with the time at which its frame was captured
(`peer_of`). What the import is called stands in a file of its own, `DATA/journal/import/reports/NUMBER.json`,
which is on disk before its first record, and stays when what was imported is deleted. Knows nothing of what
is imported.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final

import msgspec

from capture.errors import JournalError, LabelRefused
from capture.journal.directory import make_directory, write_whole

JOURNAL_NAME: Final = "import"
"""Of the journal that all imports of a machine go through, one after the other."""
REPORTS_DIR: Final = "reports"

LABEL: Final = "import_label"
"""The tag under which messages show by which import they came."""
MOST_LABEL_CHARS: Final = 64
_LABEL_FORM: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MOST_LABEL_CHARS - 1}}}")
"""What stands in an address and in a search without quoting."""

_PEER: Final = Struct(">Qq")


def peer_of(number: int, frame_us: int) -> bytes:
    """In place of a peer: the import, and when the frame was captured, microseconds since the Unix epoch."""
    return _PEER.pack(number, frame_us)


def import_of(peer: bytes) -> tuple[int, int]:
    """Number and time back from `peer_of`."""
    number, frame_us = _PEER.unpack(peer)
    return number, frame_us


class ImportReport(msgspec.Struct, omit_defaults=True):
    """One import. Times in microseconds since the Unix epoch."""

    number: int
    """When it began: no two are the same."""
    label: str
    file: str
    """As its sender called it."""
    by: str
    """Who imported it."""
    to_now: bool = False
    """Its times were moved to the present."""
    ended_us: int = 0
    """0: it goes on, or was broken off."""
    inserted: int = 0
    """Packets that it brought into the journal."""
    rejected: dict[str, int] = {}
    """Packets that it could not bring, by the reason."""
    passed_over: dict[str, int] = {}
    """Frames of what is not kept, by what they were."""
    first_us: int = 0
    """Capture time of the oldest packet, as it was imported."""
    last_us: int = 0
    error: str = ""
    """Why the file could not be read to its end."""
    last_record: int = 0
    """Number of its last record in the journal; 0: it has none, or they are not all there yet."""
    deleted_us: int = 0
    """When its messages were deleted."""
    deleted_by: str = ""


def check_label(label: str) -> str:
    """The label itself; LabelRefused in words when it is none."""
    if _LABEL_FORM.fullmatch(label) is None:
        raise LabelRefused(
            f"a label has 1 to {MOST_LABEL_CHARS} letters, digits, dots, dashes and underscores, and begins"
            " with a letter or a digit"
        )
    return label


def made_up_label(file: str, number: int) -> str:
    """A label for who gave none: the file's name and the moment."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(file).stem).strip("-_") or "import"
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(number // 1_000_000))
    return f"{stem[: MOST_LABEL_CHARS - 30]}-{moment}.{number % 1_000_000:06}"


def reports_directory(data_dir: Path) -> Path:
    """Where the reports are."""
    return data_dir / "journal" / JOURNAL_NAME / REPORTS_DIR


def write_report(directory: Path, report: ImportReport) -> None:
    """On disk when this returns; JournalError when it cannot be written."""
    try:
        make_directory(directory)
        write_whole(_path(directory, report.number), msgspec.json.encode(report))
    except OSError as error:
        raise JournalError(f"the report of an import cannot be written in {directory}: {error}") from error


def read_reports(directory: Path) -> Iterator[ImportReport]:
    """Every import, the oldest first; those whose file cannot be read are left out."""
    for path in sorted(directory.glob("*.json")):
        report = _read(path)
        if report is not None:
            yield report


def _read(path: Path) -> ImportReport | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ImportReport)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:020}.json"


class Labels:
    """What the imports that a worker meets are called."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[int, str | None] = {}

    def of(self, number: int) -> str | None:
        """None: its report has gone."""
        if number not in self._known:
            report = _read(_path(self._directory, number))
            self._known[number] = None if report is None else report.label
        return self._known[number]
