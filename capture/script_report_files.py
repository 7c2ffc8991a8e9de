"""The workers' reports of filter scripts as files, for API and command line to read while workers run.

One file a worker, `NAME.json` for the journal NAME, in the directory `filters` beside the journals; replaced
while something changes, and as young as the worker's last look.
"""

import os
from pathlib import Path

import msgspec

from capture.errors import JournalError
from capture.journal.directory import READ_LOCK, is_locked, make_directory
from capture.script_report import FolderProblem, WorkerReport

FILTERS_DIR = "filters"
"""Of reports, switches and kept packets, in the directory of the journals."""


class Reported(msgspec.Struct, frozen=True):
    """A report as it was read."""

    worker: WorkerReport
    runs: bool
    """The worker that wrote it lives and runs scripts. If not, its counts count on, and what it says of
    states does not."""
    is_without: bool = False
    """It lives, and its settings name no scripts."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(WorkerReport)


def filters_directory(journal_dir: Path) -> Path:
    """The directory of reports and switches for the worker of this journal."""
    return journal_dir.parent / FILTERS_DIR


def report_path(filters: Path, journal: str) -> Path:
    return filters / f"{journal}.json"


def write_report(filters: Path, report: WorkerReport, now_us: int) -> None:
    """Replace the worker's report if it has changed; JournalError when that cannot be done.

    In the page cache at once, like the figures: it survives the death of the process. It is not synced, since
    that would hold up packets for a few counts.
    """
    path = report_path(filters, report.journal)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and path.read_bytes() == _encoder.encode(report):
            return
        report.written_us = now_us
        if not filters.is_dir():
            make_directory(filters)
        temporary.write_bytes(_encoder.encode(report))
        temporary.replace(path)
    # UnicodeEncodeError: text of a script that is no text.
    except (OSError, UnicodeEncodeError) as error:
        raise JournalError(f"the report of the filter scripts, {path}, cannot be written: {error}") from error


def report_none(filters: Path, journal: str, now_us: int) -> None:
    """A worker's whose settings name no scripts; JournalError as `write_report`.

    What its lives before counted is kept: a sum over all workers may not fall, and scripts may come back.
    """
    report = read_report(filters, journal) or WorkerReport(journal)
    report.pid, report.is_without = os.getpid(), True
    write_report(filters, report, now_us)


def read_report(filters: Path, journal: str) -> WorkerReport | None:
    """The last report of the worker of a journal, alive or not; None when there is none that can be read."""
    return _read(report_path(filters, journal))


def read_reports(journals: Path) -> list[Reported]:
    """Every worker's report, by the journals' names; `journals` is the directory that holds these."""
    found = []
    for path in sorted((journals / FILTERS_DIR).glob("[!.]*.json")):
        lock = journals / path.stem / READ_LOCK
        report = _read(path)
        if report is None:
            if is_locked(lock):
                found.append(Reported(_unknown(path), runs=True))
        elif report.journal == path.stem:
            lives = _lives(lock, report.pid)
            found.append(Reported(report, lives and not report.is_without, lives and report.is_without))
    return found


def _unknown(path: Path) -> WorkerReport:
    """In place of the report of a worker that lives, if another version wrote it or it may not be read."""
    words = f"what the worker of journal {path.stem} says of them, {path}, cannot be read"
    return WorkerReport(path.stem, problems=[FolderProblem("", words, is_left_out=False)])


def _read(path: Path) -> WorkerReport | None:
    try:
        return _decoder.decode(path.read_bytes())
    # RecursionError: nested deeper than the decoder's stack.
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _lives(lock: Path, pid: int) -> bool:
    """Whether a worker holds the journal, and the same that wrote the report."""
    if not is_locked(lock):
        return False
    try:
        holder = lock.read_text("ascii", "replace").strip()
    except OSError:
        return True
    return holder in ("", str(pid))
