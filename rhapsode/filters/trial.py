"""Scripts of a folder loaded to be tried: as a worker loads them, but nothing outlives the trial."""

import re
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path

from capture.draft import Draft
from capture.errors import ScriptError
from capture.hep.packet import Packet
from capture.interpret import Interpreter
from capture.script_report import ScriptReport
from capture.scripts.engine import ERROR_REASON
from capture.scripts.folder import SUFFIX, Begin, Script, read_folder, unwatched
from capture.scripts.kept import KeptVersions
from capture.scripts.loading import Loader
from capture.scripts.runner import Runner
from capture.scripts.services import Services
from capture.scripts.tables import names_in
from capture.settings import FilterSettings, SipSettings
from rhapsode.errors import RhapsodeError
from rhapsode.filters.changes import Change, changes_of


class Tried:
    """A message after the scripts."""

    def __init__(self, draft: Draft, error: ScriptError | None) -> None:
        self.draft = draft
        self.error = error
        """Of the first script that failed."""

    @cached_property
    def changes(self) -> list[Change]:
        """What differs from the message as it came, but for the payload."""
        return changes_of(self.draft)

    @property
    def is_changed(self) -> bool:
        """Whether something of it would be stored otherwise."""
        return self.draft.payload != self.draft.packet.payload or bool(self.changes)

    @property
    def is_touched(self) -> bool:
        """Whether the scripts made any difference."""
        return self.is_changed or self.error is not None or self.draft.dropped is not None


class Trial:
    """Some scripts, and what they remember from one packet to the next."""

    def __init__(
        self,
        directory: Path,
        names: Collection[str],
        services: Services,
        filters: FilterSettings,
        sip: SipSettings,
        begin: Begin = unwatched,
    ) -> None:
        """`names` are files of the folder. ScriptError for one that cannot be loaded, RhapsodeError for one
        that is not there."""
        others = [path.name for path in directory.glob(f"*{SUFFIX}") if path.name not in names]
        chosen = filters.model_copy(update={"disabled": tuple(others), "examples": ()})
        loaded = Loader(directory, chosen, services, KeptVersions(None), begin).load({})
        for report in loaded.reports:
            if report.load_error:
                raise ScriptError("error", load_error(report))
        self._runners = [runner for runner in loaded.runners if isinstance(runner, Runner)]
        missing = sorted(set(names) - {runner.script.name for runner in self._runners})
        if missing:
            said = next((problem.words for problem in loaded.problems if problem.name == missing[0]), "")
            raise RhapsodeError(f"{directory / missing[0]} {said or 'is no script that can be run'}")
        self._drops_on_error = filters.on_error == "drop"
        self._interpreter = Interpreter(sip)

    def run(self, packet: Packet, time_us: int) -> Tried:
        """A packet through all scripts that it reaches."""
        meaning = self._interpreter.interpret(packet, None)
        draft = Draft(packet, meaning, time_us, custom_headers=self._interpreter.custom_headers)
        first_error = None
        for runner in self._runners:
            if not runner.reaches(draft.meaning.protocol_type):
                continue
            error = runner.run(draft)
            first_error = first_error or error
            failed = error is not None or draft.is_refused
            if failed and self._drops_on_error and draft.dropped is None:
                draft.drop(ERROR_REASON)
            if draft.dropped is not None:
                break
        return Tried(draft, first_error)

    @property
    def calls(self) -> int:
        return sum(runner.report.calls for runner in self._runners)

    @property
    def nanoseconds(self) -> int:
        """Of all calls together."""
        return sum(runner.report.latency_ns for runner in self._runners)


def trial_of(path: Path, filters: FilterSettings, sip: SipSettings, begin: Begin = unwatched) -> Trial:
    """One script, or all of a folder, with the folder's tables. RhapsodeError and ScriptError as `Trial`."""
    if not path.exists():
        raise RhapsodeError(f"there is no {path}: name a filter script, or a folder of them")
    directory = path if path.is_dir() else path.parent
    scripts = read_folder(directory).scripts
    names = [script.name for script in scripts] if path.is_dir() else [path.name]
    if not names:
        raise RhapsodeError(f"{path} has no scripts: they are files named *.lua")
    return Trial(directory, names, services_of(directory, scripts, filters), filters, sip, begin)


def services_of(directory: Path, scripts: Iterable[Script], filters: FilterSettings) -> Services:
    """What a worker has at its start: nothing remembered, and the tables read that scripts name."""
    services = Services(directory, filters)
    for script in scripts:
        services.tables.want(names_in(script.source))
    services.refresh()
    return services


def load_error(report: ScriptReport) -> str:
    """Why a script cannot be loaded, as `FILE:LINE: words`."""
    line = _LINE.match(report.load_error)
    if line is not None:
        return f"{report.name}:{line[1]}: {report.load_error[line.end() :]}"
    return report.load_error if _PLACE.match(report.load_error) else f"{report.name}: {report.load_error}"


_LINE = re.compile(r"line ([0-9]+): ")
_PLACE = re.compile(r"[^\n]*\.lua:")
"""Of a module that the script requires."""
