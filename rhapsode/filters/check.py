"""A folder of scripts loaded as a worker loads it, and what an operator should know of it beforehand."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from api.search.fields import CUSTOM, class_fields
from capture.route import MessageClass
from capture.script_report import ScriptReport
from capture.scripts.entry_points import EntryPoint
from capture.scripts.folder import SUFFIX, Begin, Script, read_examples, read_folder, unwatched
from capture.scripts.kept import KeptVersions
from capture.scripts.loading import Loader
from capture.scripts.misspelt import find_misspelt
from capture.scripts.traps import Trap, find_traps
from capture.settings import FilterSettings
from rhapsode.filters.trial import load_error, services_of

_LOOK_UP = re.compile(rb"""\blookup\.file\s*\(\s*["']([^"'\n]+)["']""")
_TAG = re.compile(r"""(?<![\w.:])tag\s*\(\s*["']([^"'\n]+)["']""")
_FIELDS_OF_SIP = frozenset(
    id_.removeprefix("data_header.")
    for id_, field in class_fields(MessageClass.CALL).items()
    if id_.startswith("data_header.") and not field.internal.startswith(CUSTOM)
)
"""Under these names searches and rows have what the message says, and no tag."""
_REACHED = {"on_sip": "SIP", "on_rtcp": "RTCP", "on_log": "log lines", "on_packet": "every packet"}


class Finding(NamedTuple):
    """Something of a file."""

    is_error: bool
    """Else a warning: the script runs all the same."""
    words: str


class Checked(NamedTuple):
    """One file of the folder; without a name the folder itself."""

    name: str
    kind: str
    """For which API it is written; empty for what is no script."""
    entry_points: tuple[str, ...]
    """Each as `on_sip: SIP`."""
    findings: tuple[Finding, ...]


def check_folder(directory: Path, filters: FilterSettings, begin: Begin = unwatched) -> list[Checked]:
    """Everything in the folder, and the examples of the settings, by name; loads all scripts, runs none."""
    folder = read_folder(directory)
    services = services_of(directory, folder.scripts, filters)
    loaded = Loader(directory, filters, services, KeptVersions(None), begin).load({})
    reports = {report.name: report for report in loaded.reports}
    scripts = {script.name: script for script in (*read_examples(filters.examples).scripts, *folder.scripts)}
    problems: dict[str, list[Finding]] = {}
    for problem in loaded.problems:
        problems.setdefault(problem.name, []).append(Finding(problem.is_left_out, problem.words))
    for script in folder.scripts:
        for name in _LOOK_UP.findall(script.source):
            services.tables.lookup(name, b"")
    for table in services.tables.problems:
        problems.setdefault(table.name, []).append(Finding(False, table.words))
    if not folder.lost and (unknown := [*_unknown(filters, reports)]):
        problems.setdefault("", []).extend(unknown)
    return [
        _checked(name, scripts.get(name), reports.get(name), problems.get(name, []), filters)
        for name in sorted(problems.keys() | scripts.keys())
    ]


def _checked(
    name: str,
    script: Script | None,
    report: ScriptReport | None,
    problems: Sequence[Finding],
    filters: FilterSettings,
) -> Checked:
    if script is None:
        return Checked(name, "", (), tuple(problems))
    findings = list(problems)
    if report is not None and report.load_error:
        # What else there is to say of its text is of no use before it is mended.
        findings = [Finding(True, load_error(report))]
    traps = [*find_traps(script), *find_misspelt(script), *_find_hidden_tags(script)]
    findings += [Finding(False, str(trap)) for trap in traps]
    return Checked(
        name,
        "new API" if script.is_new_kind else "heplify-server API",
        tuple(_entry_points(script.entry_points, script.is_new_kind, filters)),
        tuple(findings),
    )


def _unknown(filters: FilterSettings, reports: Collection[str]) -> Iterator[Finding]:
    """Scripts that the settings speak of and that there are none of."""
    for name in filters.scripts:
        if name + SUFFIX not in reports:
            yield Finding(
                False, f"the settings have a table [filters.{name}], and there is no {name}{SUFFIX}"
            )
    for name in filters.disabled:
        file = name.removesuffix(SUFFIX) + SUFFIX
        if file not in reports:
            yield Finding(False, f"the setting filters.disabled names {name}, and there is no {file}")


def _find_hidden_tags(script: Script) -> Iterator[Trap]:
    if not any(point.name in ("on_sip", "on_packet") for point in script.entry_points):
        return
    code = script.code
    for use in _TAG.finditer(script.source.decode("latin-1")):
        # Not where it stands in a comment or a text.
        if use[1] in _FIELDS_OF_SIP and code.startswith("tag", use.start()):
            words = f"a tag {use[1]} of SIP is neither found nor shown: it is the name of a field"
            yield Trap(code.count("\n", 0, use.start()) + 1, words)


def _entry_points(points: Sequence[EntryPoint], is_new_kind: bool, filters: FilterSettings) -> Iterator[str]:
    types = f"HEP types {', '.join(map(str, filters.hep_types))}"
    for point in points:
        yield f"{point.name}: {_REACHED[point.name] if is_new_kind else types}"
