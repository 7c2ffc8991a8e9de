"""What a worker says of the filter scripts that it runs, for others to read.

The worker adds to these structs while packets pass, and carries the counts of its predecessor on: a counter
never goes back, whoever dies. Knows no Lua and no file: see `script_report_files`.
"""

import os
from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from capture.text import in_one_line

FIRST_BUCKET_NS = 500
BUCKETS = 26
"""Of a histogram of times: bucket `i` holds those below 500 ns · 2^i, the last one (above 8 s) all others. To
find one: `min((ns // FIRST_BUCKET_NS).bit_length(), BUCKETS - 1)`."""
BOUNDS_S = tuple((FIRST_BUCKET_NS << index) / 1e9 for index in range(BUCKETS - 1))
MOST_REASONS = 50
"""Of drops told apart, and of lines with errors: what scripts make up must not fill the memory of others."""
MOST_WORDS_CHARS = 2000
"""Of what is said of an error, which may come out of a packet; what is longer is cut."""
MOST_EARLIER = 2000
"""Series of earlier lives that are carried on. Labels that never come back would else add up for ever."""
SCRIPT_LABEL = "script"
OTHERS = "others"
"""The reason of drops beyond that. Errors beyond it count for line 0."""

T = TypeVar("T")

BARRED = "all packets that it is for are dropped"
"""What is said of a script that `is_barrier`."""
State = Literal["running", "switched off", "disabled", "not loaded"]
"""`switched off`: by itself, see `script_switches`; `disabled`: by a person or a setting."""


class ScriptErrors(msgspec.Struct):
    """The errors of one kind in one line."""

    line: int
    """Counted from 1; 0: not known, one line too many, or of an earlier text."""
    kind: str
    """As `ScriptError.kind`."""
    words: str
    """Of the last one."""
    count: int = 0
    last_us: int = 0
    is_past: bool = False
    """Of an earlier text of the script; its line is 0 then."""

    def __str__(self) -> str:
        where = "in an earlier text: " if self.is_past else f"line {self.line}: " if self.line else ""
        return f"{where}{self.words}"


