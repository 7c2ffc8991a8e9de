"""Importing a capture file: read, put into the journal as HEP, counted, and called by a label.

Before the first packet the label is on disk, before the answer all packets are. Whatever ends an import early
leaves what it had brought so far, under its label.
"""

import os
import time
from collections import Counter
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import Field

from capture.errors import ImportStopped, JournalError, PcapError
from capture.imported import (
    ImportReport,
    check_label,
    made_up_label,
    peer_of,
    read_reports,
    reports_directory,
    write_report,
)
from capture.imports.journal import ImportJournal, Outcomes, Stop, open_import_journal
from capture.imports.task import ImportResult
from capture.imports.traffic import Progress, Traffic, first_error
from capture.journal.record import Arrival, Carrier
from capture.settings import HepSettings, ImportSettings, JournalSettings, Part, RetentionSettings
from capture.store.expiry import FOR_EVER, kept_since

_BATCH: Final = 256
_OUTCOMES: Final = {
    "filtered": "filtered by a script",
    "duplicate": "duplicates",
    "malformed": "malformed HEP",
    "failed": "failed and set aside",
}
"""What packets have come to that were in the journal and are not stored, in words."""


class ImportJob(Part):
    """All that an import needs."""

    name: str
    """What it is called."""
    label: str = ""
    """Empty: made of the name and the moment."""
    by: str
    to_now: bool = False
    data_dir: Path
    journal: JournalSettings = JournalSettings()
    hep: HepSettings = HepSettings()
    retention: RetentionSettings = RetentionSettings()
    imports: ImportSettings = Field(default=ImportSettings())


def run_import(
    job: ImportJob, file: BinaryIO, progress: Progress | None = None, stop: Stop = lambda: False
) -> ImportResult:
    """Import a file. PcapError when it is no capture at all; ImportRefused when the label is none, or another
    import is going on.

    `progress` is told the bytes of the file that have been read; half of them where it is read twice.
    An import that is told to stop keeps what it has brought, and says so as its error.
    """
    if job.label:
        check_label(job.label)
    error = first_error(file, job.name)
    if error is not None:
        raise error
    with open_import_journal(job.data_dir, job.journal, job.imports) as journal:
        return _Import(job, file, journal, progress, stop).run()


class _Import:
    """One import, while it has the journal."""

    def __init__(
        self, job: ImportJob, file: BinaryIO, journal: ImportJournal, progress: Progress | None, stop: Stop
    ) -> None:
        self._job = job
        self._file = file
        self._file_bytes = file.seek(0, os.SEEK_END)
        self._journal = journal
        self._progress = progress
        self._stop = stop
        self._reports = reports_directory(job.data_dir)
        number = self._number()
        label = job.label or made_up_label(job.name, number)
        self._report = ImportReport(number, label, job.name, job.by, to_now=job.to_now)
        self._began = journal.last_number
        self._batch: list[Arrival] = []

    def run(self) -> ImportResult:
        job, report = self._job, self._report
        now_us = time.time_ns() // 1000
        shift_us = self._shift_us(now_us) if job.to_now else 0
        since = kept_since(job.retention, now_us)
        traffic = Traffic(now_us, since, job.hep.max_payload_bytes, shift_us)
        result = ImportResult(report)
        try:
            self._bring(traffic)
        except (PcapError, JournalError, ImportStopped) as error:
            result.error = str(error)
            result.is_file_broken = isinstance(error, PcapError)
        self._end(traffic, result)
        wait_s = job.imports.wait_s
        outcomes = self._journal.outcomes(wait_s, self._stop) if report.inserted else Outcomes(0, {})
        if outcomes is not None:
            self._count(outcomes, result)
        return result

    def _tell_first(self, read_bytes: int) -> None:
        """Of a file that is read twice, for the first time."""
        self._go_on(read_bytes // 2)

    def _tell(self, read_bytes: int) -> None:
        self._go_on((self._file_bytes + read_bytes) // 2 if self._job.to_now else read_bytes)

    def _go_on(self, done_bytes: int) -> None:
        if self._stop():
            raise ImportStopped("the import was stopped")
        if self._progress is not None:
            self._progress(done_bytes)

    def _number(self) -> int:
        """The moment, unless the clock has been set back since the last import."""
        last = max((report.number for report in read_reports(self._reports)), default=0)
        return max(time.time_ns() // 1000, last + 1)

    def _shift_us(self, now_us: int) -> int:
        """By which the newest packet comes to lie in the present."""
        traffic = Traffic(now_us, FOR_EVER, self._job.hep.max_payload_bytes)
        newest_us = 0
        try:
            for taken in traffic.packets(self._file, self._job.name, self._tell_first):
                # What has no time of its own is of this moment as it is.
                if taken.time_us != now_us:
                    newest_us = max(newest_us, taken.time_us)
        except (PcapError, ImportStopped):
            # Both are met again, and told, when the file is read for good.
            pass
        return now_us - newest_us if newest_us else 0

    def _bring(self, traffic: Traffic) -> None:
        report = self._report
        number, now_us = report.number, time.time_ns() // 1000
        self._tell(0)
        try:
            for taken in traffic.packets(self._file, self._job.name, self._tell):
                peer = peer_of(number, taken.frame_us)
                self._batch.append((now_us, Carrier.IMPORT, peer, 0, taken.packet))
                report.first_us = min(report.first_us or taken.time_us, taken.time_us)
                report.last_us = max(report.last_us, taken.time_us)
                if len(self._batch) >= _BATCH:
                    self._append()
                    now_us = time.time_ns() // 1000
        except (PcapError, ImportStopped):
            self._append()
            raise
        self._append()
        if self._progress is not None:
            self._progress(self._file_bytes)

    def _append(self) -> None:
        if self._batch:
            if self._journal.last_number == self._began:
                # A label without packets does no harm; packets without a label could not be found by it.
                write_report(self._reports, self._report)
            batch, self._batch = self._batch, []
            self._journal.append(batch, self._stop)

    def _end(self, traffic: Traffic, result: ImportResult) -> None:
        """Everything on disk, the packets before what is said of them."""
        report = self._report
        report.inserted = self._journal.last_number - self._began
        report.rejected, report.passed_over = dict(traffic.rejected), dict(traffic.passed_over)
        report.error, result.untimed = result.error, traffic.untimed
        if report.inserted:
            self._journal.sync()
            report.last_record = self._journal.last_number
            report.ended_us = time.time_ns() // 1000
            write_report(self._reports, report)

    def _count(self, outcomes: Outcomes, result: ImportResult) -> None:
        """Say what became of the packets in place of how many went into the journal."""
        report = self._report
        result.is_stored = True
        others = {_OUTCOMES.get(name, name): count for name, count in outcomes.others.items()}
        report.rejected = dict(Counter(report.rejected) + Counter(others))
        if report.inserted:
            report.inserted = outcomes.written
            write_report(self._reports, report)
