"""What is said of filter scripts, in the words of our own API."""

import msgspec

from api.filters import Filters, FilterScript
from capture.script_report import MemoryReport


class ScriptError(msgspec.Struct):
    """The errors of one kind in one line."""

    line: int
    """0: not known, or of an earlier text of the script."""
    kind: str
    words: str
    """Of the last one."""
    count: int
    last_us: int
    """When that was, in microseconds since the Unix epoch."""
    is_past: bool
    """Of an earlier text of the script."""


class ScriptRow(msgspec.Struct):
    """One script, over all workers; counts are those since the first start."""

    name: str
    kind: str
    """`new`: written for Rhapsode; `old`: for heplify-server."""
    is_example: bool
    """It comes with the program."""
    state: str
    """`running`, `switched off` (by what it did), `disabled` (by a person or a setting), `not loaded`, or
    `stopped`: no worker runs."""
    why: str
    """Why it does not run; empty when it does."""
    load_error: str
    """Why the file as it is now cannot be loaded, whether an earlier version runs on or not."""
    packet: str | None
    """The file in DATA/journal/filters/packets with what it failed at."""
    entry_points: list[str]
    calls: int
    drops: dict[str, int]
    """By the reason it gave."""
    errors: list[ScriptError]
    p50_seconds: float | None
    """Half of the calls took no longer; null before the first call."""
    p99_seconds: float | None
    memory_bytes: int
    """Of its Lua states; scripts of heplify-server share theirs."""
    workers: dict[str, str]
    """The state in each worker that runs, by its journal."""


class MemoryRow(msgspec.Struct):
    """What scripts remember between packets."""

    entries: int
    bytes: int
    limit_bytes: int
    evicted: int
    """Taken out for want of room, since the first start."""


class FiltersAnswer(msgspec.Struct):
    """All scripts in the order in which they run."""

    count: int
    data: list[ScriptRow]
    problems: list[str]
    """Of files that are no scripts, of the folder, of the switches, of workers without scripts."""
    cache: MemoryRow
    hash_table: MemoryRow


class ScriptAnswer(msgspec.Struct):
    """One script after it was switched. Workers take that up within a second: see `workers`."""

    data: ScriptRow


def filters_answer(filters: Filters) -> FiltersAnswer:
    return FiltersAnswer(
        count=len(filters.scripts),
        data=[script_row(each) for each in filters.scripts],
        problems=[*map(str, filters.problems), *filters.trouble, *filter(None, [filters.without])],
        cache=_memory(filters.cache),
        hash_table=_memory(filters.hash_table),
    )


def script_row(script: FilterScript) -> ScriptRow:
    counts = script.counts
    return ScriptRow(
        name=script.name,
        kind="new" if counts.is_new_kind else "old",
        is_example=counts.is_example,
        state=script.state,
        why=script.why,
        load_error=script.load_error,
        packet=script.packet,
        entry_points=counts.entry_points,
        calls=counts.calls,
        drops=counts.drops,
        errors=[ScriptError(**msgspec.structs.asdict(each)) for each in counts.errors],
        p50_seconds=script.quantile_s(0.5),
        p99_seconds=script.quantile_s(0.99),
        memory_bytes=counts.memory_bytes,
        workers=script.workers,
    )


def _memory(memory: MemoryReport) -> MemoryRow:
    return MemoryRow(memory.entries, memory.bytes, memory.limit_bytes, memory.evicted)