class ScriptReport(msgspec.Struct):
    """One script file, as one worker runs it. Counts are of all lives of the worker."""

    name: str
    """The file's name, `.lua` included."""
    sha256: str = ""
    """Of the text that runs, or would if it were not switched off; empty when none was ever loaded."""
    state: State = "running"
    why: str = ""
    """Why it does not run, in words; empty when it does."""
    is_off_by_setting: bool = False
    """`filters.disabled` names it, so that no switch lets it run."""
    load_error: str = ""
    """Why the file as it is now could not be loaded, whether an earlier version runs on or not."""
    is_barrier: bool = False
    """It does not run, and the packets that it is for are dropped meanwhile, as `filters.on_error` says."""
    is_new_kind: bool = False
    """Written for our own API."""
    is_example: bool = False
    """Comes with the program."""
    entry_points: list[str] = []
    memory_bytes: int = 0
    """Of the Lua state that it runs in, which scripts of the old kind share."""
    calls: int = 0
    """One for each entry point that ran for a packet."""
    drops: dict[str, int] = {}
    """Packets that it dropped, by the reason it gave: change by `count_drop`."""
    errors: list[ScriptErrors] = []
    """Change by `count_error` and `take_text`."""
    errors_of: str = ""
    """The hash of the text whose lines `errors` names."""
    failed_in: dict[int, int] = {}
    """How often each line failed, of whatever text: counters, which may not move when the script is edited.
    0: not known, or one line too many."""
    latency: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS)
    """How many calls took so long, by bucket: see BUCKETS."""
    latency_ns: int = 0
    """Of all calls together."""

    @property
    def dropped(self) -> int:
        return sum(self.drops.values())

    @property
    def failed(self) -> int:
        return sum(each.count for each in self.errors)

    def count_call(self, nanoseconds: int) -> None:
        self.calls += 1
        self.latency_ns += nanoseconds
        bucket = (nanoseconds // FIRST_BUCKET_NS).bit_length()
        self.latency[bucket if bucket < BUCKETS else -1] += 1

    def count_drop(self, reason: str, times: int = 1) -> None:
        if reason not in self.drops and len(self.drops) >= MOST_REASONS:
            reason = OTHERS
        self.drops[reason] = self.drops.get(reason, 0) + times

    def count_error(self, line: int | None, kind: str, words: str, now_us: int) -> None:
        line = line or 0
        words = said_of(self.name, words).removeprefix(f"line {line}: ")
        self._add_errors(ScriptErrors(line, kind, words, 1, now_us))
        if line not in self.failed_in and len(self.failed_in) >= MOST_REASONS:
            line = 0
        self.failed_in[line] = self.failed_in.get(line, 0) + 1

    def take_text(self, sha256: str) -> None:
        """From now on this text of the script runs: what line of another one failed says nothing any more."""
        if self.errors_of not in ("", sha256):
            before, self.errors = self.errors, []
            for each in before:
                self._add_errors(_past(each))
        self.errors_of = sha256

    def _add_errors(self, more: ScriptErrors) -> None:
        known = self._errors_like(more)
        if known is None and len(self.errors) >= MOST_REASONS:
            more = msgspec.structs.replace(more, line=0)
            known = self._errors_like(more)
        if known is None:
            self.errors.append(more)
            return
        known.count += more.count
        if more.last_us >= known.last_us:
            known.words, known.last_us = more.words, more.last_us

    def _errors_like(self, more: ScriptErrors) -> ScriptErrors | None:
        for each in self.errors:
            if each.line == more.line and each.kind == more.kind and each.is_past == more.is_past:
                return each
        return None

    def add_counts(self, other: "ScriptReport") -> None:
        """Those of another worker, or of an earlier life, to these.

        Each is bounded, so that nothing need become one of `OTHERS` here and be missing where it was counted.
        """
        self.calls += other.calls
        self.latency_ns += other.latency_ns
        for index, count in enumerate(other.latency[:BUCKETS]):
            self.latency[index] += count
        _add_up(self.drops, other.drops)
        _add_up(self.failed_in, other.failed_in)
        self.errors_of = self.errors_of or other.errors_of
        for each in other.errors:
            same = other.errors_of in ("", self.errors_of)
            self._add_errors(msgspec.structs.replace(each) if same else _past(each))


class MemoryReport(msgspec.Struct):
    """What scripts remember between packets: `cache`, or the old API's `HashTable`."""

    entries: int = 0
    bytes: int = 0
    limit_bytes: int = 0
    evicted: int = 0
    """Taken out for want of room, since the worker was first started."""


class Series(msgspec.Struct):
    """One series of a metric that scripts keep themselves."""

    name: str
    """As the script gave it."""
    labels: dict[str, str]
    """SCRIPT_LABEL, and those that the script gave."""
    value: float
    """A counter's value, or the sum of what was observed."""
    counts: list[int] = []
    """Observations by bucket, not added up, one more than `bounds` has; empty: this is a counter."""
    bounds: list[float] = []
    """The upper bounds of the buckets but the last."""

    def is_like(self, other: "Series") -> bool:
        """Whether both can be added."""
        return len(self.counts) == len(other.counts) and self.bounds == other.bounds

    def add(self, other: "Series") -> None:
        self.value += other.value
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]


class FolderProblem(msgspec.Struct):
    """What an operator should know of a file in the folder, or, without a name, of the folder."""

    name: str
    words: str
    is_left_out: bool
    """Else it is used all the same."""

    def __str__(self) -> str:
        return f"{self.name}: {self.words}" if self.name else self.words


