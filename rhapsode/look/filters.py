"""Filter scripts as a person on call sees them: a table, and what a doctor says of them.

Pure: looks at nothing itself.
"""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from api.filters import Filters, FilterScript, warnings_of
from capture.script_report import MemoryReport, ScriptErrors
from rhapsode.look.finding import Finding
from rhapsode.look.table import plain_table
from rhapsode.look.words import duration, in_bytes, short
from rhapsode.terminal import printable

RECENT_US = 24 * 3_600_000_000
"""An error is worth a word for so long."""
_FOLDER = "see that the folder is there, and that the account of the service may read it"
_MEND = "mend the file, or take it out of the folder; `rhapsode filter check` shows all that is wrong with it"
_TABLE = "put the table right: scripts look up in it, and fail after the next start while it cannot be read"
_SWITCHES = (
    "see that the account of the service may read and write DATA/journal/filters, and that there is room"
)
_WITHOUT = "give all workers the same `lua_dir` and `[filters]`, and start that one again"
_NOTHING = "–"
_STYLES = {
    "running": "green",
    "failing": "red",
    "switched off": "bold red",
    "not loaded": "bold red",
    "disabled": "yellow",
}
_MOST_ERRORS = 5
"""Lines of errors shown of one script."""


def render(filters: Filters, now_us: int) -> RenderableType:
    """The whole page of `rhapsode filter list`."""
    if not filters.scripts and not filters.problems and not filters.trouble:
        return Text("no filter scripts: name their folder by --lua-dir or lua_dir, and see docs/lua.md")
    parts: list[RenderableType] = [_scripts(filters.scripts, now_us)]
    if words := [*warnings_of(filters), *_disabled(filters)]:
        parts.append(Text("\n".join(map(printable, words)), style="yellow"))
    parts += [lines for each in filters.scripts if (lines := _errors(each)) is not None]
    parts.append(Text("\n").join([_memory("cache", filters.cache), _memory("HashTable", filters.hash_table)]))
    return Group(*(piece for part in parts for piece in (part, "")))


def examine_filters(filters: Filters, now_us: int) -> Iterator[Finding]:
    """What is wrong with scripts and what to do; nothing where there are none."""
    for script in filters.scripts:
        if not filters.is_told_by_folder(script):
            yield from _examine_script(script)
        yield from _examine_errors(script, now_us)
    for problem in filters.other_problems():
        if problem.is_left_out:
            advice = _MEND if problem.name.endswith(".lua") else _TABLE if problem.name else _FOLDER
            yield Finding("filters", "problem", f"filter scripts: {problem}", advice)
        else:
            yield Finding("filters", "note", f"filter scripts: {problem}")
    for words in filters.trouble:
        yield Finding("filters", "problem", f"filter scripts: {words}", _SWITCHES)
    if filters.without:
        yield Finding("filters", "problem", f"filter scripts: {filters.without}", _WITHOUT)
    if running := [each.name for each in filters.scripts if each.state == "running"]:
        yield Finding("filters", "ok", f"filter scripts run: {', '.join(running)}")


def _examine_script(script: FilterScript) -> Iterator[Finding]:
    advice = _MEND
    if script.state == "switched off":
        advice = (
            "mend it, and it runs again by itself; or, as it is:"
            f" `rhapsode filter enable {script.name}`. The packet is a capture in DATA/journal/filters"
        )
    for words in script.warnings():
        yield Finding("filters", "problem", words, advice)
    if script.state == "disabled":
        yield Finding("filters", "note", f"filter script {script.name} does not run: {script.why}")


def _examine_errors(script: FilterScript, now_us: int) -> Iterator[Finding]:
    failing = script.failing(now_us)
    last = failing or max(script.counts.errors, key=lambda error: error.last_us, default=None)
    if script.state != "running" or last is None or now_us - last.last_us > RECENT_US:
        return
    ago = duration(max(0, now_us - last.last_us) / 1e6)
    words = f"filter script {script.name} failed {ago} ago: {last}"
    if failing is not None:
        yield Finding("filters", "problem", words, "mend that line; `rhapsode filter list` counts its errors")
    else:
        yield Finding("filters", "note", words)


def _scripts(scripts: list[FilterScript], now_us: int) -> Table:
    shown = plain_table()
    shown.add_column("script", overflow="fold")
    shown.add_column("kind")
    shown.add_column("state", no_wrap=True)
    for name in ("calls", "drops", "errors", "p50", "p99"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in scripts:
        counts = each.counts
        state = "failing" if each.failing(now_us) else each.state
        shown.add_row(
            Text(printable(each.name)),
            "new" if counts.is_new_kind else "old" if counts.sha256 else _NOTHING,
            Text(state, style=_STYLES.get(state, "dim")),
            f"{counts.calls:,}",
            f"{counts.dropped:,}",
            Text(f"{counts.failed:,}", style="red" if counts.failed else ""),
            _time(each, 0.5),
            _time(each, 0.99),
        )
    return shown


def _time(script: FilterScript, share: float) -> str:
    seconds = script.quantile_s(share)
    return _NOTHING if seconds is None else short(seconds)


def _disabled(filters: Filters) -> Iterator[str]:
    for each in filters.scripts:
        if each.state == "disabled":
            yield f"disabled: {each.name}: {each.why}"


def _errors(script: FilterScript) -> Text | None:
    errors = sorted(script.counts.errors, key=lambda error: -error.count)
    if not errors:
        return None
    lines = [f"errors of {printable(script.name)}:", *map(_error, errors[:_MOST_ERRORS])]
    if len(errors) > _MOST_ERRORS:
        lines.append(f"  and in {len(errors) - _MOST_ERRORS} more lines")
    return Text("\n".join(lines))


def _error(error: ScriptErrors) -> str:
    where = f"line {error.line}" if error.line else "somewhere"
    if error.is_past:
        where = "in earlier texts, the last"
    return f"  {error.count:,} × {where}: {printable(error.words)}"


def _memory(name: str, memory: MemoryReport) -> Text:
    words = (
        f"{name:<10}{memory.entries:,} entries, {in_bytes(memory.bytes)} of {in_bytes(memory.limit_bytes)}"
    )
    if memory.evicted:
        words += f", {memory.evicted:,} went out for want of room"
    return Text(words, style="" if memory.entries or memory.evicted else "dim")
