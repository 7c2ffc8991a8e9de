"""Reports of workers about filter scripts, as those would write them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capture.journal.directory import READ_LOCK, lock
from capture.script_report import ScriptReport, WorkerReport
from capture.script_report_files import FILTERS_DIR, Reported, write_report

SHA = "a" * 64


def a_script(name: str = "mask.lua", *, calls: int = 0, **fields: Any) -> ScriptReport:
    """One that runs, each call of 1 µs."""
    script = ScriptReport(name, SHA, **fields)
    for _ in range(calls):
        script.count_call(1000)
    return script


def a_report(*scripts: ScriptReport, journal: str = "0000", runs: bool = True, **fields: Any) -> Reported:
    return Reported(WorkerReport(journal, scripts=list(scripts), **fields), runs=runs)


@contextmanager
def kept(data_dir: Path, *reports: Reported) -> Iterator[Path]:
    """The reports on disk, and, for those of living workers, their journals held by this process; the
    directory of the filters."""
    filters = data_dir / "journal" / FILTERS_DIR
    locks = []
    for each in reports:
        write_report(filters, each.worker, 0)
        directory = data_dir / "journal" / each.worker.journal
        directory.mkdir(exist_ok=True)
        if each.runs:
            locks.append(lock(directory / READ_LOCK, "worker"))
    try:
        yield filters
    finally:
        for descriptor in locks:
            os.close(descriptor)
