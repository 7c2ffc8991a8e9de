"""What scripts share and keep between packets: it belongs to the worker, and outlives a reload.

Knows nothing of Lua: the preludes' services are made of it in `homer` and `message`.
"""

from pathlib import Path

from capture.script_report import FolderProblem, MemoryReport, WorkerReport
from capture.scripts.cache import Cache
from capture.scripts.metrics import Metrics
from capture.scripts.saying import Sayings
from capture.scripts.tables import Tables
from capture.settings import FilterSettings

HASH_TABLE_BYTES = 32 * 1024 * 1024
"""As in heplify-server."""


class Services:
    """One worker's."""

    def __init__(self, directory: Path | None, settings: FilterSettings) -> None:
        """`directory` is that of the scripts, below which their tables stand."""
        self.cache = Cache(settings.cache_bytes)
        self.hash_table = Cache(HASH_TABLE_BYTES)
        self.tables = Tables(directory)
        self.metrics = Metrics(settings.series)
        self.sayings = Sayings()
        self._series_refused = self._cache_evicted = self._hash_table_evicted = 0
        self.settings = settings.scripts
        """`[filters.NAME]` by script, without `.lua`."""

    def refresh(self) -> None:
        """Between two batches: take tables that have changed, say what was held back."""
        self.tables.refresh()
        self.sayings.flush()

    def problems(self) -> list[FolderProblem]:
        """What an operator should know of tables, and of metrics that are not counted."""
        found = [FolderProblem(*problem) for problem in self.tables.problems]
        if self.metrics.problem:
            found.append(FolderProblem("", self.metrics.problem, is_left_out=False))
        return found

    def report(self, report: WorkerReport) -> None:
        """What is kept now."""
        report.series = self.metrics.snapshot()
        report.series_refused = self._series_refused + self.metrics.refused
        report.cache = _memory(self.cache, self._cache_evicted)
        report.hash_table = _memory(self.hash_table, self._hash_table_evicted)

    def carry_on(self, report: WorkerReport) -> None:
        """Count on from what the report has of the worker's life before."""
        self._series_refused = report.series_refused
        self._cache_evicted = report.cache.evicted
        self._hash_table_evicted = report.hash_table.evicted


def _memory(cache: Cache, evicted_before: int) -> MemoryReport:
    return MemoryReport(len(cache), cache.bytes, cache.max_bytes, evicted_before + cache.evicted)