class WorkerReport(msgspec.Struct):
    """All that one worker says. It owns the value, changes it as it goes, and gives it to `write_report`."""

    journal: str
    """Its name: `0000`."""
    pid: int = msgspec.field(default_factory=os.getpid)
    started_us: int = 0
    """When the worker was started."""
    written_us: int = 0
    """When something in it last changed."""
    is_without: bool = False
    """Its settings name neither a folder of scripts nor an example: all else is of its lives before."""
    scripts: list[ScriptReport] = []
    """In the order in which they run."""
    problems: list[FolderProblem] = []
    switches_problem: str = ""
    """Why the switches could not be read or written; empty when they can."""
    cache: MemoryReport = msgspec.field(default_factory=MemoryReport)
    hash_table: MemoryReport = msgspec.field(default_factory=MemoryReport)
    series: list[Series] = []
    """Of this life. What earlier ones counted stands in `earlier`, and both are added when they are shown."""
    series_refused: int = 0
    """How often a script was denied one more series."""
    earlier: list[Series] = []

    def script(self, name: str) -> ScriptReport | None:
        return next((each for each in self.scripts if each.name == name), None)

    def keep_scripts(self, scripts: list[ScriptReport]) -> None:
        """These are the scripts now. One that is gone takes along what it has counted itself."""
        self.scripts = scripts
        names = {each.name for each in scripts}
        self.earlier = [each for each in self.earlier if each.labels.get(SCRIPT_LABEL) in names]

    def carry_on(self, previous: "WorkerReport | None") -> None:
        """Go on with the counts of the worker's life before; to be called once, when `scripts` are made.

        A script that is gone takes its counts and metrics along: to keep them would show it for ever.
        """
        if previous is None:
            return
        for mine in self.scripts:
            if (theirs := previous.script(mine.name)) is not None:
                mine.add_counts(theirs)
        self.cache.evicted += previous.cache.evicted
        self.hash_table.evicted += previous.hash_table.evicted
        self.series_refused += previous.series_refused
        names = {each.name for each in self.scripts}
        before = add_series([*previous.series, *previous.earlier])
        self.earlier = [each for each in before if each.labels.get(SCRIPT_LABEL) in names][:MOST_EARLIER]


def said_of(script: str, words: str) -> str:
    """The words of an error for one who knows which script it is of: `a.lua:3: oh` is `line 3: oh`. In one
    line, and without what a terminal would obey."""
    place, _, rest = words.partition(": ")
    file, _, line = place.rpartition(":")
    if file == script and line.isdecimal():
        words = f"line {line}: {rest}"
    elif place == script:
        words = rest
    return in_one_line(words, MOST_WORDS_CHARS)


def add_series(all_series: Sequence[Series]) -> list[Series]:
    """One series for each name and labels, in the order of their first.

    Of two that cannot be added, because a script has been edited in between, the first is taken: give the
    newer ones first.
    """
    added: dict[tuple[str, tuple[tuple[str, str], ...]], Series] = {}
    for each in all_series:
        key = (each.name, tuple(sorted(each.labels.items())))
        known = added.get(key)
        if known is None:
            added[key] = msgspec.structs.replace(each, counts=[*each.counts])
        elif known.is_like(each):
            known.add(each)
    return list(added.values())


def quantile_s(latency: Sequence[int], share: float) -> float | None:
    """The time that `share` of the calls did not exceed, in seconds, as exact as the buckets; None: no calls.

    Between the bounds of a bucket it is in proportion, as Prometheus' `histogram_quantile` has it.
    """
    sums = []
    total = 0
    for count in latency:
        total += count
        sums.append(total)
    if not total:
        return None
    rank = share * total
    index = bisect_left(sums, rank)
    if index >= len(BOUNDS_S):
        return BOUNDS_S[-1]
    lower = BOUNDS_S[index - 1] if index else 0.0
    below = sums[index - 1] if index else 0
    return lower + (BOUNDS_S[index] - lower) * (rank - below) / (sums[index] - below)


def _add_up(counts: dict[T, int], others: dict[T, int]) -> None:
    for key, count in others.items():
        counts[key] = counts.get(key, 0) + count


def _past(errors: ScriptErrors) -> ScriptErrors:
    return msgspec.structs.replace(errors, line=0, is_past=True)
