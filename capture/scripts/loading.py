"""From the files of a folder to scripts that run: what is taken anew, what stays, and what cannot be loaded.

A script whose file has not changed keeps its Lua state and what it remembers. A file that cannot be loaded
leaves its last good version in place, be it of the worker's life before. Scripts of heplify-server share a
state, so they are taken anew together. Knows no packet.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from capture.errors import ScriptError
from capture.route import RTCP, SIP
from capture.script_report import FolderProblem, ScriptReport, said_of
from capture.script_switches import Off, SwitchedOff
from capture.scripts.folder import (
    SUFFIX,
    Begin,
    Folder,
    Problem,
    Script,
    read_examples,
    read_folder,
    unwatched,
)
from capture.scripts.homer import OldServices, load_old_scripts
from capture.scripts.host import Host
from capture.scripts.kept import KeptVersions
from capture.scripts.lua import Limits, LuaState
from capture.scripts.message import LOG, PROTOCOL_TYPES, load_new_script
from capture.scripts.modules import modules_below
from capture.scripts.runner import Barrier, Runner
from capture.scripts.services import Services
from capture.settings import FilterSettings

_REACHED = {"on_sip": (SIP,), "on_rtcp": (RTCP,), "on_log": (LOG,), "on_packet": range(PROTOCOL_TYPES)}
"""Protocol types that the entry points of our own API see."""


Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Of each file of Lua: its place below the folder, inode, size, and the times of its last changes in ns."""


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
        self._settings = settings
        self._services = services
        self._kept = kept
        self._limits = Limits(settings.instructions, settings.memory_bytes, settings.subject_bytes)
        self._runners: dict[str, Runner | Barrier] = {}
        self._reports: dict[str, ScriptReport] = {}
        self._modules: Stamp = ()
        self._old = _OldGroup(None, {}, {})

    def scripts(self) -> Folder:
        """What is there now, examples among it, by name."""
        folder = Folder((), ()) if self._directory is None else read_folder(self._directory)
        examples, unknown_examples = read_examples(self._settings.examples)
        own = {script.name for script in folder.scripts}
        hidden = [
            Problem(script.name, "a script of the folder has the name of this example, and is run", False)
            for script in examples
            if script.name in own
        ]
        scripts = [*folder.scripts, *(script for script in examples if script.name not in own)]
        scripts.sort(key=lambda script: script.name)
        return Folder(tuple(scripts), (*folder.problems, *unknown_examples, *hidden))

    def stamp(self) -> Stamp:
        """Another value whenever `load` may find something else."""
        return () if self._directory is None else _stamp(self._directory)

    def versions(self) -> list[Script]:
        """All that may have run in the worker's life before."""
        scripts = self.scripts().scripts
        return [version for script in scripts for version in self._versions(script)]

    def load(self, off: Off) -> Loaded:
        """Take into use what is there now, but for what is switched off."""
        folder = self.scripts()
        # Which script requires which module is not known: when one changes, all are loaded again.
        scripts = {script.name for script in folder.scripts if script.entry_points}
        self._modules = tuple(file for file in self.stamp() if file[0] not in scripts)
        self._reports = {script.name: self._report(script, off) for script in folder.scripts}
        candidates = {
            script.name: self._candidates(script, off.get(script.name))
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
        self._kept.keep_only(names)
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

    def _report(self, script: Script, off: Off) -> ScriptReport:
        """What is said of a script, with the counts so far."""
        report = self._reports.get(script.name) or ScriptReport(script.name)
        report.sha256 = script.sha256
        report.state, report.why, report.load_error = "running", "", ""
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
        return report

    def _candidates(self, script: Script, off: SwitchedOff | None) -> list[Script]:
        """The versions of a script that are Lua and not switched off, the newest first, all of its kind."""
        found: list[Script] = []
        for version in self._versions(script):
            if off is not None and off.holds_for(version.sha256):
                continue
            try:
                self._state().load(version.name, version.source)
            except ScriptError as error:
                self._note_error(version.name, str(error))
            else:
                found.append(version)
        return [version for version in found if version.is_new_kind == found[0].is_new_kind]

    def _versions(self, script: Script) -> list[Script]:
        """What can be run under this name, the newest first."""
        before = self._runners.get(script.name)
        kept = self._kept.read(script.name)
        older = ([before.script] if isinstance(before, Runner) else []) + ([kept] if kept is not None else [])
        return [script, *(version for version in older if version.source != script.source)]

    def _load_new(self, versions: Sequence[Script]) -> Runner | None:
        """A script in a state of its own, in the newest version that can be loaded."""
        before = self._runners.get(versions[0].name)
        for version in versions:
            if isinstance(before, Runner) and before.script == version and before.modules == self._modules:
                runner = before
            else:
                try:
                    runner = self._runner_of_new(version)
                except ScriptError as error:
                    self._note_error(version.name, str(error))
                    continue
            self._note_version(version)
            return runner
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
            loaded = load_old_scripts(files, self._state, _old_services(self._services), self._begin)
            runners: dict[str, Runner] = {}
            for version in loaded.scripts:
                by_type = dict.fromkeys(self._settings.hep_types, loaded.functions[version.name])
                report = self._reports[version.name]
                runners[version.name] = Runner(
                    version, loaded.state, loaded.host, by_type, report, self._modules
                )
            self._old = _OldGroup(known, runners, loaded.errors)
        for name, words in self._old.errors.items():
            self._note_error(name, words)
        for runner in self._old.runners.values():
            self._note_version(runner.script)
        return self._old.runners

    def _note_error(self, name: str, words: str) -> None:
        """Of the newest version that cannot be loaded."""
        report = self._reports[name]
        report.load_error = report.load_error or said_of(name, words)

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
        if self._settings.on_error != "drop" or report.state == "disabled":
            return
        types: set[int] = set() if script.is_new_kind else set(self._settings.hep_types)
        if script.is_new_kind:
            for point in script.entry_points:
                types |= set(_REACHED[point.name])
        runners[script.name] = Barrier(script, types, report)

    def _state(self) -> LuaState:
        return LuaState(self._limits, None if self._directory is None else modules_below(self._directory))


def _old_services(services: Services) -> OldServices:
    table = services.hash_table

    def set_value(key: bytes, value: bytes) -> tuple[None, bytes] | None:
        refused = table.set(key, value)
        return None if refused is None else (None, refused.encode())

    return OldServices(table.get, set_value, table.delete, services.sayings.say)


def _stamp(directory: Path) -> Stamp:
    try:
        return tuple(_stamp_of(path, directory) for path in sorted(directory.rglob(f"*{SUFFIX}")))
    except OSError as error:
        return ((str(error), 0, 0, 0, 0),)


def _stamp_of(path: Path, directory: Path) -> tuple[str, int, int, int, int]:
    place = str(path.relative_to(directory))
    try:
        status = path.stat()
    except OSError:
        # A link that leads nowhere keeps no change of the other files from being seen.
        return place, 0, 0, 0, 0
    return place, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
