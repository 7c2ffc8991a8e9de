"""How a worker begins, as far as that needs no database."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.script_report import ScriptReport, WorkerReport
from capture.script_report_files import filters_directory, read_reports, write_report
from capture.settings import JournalSettings
from capture.worker import Worker, WorkerOptions


@contextmanager
def a_worker(journal: Path) -> Iterator[Worker]:
    JournalWriter.open(journal, JournalSettings()).close()
    with closing(JournalReader.open(journal)) as reader:
        worker = Worker(WorkerOptions(journal, "postgresql://nowhere"), reader, threading.Event())
        yield worker
        worker.figures.close()


def test_worker_without_scripts_says_so_and_keeps_what_those_counted_that_ran_before(tmp_path: Path) -> None:
    journal = tmp_path / "journal" / "0000"
    report = WorkerReport("0000", scripts=[ScriptReport("mask.lua", calls=3)])
    write_report(filters_directory(journal), report, 0)

    with a_worker(journal) as worker:
        (reported,) = read_reports(journal.parent)

    assert worker.filters is None
    assert (reported.runs, reported.is_without) == (False, True)
    assert [(each.name, each.calls) for each in reported.worker.scripts] == [("mask.lua", 3)]


def test_worker_that_cannot_say_that_it_is_without_scripts_starts_all_the_same(tmp_path: Path) -> None:
    journal = tmp_path / "journal" / "0000"
    journal.mkdir(parents=True)
    filters_directory(journal).touch()

    with a_worker(journal) as worker:
        assert worker.filters is None
