"""From scripts that are there to scripts that run: what is taken anew, what stays, and what cannot be loaded.

A script whose file has not changed keeps its Lua state and what it remembers. A file that cannot be loaded
leaves its last good version in place, be it of the worker's life before; a module that cannot, the scripts
that require it. Scripts of heplify-server share a state, so they are taken anew together. Knows no packet.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from capture.errors import ScriptError
from capture.route import RTCP, SIP
from capture.script_report import FolderProblem, ScriptReport, said_of
from capture.script_switches import Off
from capture.scripts.folder import Begin, Script, unknown_script, unwatched, watched
from capture.scripts.homer import load_old_scripts, old_services
from capture.scripts.host import Host
from capture.scripts.inventory import Inventory, Stamp
from capture.scripts.kept import KeptVersions
from capture.scripts.lua import Limits, LuaState
from capture.scripts.message import LOG, PROTOCOL_TYPES, load_new_script
from capture.scripts.modules import modules_below
from capture.scripts.runner import Barrier, Runner
from capture.scripts.services import Services
from capture.settings import FilterSettings

_REACHED = {"on_sip": (SIP,), "on_rtcp": (RTCP,), "on_log": (LOG,), "on_packet": range(PROTOCOL_TYPES)}
"""Protocol types that the entry points of our own API see."""


class Loaded(NamedTuple):
    """What runs, and what is to be said of every script."""

    runners: tuple[Runner | Barrier, ...]
    """In the order of their names."""
    reports: list[ScriptReport]
    problems: list[FolderProblem]


class _OldGroup(NamedTuple):
    """Scripts of heplify-server as they were loaded together."""

    known: object
    """What they were loaded of."""
    runners: dict[str, Runner]
    errors: Mapping[str, str]


class Loader:
    """Loads what a folder and the settings name, again and again."""

    def __init__(
        self,
        directory: Path | None,
        settings: FilterSettings,
        services: Services,
        kept: KeptVersions,
        begin: Begin = unwatched,
    ) -> None:
        """`directory` None: only examples that the settings name."""
        self._begin = begin
        self._directory = directory
        self._inventory = Inventory(directory, settings.examples, kept)
        self._settings = settings
        self._services = services
        self._kept = kept
        self._limits = Limits(settings.instructions, settings.memory_bytes, settings.subject_bytes)
        self._runners: dict[str, Runner | Barrier] = {}
        self._reports: dict[str, ScriptReport] = {}
        self._modules: Stamp = ()
        self._old = _OldGroup(None, {}, {})

    def stamp(self) -> Stamp:
        """Another value whenever `load` may find something else."""
        return self._inventory.stamp()

    def versions(self) -> list[Script]:
        """All that may have run in the worker's life before."""
        return self._inventory.all_versions()

    def load(self, off: Off) -> Loaded:
        """Take into use what is there now, but for what is switched off."""
        running = {name: each.script for name, each in self._runners.items() if isinstance(each, Runner)}
        folder = self._inventory.look(running)
        if folder.lost and not folder.scripts and self._drops and self._directory is not None:
            # Nothing is known of any script, so that nothing may pass.
            name = f"{self._directory.name}/"
            folder = folder._replace(scripts=(unknown_script(name),), unread={name: folder.lost})
        if not folder.lost:
            # Which script requires which module is not known: when one changes, all are loaded again.
            scripts = {script.name for script in folder.scripts if script.entry_points}
            self._modules = tuple(file for file in self.stamp() if file[0] not in scripts)
        self._reports = {
            script.name: self._report(script, off, folder.unread.get(script.name, ""))
            for script in folder.scripts
        }
        state = self._state()
        candidates = {
            script.name: self._candidates(self._inventory.versions(script, running), off, state)
            for script in folder.scripts
            if self._reports[script.name].state == "running"
        }
        runners: dict[str, Runner | Barrier] = {}
        runners |= self._load_old([each for each in candidates.values() if each and not each[0].is_new_kind])
        for versions in candidates.values():
            if versions and versions[0].is_new_kind and (runner := self._load_new(versions)) is not None:
                runners[runner.script.name] = runner
        for script in folder.scripts:
            if script.name not in runners:
                self._leave_out(script, runners)
        names = [script.name for script in folder.scripts]
        self._runners = {name: runners[name] for name in names if name in runners}
        self._kept.keep_only(script.name for script in folder.scripts if not script.is_example)
        return Loaded(
            tuple(self._runners.values()),
            list(self._reports.values()),
            [FolderProblem(*problem) for problem in folder.problems],
        )

    def measure(self) -> None:
        """Note what the Lua states hold."""
        for runner in self._runners.values():
            if isinstance(runner, Runner):
                runner.report.memory_bytes = runner.state.memory_bytes

    @property
    def _drops(self) -> bool:
        return self._settings.on_error == "drop"

    def _report(self, script: Script, off: Off, unread: str) -> ScriptReport:
        """What is said of a script, with the counts so far; `unread`: why its file cannot be read."""
        report = self._reports.get(script.name) or ScriptReport(script.name)
        report.sha256 = script.sha256
        report.state, report.why, report.load_error = "running", "", ""
        report.is_barrier = False
        report.memory_bytes = 0
        report.is_new_kind, report.is_example = script.is_new_kind, script.is_example
        report.entry_points = [point.name for point in script.entry_points]
        switched = off.get(script.name)
        disabled = self._settings.disabled
        report.is_off_by_setting = script.stem in disabled or script.name in disabled
        if report.is_off_by_setting:
            report.state, report.why = "disabled", "disabled by the setting filters.disabled"
        elif switched is not None and switched.holds_for(script.sha256):
            report.state = "disabled" if switched.is_by_person else "switched off"
            report.why = str(switched)
        elif unread:
            self._note_error(report, unread)
        return report

    def _candidates(self, versions: Sequence[Script], off: Off, state: LuaState) -> list[Script]:
        """Those that are Lua, by a state to try it in, and not switched off, all of the newest one's kind."""
        found: list[Script] = []
        for version in versions:
            switched = off.get(version.name)
            if switched is not None and switched.holds_for(version.sha256):
                continue
            try:
                with watched(self._begin, version):
                    state.load(version.name, version.source)
            except ScriptError as error:
                self._note_error(self._reports[version.name], str(error))
            else:
                found.append(version)
        return [version for version in found if version.is_new_kind == found[0].is_new_kind]

    def _load_new(self, versions: Sequence[Script]) -> Runner | None:
        """A script in a state of its own, in the newest version that can be loaded."""
        name = versions[0].name
        before = self._runners.get(name)
        for version in versions:
            if isinstance(before, Runner) and before.script == version and before.modules == self._modules:
                runner = before
            else:
                try:
                    runner = self._runner_of_new(version)
                except ScriptError as error:
                    self._note_error(self._reports[name], str(error))
                    continue
            self._note_version(version)
            return runner
        if isinstance(before, Runner) and before.script in versions:
            # It is a module that cannot be loaded.
            self._note_version(before.script)
            return before
        return None

    def _runner_of_new(self, script: Script) -> Runner:
        state = self._state()
        host = Host(state)
        own_settings = self._services.settings.get(script.stem, {})
        functions = load_new_script(script, state, host, self._services, own_settings, self._begin)
        return Runner(script, state, host, functions, self._reports[script.name], self._modules)

    def _load_old(self, files: Sequence[Sequence[Script]]) -> dict[str, Runner]:
        """All scripts of heplify-server in one state, each in the newest version that can be loaded."""
        known = (tuple(map(tuple, files)), self._modules)
        if self._old.known != known:
            loaded = load_old_scripts(files, self._state, old_services(self._services), self._begin)
            runners: dict[str, Runner] = {}
            for version in loaded.scripts:
                by_type = dict.fromkeys(self._settings.hep_types, loaded.functions[version.name])
                report = self._reports[version.name]
                runners[version.name] = Runner(
                    version, loaded.state, loaded.host, by_type, report, self._modules
                )
            self._old = self._newer_old_group(_OldGroup(known, runners, loaded.errors), files)
        for name, words in self._old.errors.items():
            self._note_error(self._reports[name], words)
        for runner in self._old.runners.values():
            self._note_version(runner.script)
        return self._old.runners

    def _newer_old_group(self, new: _OldGroup, files: Sequence[Sequence[Script]]) -> _OldGroup:
        """The new one; that which runs where the new one lacks a script, whose module cannot be loaded."""
        before = self._old.runners
        newest = {versions[0].name: versions[0] for versions in files}
        lost = sorted((before.keys() & newest.keys()) - new.runners.keys())
        if not lost:
            return new
        stay = {name: runner for name, runner in before.items() if name in newest}
        waits = f"is not taken before {lost[0]} can be loaded, as both are one to Lua"
        waiting = {
            name: waits for name, script in newest.items() if name not in stay or stay[name].script != script
        }
        return _OldGroup(new.known, stay, waiting | dict(new.errors))

    def _note_error(self, report: ScriptReport, words: str) -> None:
        """Of the newest version that cannot be loaded."""
        report.load_error = report.load_error or said_of(report.name, words)

    def _note_version(self, version: Script) -> None:
        report = self._reports[version.name]
        if not report.load_error:
            self._kept.keep(version)
        report.sha256 = version.sha256
        report.take_text(version.sha256)
        report.is_new_kind = version.is_new_kind
        report.entry_points = [point.name for point in version.entry_points]

    def _leave_out(self, script: Script, runners: dict[str, Runner | Barrier]) -> None:
        """Say that a script does not run, and bar what it would see, for those who must."""
        report = self._reports[script.name]
        if report.state == "running":
            report.state, report.why = "not loaded", report.load_error
        if self._drops and report.state != "disabled":
            report.is_barrier = True
            runners[script.name] = Barrier(script, self._types_of(script), report)

    def _types_of(self, script: Script) -> Collection[int]:
        """Of the packets that it would see."""
        if not script.is_known:
            return range(PROTOCOL_TYPES)
        if not script.is_new_kind:
            return self._settings.hep_types
        return {each for point in script.entry_points for each in _REACHED[point.name]}

    def _state(self) -> LuaState:
        return LuaState(self._limits, None if self._directory is None else modules_below(self._directory))
