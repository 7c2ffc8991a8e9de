"""The filter scripts of one worker over its life: what its last end says of them, reload, switches, report.

Puts loader, engine, switches and report together. Nothing here may keep a worker from storing: what goes
wrong is said in the log and in the report.
"""

import gc
import logging
import time
from collections.abc import Callable, MutableSequence
from pathlib import Path
from typing import NamedTuple

from capture.errors import JournalError, ScriptError
from capture.journal.figures import WorkerFigure
from capture.mark import ScriptDeath
from capture.script_names import KnownNames
from capture.script_report import BARRED, FolderProblem, ScriptReport, WorkerReport, said_of
from capture.script_report_files import filters_directory, read_report, write_report
from capture.script_switches import Off, Switches
from capture.scripts.engine import Engine
from capture.scripts.folder import Script
from capture.scripts.kept import KeptVersions
from capture.scripts.loading import Loader
from capture.scripts.runner import script_mark
from capture.scripts.services import Services
from capture.settings import FilterSettings

log = logging.getLogger(__name__)

LOOK_S = 0.4
"""How often files and switches are looked at. What has changed is taken into use when it looks the same
twice, so that a file which is just being written is not."""


class _Said(NamedTuple):
    """What the log has of a script."""

    state: str
    why: str
    load_error: str
    sha256: str
    """Of the text that runs; empty when none does."""

    @classmethod
    def of(cls, report: ScriptReport) -> "_Said":
        running = report.sha256 if report.state == "running" else ""
        return cls(report.state, report.why, report.load_error, running)


