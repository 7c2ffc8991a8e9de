"""How a worker begins, as far as that needs no database."""

import threading
from contextlib import closing
from pathlib import Path

from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.script_report import ScriptReport, WorkerReport, filters_directory, read_report, write_report
from capture.settings import JournalSettings
from capture.worker import Worker, WorkerOptions


def test_worker_without_scripts_says_nothing_of_those_that_ran_before(tmp_path: Path) -> None:
    journal = tmp_path / "journal" / "0000"
    JournalWriter.open(journal, JournalSettings()).close()
    filters = filters_directory(journal)
    write_report(filters, WorkerReport("0000", scripts=[ScriptReport("mask.lua")]), 0)

    with closing(JournalReader.open(journal)) as reader:
        worker = Worker(WorkerOptions(journal, "postgresql://nowhere"), reader, threading.Event())
        worker.figures.close()

    assert worker.filters is None
    assert read_report(filters, "0000") is None
