"""What is known of the filter scripts on this machine: the workers' reports and the switches, put together.

Read without disturbing anyone, at any time, whether the workers live or not. Counts are those of all workers
that ever wrote a report, so that none goes back when a worker ends; states are those of the ones that live,
and what has just been switched is shown as it will be once they have seen it. Knows no HTTP and no Lua.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from capture.script_report import (
    BARRED,
    SCRIPT_LABEL,
    FolderProblem,
    MemoryReport,
    ScriptErrors,
    ScriptReport,
    Series,
    add_series,
    quantile_s,
)
from capture.script_report_files import FILTERS_DIR, Reported, read_reports
from capture.script_switches import Off, SwitchedOff, read_off

State = Literal["running", "switched off", "disabled", "not loaded", "stopped"]
"""`stopped`: it would run, but no worker does."""

GOES_ON_US = 300_000_000
"""A script that failed so lately is taken to fail still."""
_STOPPED = "no worker runs"


class FilterScript(msgspec.Struct, frozen=True):
    """One script, as all workers run it."""

    counts: ScriptReport
    """Of all workers; its state is not to be used."""
    state: State
    why: str
    """Why it does not run, in words; empty when it does."""
    load_error: str
    """Why the file as it is now could not be loaded, whether an earlier version runs or not."""
    packet: str | None
    """The file below `packets` with what it failed at."""
    is_barrier: bool
    """It does not run in some worker, which drops the packets that it is for."""
    workers: dict[str, str]
    """The state in each worker that lives, by its journal."""
    since_us: int
    """When the first of these was started."""

    @property
    def name(self) -> str:
        return self.counts.name

    @property
    def is_broken(self) -> bool:
        """The file as it is now cannot be loaded."""
        return bool(self.load_error) or self.state == "not loaded"

    def failing(self, now_us: int) -> ScriptErrors | None:
        """The last error of a script that runs and, as it is now, goes on to fail; None for one that does
        not. Since the last start the settings may have been mended."""
        errors = [each for each in self.counts.errors if not each.is_past and each.last_us >= self.since_us]
        last = max(errors, key=lambda each: each.last_us, default=None)
        if self.state != "running" or last is None or now_us - last.last_us >= GOES_ON_US:
            return None
        return last

    def warnings(self) -> Iterator[str]:
        """What somebody has to see to, but for its errors."""
        barred = f" ({BARRED})" if self.is_barrier else ""
        if self.state == "switched off":
            yield f"switched off: {self.name}: {self.why}{barred}"
        if self.is_broken:
            runs_on = " (an earlier version runs)" if self.state == "running" else barred
            yield f"not loaded: {self.name}: {self.load_error or self.why}{runs_on}"

    def quantile_s(self, share: float) -> float | None:
        """The time that `share` of its calls did not exceed; None before the first call."""
        return quantile_s(self.counts.latency, share)


class Filters(msgspec.Struct, frozen=True):
    """All of them, in the order in which they run."""

    scripts: list[FilterScript] = []
    problems: list[FolderProblem] = []
    """What the workers that live found in the folder, each once."""
    trouble: list[str] = []
    """Of the switches, in words."""
    without: str = ""
    """Which workers run no scripts although others do, in words; empty when there are none."""
    cache: MemoryReport = msgspec.field(default_factory=MemoryReport)
    """Of all workers: sizes of those that live."""
    hash_table: MemoryReport = msgspec.field(default_factory=MemoryReport)
    series: list[Series] = []
    series_refused: int = 0
    off: Off = {}
    """The switches as they are written, also of scripts that no worker knows."""

    def script(self, name: str) -> FilterScript | None:
        return next((each for each in self.scripts if each.name == name), None)

    def is_told_by_folder(self, script: FilterScript) -> bool:
        """All that is wrong with this script is that the folder cannot be read; it runs as it was."""
        folder = {problem.words for problem in self.problems if not problem.name}
        return script.state == "running" and script.load_error in folder

    def other_problems(self) -> list[FolderProblem]:
        """Those that no script's own warning tells."""
        told = {script.name for script in self.scripts if script.is_broken}
        return [problem for problem in self.problems if problem.name not in told]


def read_filters(data_dir: Path) -> Filters:
    """Everything below a data directory; nothing where no worker ever had a script."""
    journals = data_dir / "journal"
    reports = read_reports(journals)
    off, trouble = read_off(journals / FILTERS_DIR)
    return put_together(reports, off, trouble)