class WorkerFilters:
    """Owned by the worker, from its start to its end."""

    def __init__(
        self,
        directory: Path | None,
        settings: FilterSettings,
        journal_dir: Path,
        words: "memoryview[int] | MutableSequence[int]",
    ) -> None:
        """`directory` holds the scripts; `words` are the worker's figures."""
        self._filters = filters_directory(journal_dir)
        self._watchdog_s = settings.watchdog_s
        self._words = words
        self._switches = Switches(self._filters)
        self._services = Services(directory, settings)
        self._report = WorkerReport(journal_dir.name, started_us=time.time_ns() // 1000)
        self._before = read_report(self._filters, journal_dir.name)
        self.engine = Engine(
            settings, self._report, words, self._strike, self._services.sayings.fail, self._note_end
        )
        self._services.sayings.around = self.engine.unwatched
        self.names: KnownNames | None = None
        """Of headers and tags, as the worker's session knows them."""
        kept = KeptVersions(self._filters)
        self._loader = Loader(directory, settings, self._services, kept, self.engine.begin)
        self._problems: list[FolderProblem] = []
        """Of the folder, when it was last loaded."""
        self._off: Off = {}
        """What was switched off then."""
        self._loaded: object = None
        self._looked: object = None
        self._look_due = 0.0
        self._is_stale = False
        self._complaint = ""

    def start(self, death: ScriptDeath | None, received: Callable[[tuple[int, int]], bytes | None]) -> None:
        """Load what is there. `death`: how the worker's last life ended, if by a script; `received` gives the
        packet at a place of the journal."""
        if death is not None:
            self._blame(death, None if death.place is None else received(death.place))
        self._loaded = self._loader.stamp()
        self._load()
        self._report.carry_on(self._before)
        self._services.carry_on(self._report)
        self._write_report()

    def turn(self) -> None:
        """Between two batches: take into use what has changed, and report. Costs a look at the clock."""
        now = time.monotonic()
        if now >= self._look_due:
            self._look_due = now + LOOK_S
            self.look()

    def look(self) -> None:
        """What `turn` does when it is time."""
        self._services.refresh()
        looks = self._loader.stamp()
        settled, self._looked = looks == self._looked, looks
        # Switches that cannot be written count as changed all the time.
        is_switched = self._switches.changed() and self._switches.read() != self._off
        if self._is_stale or is_switched or (settled and looks != self._loaded):
            if settled:
                self._loaded = looks
            self._load()
        self._write_report()

    def stop(self) -> None:
        """The worker ends well: nothing is watched any more, and the last counts are shown."""
        self.engine.stop()
        self._services.refresh()
        self._write_report()

    def _load(self) -> None:
        self._is_stale = False
        self._off = self._switches.read()
        # As they are now: loading writes into the same reports.
        before = {report.name: _Said.of(report) for report in self._report.scripts}
        told = {str(problem) for problem in _to_tell(self._problems, self._report.scripts)}
        loaded = self._loader.load(self._off)
        self.engine.use(loaded.runners)
        # States that are replaced hold each other in cycles through Lua, and a worker collects hardly ever.
        gc.collect()
        self._report.keep_scripts(loaded.reports)
        self._services.metrics.keep_only([report.name for report in loaded.reports])
        self._problems = loaded.problems
        for report in loaded.reports:
            said = before.pop(report.name, None)
            if said != _Said.of(report):
                _say(report, said)
        for name in before:
            _log_of(logging.INFO, f"script {name}", "is gone, and runs no more")
        for problem in _to_tell(loaded.problems, loaded.reports):
            if str(problem) not in told:
                place = f"scripts: {problem.name}" if problem.name else "scripts"
                _log_of(logging.WARNING, place, problem.words)

    def _blame(self, death: ScriptDeath, received: bytes | None) -> None:
        script = next(
            (script for script in self._loader.versions() if script_mark(script) == death.script), None
        )
        if script is None:
            log.warning("a filter script ended this worker and has been edited since")
        elif death.by_watchdog:
            what = "held a packet" if death.place is not None else "was being loaded"
            reason = f"{what} for longer than {self._watchdog_s:g} s"
            self._switches.strike(script.name, script.sha256, reason, received)
        else:
            self._switches.switch_off(script.name, script.sha256, "ended two workers at one packet", received)

    def _strike(self, script: Script, error: ScriptError, packet: bytes) -> bool:
        words = said_of(script.name, str(error))
        off = self._switches.strike(script.name, script.sha256, words, packet)
        self._is_stale = self._is_stale or off
        return off

    def _note_end(self) -> None:
        self._words[WorkerFigure.SCRIPT_ENDED] = 1
        name = self.engine.running
        log.critical("script %s does not come back: this worker ends, and starts again", name)

    def _write_report(self) -> None:
        report = self._report
        report.switches_problem = self._switches.problem
        report.problems = [*self._problems, *self._services.problems()]
        if self.names is not None and self.names.problem:
            report.problems.append(FolderProblem("", self.names.problem, is_left_out=False))
        self._services.report(report)
        self._loader.measure()
        try:
            write_report(self._filters, report, time.time_ns() // 1000)
        except JournalError as error:
            if str(error) != self._complaint:
                log.warning("%s", error)
            self._complaint = str(error)


def _to_tell(problems: list[FolderProblem], reports: list[ScriptReport]) -> list[FolderProblem]:
    """What else there is to say of a file that cannot be loaded is of no use to anybody."""
    broken = {report.name for report in reports if report.load_error}
    return [problem for problem in problems if problem.name not in broken]


def _say(report: ScriptReport, before: _Said | None) -> None:
    """Say in the log what has become of a script."""
    name = f"script {report.name}"
    barred = f", and {BARRED}" if report.is_barrier else ""
    if report.load_error and (before is None or before.load_error != report.load_error):
        kept = "its last good version runs on" if report.state == "running" else f"it does not run{barred}"
        _log_of(logging.ERROR, name, f"cannot be loaded: {report.load_error}; {kept}")
    elif report.state == "switched off" and before is not None:
        # The worker that switched it off has said so, and why.
        if report.is_barrier:
            _log_of(logging.ERROR, name, f"does not run{barred}")
    elif report.state != "running":
        why = report.why if report.state == "disabled" else f"{report.state}: {report.why}"
        _log_of(logging.INFO, name, why)
    elif before is not None and before.state == "running" and not before.load_error:
        _log_of(logging.INFO, name, "has changed, and runs as it is now")
    else:
        _log_of(logging.INFO, name, "running")


def _log_of(level: int, name: str, words: str) -> None:
    # The name is in the template, by which equal lines are told: one script's must not hold up another's.
    template = name.replace("%", "%%") + ": %s"
    log.log(level, template, words)
