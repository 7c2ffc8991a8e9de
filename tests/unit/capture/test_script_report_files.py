"""Reports of filter scripts on disk, of workers alive and gone."""

import os
from pathlib import Path

import pytest

from capture.errors import JournalError
from capture.journal.directory import READ_LOCK, lock
from capture.script_report import (
    FolderProblem,
    MemoryReport,
    ScriptReport,
    Series,
    WorkerReport,
)
from capture.script_report_files import (
    filters_directory,
    read_report,
    read_reports,
    report_none,
    report_path,
    write_report,
)


def a_worker(journal: str = "0000", **scripts: int) -> WorkerReport:
    """Scripts by their names without `.lua`, and how often each was called."""
    return WorkerReport(
        journal, scripts=[ScriptReport(f"{name}.lua", calls=calls) for name, calls in scripts.items()]
    )


@pytest.fixture
def journal_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "journal" / "0000"
    directory.mkdir(parents=True)
    return directory


def test_report_comes_back_as_it_was_written(journal_dir: Path) -> None:
    report = a_worker(mask=7)
    report.scripts[0].count_drop("scanner")
    report.scripts[0].count_error(3, "error", "attempt to index a nil value", 5)
    report.problems = [FolderProblem("x.lua", "is empty", is_left_out=False)]
    report.series = [Series("calls", {"trunk": "a"}, 2.0)]
    report.cache = MemoryReport(1, 20, 300, 4)

    write_report(filters_directory(journal_dir), report, 9)

    assert read_report(filters_directory(journal_dir), "0000") == report
    assert report.written_us == 9


def test_directory_that_cannot_be_made_is_said(journal_dir: Path) -> None:
    filters_directory(journal_dir).write_text("a file")

    with pytest.raises(JournalError, match=r"0000\.json, cannot be written"):
        write_report(filters_directory(journal_dir), a_worker(), 0)


@pytest.mark.parametrize(
    "content",
    [b'{"journal": "0000", "pid"', b"", b"[]", b'{"journal": "0000", "x": ' + b"[" * 100_000, b"\xff"],
)
def test_broken_report_and_none_at_all_are_none(journal_dir: Path, content: bytes) -> None:
    filters = filters_directory(journal_dir)
    filters.mkdir()
    report_path(filters, "0000").write_bytes(content)

    assert read_report(filters, "0000") is None
    assert read_report(filters, "0001") is None
    assert read_reports(journal_dir.parent) == []


def test_worker_whose_settings_name_no_scripts_keeps_the_counts_and_says_so_while_it_lives(
    journal_dir: Path,
) -> None:
    filters = filters_directory(journal_dir)
    write_report(filters, a_worker("0000", mask=3), 0)

    report_none(filters, "0000", 1)
    ended = [(each.runs, each.is_without) for each in read_reports(journal_dir.parent)]
    descriptor = lock(journal_dir / READ_LOCK, "worker")
    (living,) = read_reports(journal_dir.parent)
    os.close(descriptor)

    assert ended == [(False, False)]
    assert (living.runs, living.is_without) == (False, True)
    assert [each.calls for each in living.worker.scripts] == [3]


def test_scripts_that_are_named_again_count_on(journal_dir: Path) -> None:
    filters = filters_directory(journal_dir)
    write_report(filters, a_worker("0000", mask=3), 0)
    report_none(filters, "0000", 1)
    now = a_worker("0000", mask=0)

    now.carry_on(read_report(filters, "0000"))

    assert ([each.calls for each in now.scripts], now.is_without) == ([3], False)


def test_worker_that_holds_its_journal_runs_and_its_predecessor_does_not(journal_dir: Path) -> None:
    filters = filters_directory(journal_dir)
    write_report(filters, a_worker("0000"), 0)
    before = [reported.runs for reported in read_reports(journal_dir.parent)]
    descriptor = lock(journal_dir / READ_LOCK, "worker")
    while_held = [reported.runs for reported in read_reports(journal_dir.parent)]
    predecessors = a_worker("0000")
    predecessors.pid = os.getpid() + 1
    write_report(filters, predecessors, 0)

    of_predecessor = [reported.runs for reported in read_reports(journal_dir.parent)]
    os.close(descriptor)

    assert (before, while_held, of_predecessor) == ([False], [True], [False])


def test_other_files_of_the_directory_are_no_reports(journal_dir: Path) -> None:
    filters = filters_directory(journal_dir)
    write_report(filters, a_worker("0000"), 0)
    (filters / "off.json").write_text("{}")
    (filters / ".0001.json.77").write_text('{"journal": "0001"}')

    assert [reported.worker.journal for reported in read_reports(journal_dir.parent)] == ["0000"]


def test_report_that_says_nothing_new_is_not_written(journal_dir: Path) -> None:
    filters = filters_directory(journal_dir)
    report = a_worker(mask=7)
    write_report(filters, report, 9)
    before = report_path(filters, "0000").stat()

    write_report(filters, report, 10)
    unchanged = report_path(filters, "0000").stat()
    report.scripts[0].calls += 1
    write_report(filters, report, 11)

    assert (unchanged.st_ino, unchanged.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert read_report(filters, "0000") == report
    assert report.written_us == 11


def test_text_that_is_none_is_said_and_not_raised(journal_dir: Path) -> None:
    report = a_worker(mask=7)
    report.scripts[0].why = "\udcff"

    with pytest.raises(JournalError, match="cannot be written"):
        write_report(filters_directory(journal_dir), report, 9)


def test_report_of_a_living_worker_that_cannot_be_read_is_said(journal_dir: Path) -> None:
    filters = filters_directory(journal_dir)
    filters.mkdir()
    report_path(filters, "0000").write_text('{"journal": "0000", "scripts": [{"name": "a", "state": "new"}]}')
    (filters / "off.json").write_text("{}")
    descriptor = lock(journal_dir / READ_LOCK, "worker")

    (reported,) = read_reports(journal_dir.parent)
    os.close(descriptor)

    (problem,) = reported.worker.problems
    assert "worker of journal 0000" in problem.words
    assert (reported.runs, reported.worker.scripts) == (True, [])
    assert read_reports(journal_dir.parent) == []