def put_together(reports: Sequence[Reported], off: Off, trouble: str = "") -> Filters:
    """`trouble` is why the switches cannot be read."""
    living = [each for each in reports if each.runs]
    without = [each.worker.journal for each in reports if each.is_without]
    workers = [each.worker for each in reports]
    names = _names(reports, off)
    gone = {script.name for worker in workers for script in worker.scripts}.difference(names)
    series = [each for worker in workers for each in (*worker.series, *worker.earlier)]
    problems = {(problem.name, problem.words): problem for each in living for problem in each.worker.problems}
    troubles = [trouble, *(each.worker.switches_problem for each in living)]
    return Filters(
        scripts=[_script(name, reports, off.get(name), is_off_known=not trouble) for name in names],
        problems=list(problems.values()),
        trouble=list(dict.fromkeys(filter(None, troubles))),
        without=_words_of(without) if living and without else "",
        cache=_memory([(each.runs, each.worker.cache) for each in reports]),
        hash_table=_memory([(each.runs, each.worker.hash_table) for each in reports]),
        series=add_series([each for each in series if each.labels.get(SCRIPT_LABEL) not in gone]),
        series_refused=sum(each.series_refused for each in workers),
        off=off,
    )


def as_stopped(script: FilterScript) -> FilterScript:
    """Nothing keeps it from running but that no worker does."""
    return msgspec.structs.replace(script, state="stopped", why=_STOPPED, packet=None)


def failures_of(filters: Filters, now_us: int) -> Iterator[str]:
    """Scripts that fail in packets, in words: somebody has to see to these, too."""
    for script in filters.scripts:
        if (error := script.failing(now_us)) is not None:
            yield f"failing: {script.name}: {error}"


def warnings_of(filters: Filters) -> Iterator[str]:
    """What somebody has to see to, in words. What a person has disabled is as it is meant to be."""
    for script in filters.scripts:
        if not filters.is_told_by_folder(script):
            yield from script.warnings()
    for problem in filters.other_problems():
        if problem.name and problem.is_left_out:
            yield f"not loaded: {problem}"
        else:
            run_on = not problem.name and any(map(filters.is_told_by_folder, filters.scripts))
            yield f"filter scripts: {problem}{' (earlier versions run)' if run_on else ''}"
    for words in filters.trouble:
        yield f"filter scripts: {words}"
    if filters.without:
        yield f"filter scripts: {filters.without}"


def _words_of(without: Sequence[str]) -> str:
    """Of workers that let through what scripts of others are to keep out."""
    return f"the worker of journal {', '.join(without)} runs none, as its settings name none; others run some"


def _names(reports: Sequence[Reported], off: Off) -> list[str]:
    """Of the scripts that living workers have in their folder; of those there last when none lives."""
    seen = [each for each in reports if each.runs]
    last = [] if any(each.is_without for each in reports) else reports
    names = [script.name for each in seen or last for script in each.worker.scripts]
    # What a worker has switched off is in its report, unless it was deleted since.
    others = [name for name in sorted(off) if off[name].is_by_person or not reports]
    return list(dict.fromkeys([*names, *([] if seen else others)]))


def _script(
    name: str, reports: Sequence[Reported], off: SwitchedOff | None, *, is_off_known: bool
) -> FilterScript:
    counts = ScriptReport(name)
    living: dict[str, ScriptReport] = {}
    newest: ScriptReport | None = None
    is_on_again = False
    for each in reports:
        found = each.worker.script(name)
        if found is None:
            continue
        counts.add_counts(found)
        newest = found if each.runs or newest is None else newest
        if each.runs:
            living[each.worker.journal] = found
            counts.memory_bytes += found.memory_bytes
            # A worker that could not write its switches is the only one to know of them.
            is_on_again |= is_off_known and not each.worker.switches_problem and _was_switched(found)
    if newest is not None:
        counts.sha256, counts.is_new_kind = newest.sha256, newest.is_new_kind
        counts.is_example, counts.entry_points = newest.is_example, [*newest.entry_points]
    holds = off is not None and (newest is None or off.holds_for(newest.sha256))
    state, why = _state(living, off if holds else None, is_on_again=is_on_again)
    return FilterScript(
        counts=counts,
        state=state,
        why=why,
        load_error=next((each.load_error for each in living.values() if each.load_error), ""),
        packet=off.packet if off is not None and holds else None,
        is_barrier=any(each.is_barrier for each in living.values()),
        workers={journal: each.state for journal, each in living.items()},
        since_us=min((each.worker.started_us for each in reports if each.runs), default=0),
    )


def _state(
    living: dict[str, ScriptReport], off: SwitchedOff | None, *, is_on_again: bool
) -> tuple[State, str]:
    if off is not None:
        return ("disabled" if off.is_by_person else "switched off"), str(off)
    if not living:
        return "stopped", _STOPPED
    if is_on_again or any(each.state == "running" for each in living.values()):
        return "running", ""
    return next((each.state, each.why) for each in living.values())


def _was_switched(script: ScriptReport) -> bool:
    """Off by a switch, when its worker looked last."""
    return script.state in ("switched off", "disabled") and not script.is_off_by_setting


def _memory(reports: Sequence[tuple[bool, MemoryReport]]) -> MemoryReport:
    living = [memory for runs, memory in reports if runs]
    return MemoryReport(
        entries=sum(each.entries for each in living),
        bytes=sum(each.bytes for each in living),
        limit_bytes=sum(each.limit_bytes for each in living),
        evicted=sum(memory.evicted for _, memory in reports),
    )
