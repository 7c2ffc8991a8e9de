"""What Prometheus is told of filter scripts: our figures of each, and the metrics that they keep themselves.

Source: the Prometheus text format, version 0.0.4, and its data model (names of metrics and labels).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from api.filters import Filters, FilterScript
from capture.script_report import BOUNDS_S, OTHERS, MemoryReport, Series, add_series

_TOTAL = "_total"
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+\Z")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*+\Z")
_PREFIX = "rhapsode_script_"
"""Before the names that scripts give: a second metric of one of our names would make the page unreadable."""


def filter_metrics(filters: Filters) -> Iterator[Metric]:
    """All of it; nothing of a script before any worker has had one."""
    yield from _counters(filters.scripts)
    yield from _errors(filters.scripts)
    yield _seconds(filters.scripts)
    yield from _states(filters)
    yield from _memories(filters)
    yield from own_metrics(filters.series)


def own_metrics(series: Iterable[Series]) -> Iterator[Metric]:
    """The scripts' own, by name. What no page can hold is left out: illegal names, a name of two kinds."""
    families: dict[str, list[Series]] = {}
    # The page adds the ending to every counter, so `calls` and `calls_total` are one.
    named = [msgspec.structs.replace(each, name=each.name.removesuffix(_TOTAL)) for each in series]
    for each in add_series(named):
        if _is_legal(each):
            families.setdefault(each.name, []).append(each)
    for name, members in sorted(families.items()):
        alike = [each for each in members if each.is_like(members[0])]
        make = _histogram if members[0].counts else _counter
        yield make(f"{_PREFIX}{name}", alike)


def _counters(scripts: Sequence[FilterScript]) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "rhapsode_filter_calls", "Functions of a filter script run for a packet.", labels=["script"]
    )
    drops = CounterMetricFamily(
        "rhapsode_filter_drops",
        "Packets that a filter script dropped, by the reason it gave.",
        labels=["script", "reason"],
    )
    for each in scripts:
        calls.add_metric([each.name], each.counts.calls)
        for reason, times in ({OTHERS: 0} | each.counts.drops).items():
            drops.add_metric([each.name, reason], times)
    yield from (calls, drops)


def _errors(scripts: Sequence[FilterScript]) -> Iterator[Metric]:
    errors = CounterMetricFamily(
        "rhapsode_filter_errors",
        "Errors of a filter script, by the line in the text that failed; 0: not known.",
        labels=["script", "line"],
    )
    for each in scripts:
        for line, times in ({0: 0} | each.counts.failed_in).items():
            errors.add_metric([each.name, str(line)], times)
    yield errors


def _seconds(scripts: Sequence[FilterScript]) -> Metric:
    seconds = HistogramMetricFamily(
        "rhapsode_filter_seconds", "How long a function of a filter script took.", labels=["script"]
    )
    for each in scripts:
        sums = accumulate(each.counts.latency)
        bounds = [*map(floatToGoString, BOUNDS_S), "+Inf"]
        buckets = list(zip(bounds, sums, strict=True))
        seconds.add_metric([each.name], buckets, each.counts.latency_ns / 1e9)
    return seconds


def _states(filters: Filters) -> Iterator[Metric]:
    labels = ["script"]
    switched_off = GaugeMetricFamily(
        "rhapsode_filter_switched_off", "1 while a script is off because of what it did.", labels=labels
    )
    disabled = GaugeMetricFamily(
        "rhapsode_filter_disabled", "1 while a script is off because a person wants it so.", labels=labels
    )
    loaded = GaugeMetricFamily(
        "rhapsode_filter_loaded", "0 while the file as it is now cannot be loaded.", labels=labels
    )
    memory = GaugeMetricFamily(
        "rhapsode_filter_memory_bytes",
        "Memory of the Lua states that a script runs in; scripts of heplify-server share theirs.",
        labels=labels,
    )
    for each in filters.scripts:
        switched_off.add_metric([each.name], each.state == "switched off")
        disabled.add_metric([each.name], each.state == "disabled")
        loaded.add_metric([each.name], not each.is_broken)
        memory.add_metric([each.name], each.counts.memory_bytes)
    left_out = {problem.name for problem in filters.problems if problem.is_left_out and problem.name}
    for name in sorted(left_out - {each.name for each in filters.scripts}):
        loaded.add_metric([name], 0)
    yield from (switched_off, disabled, loaded, memory)


def _memories(filters: Filters) -> Iterator[Metric]:
    yield from _memory("rhapsode_filter_cache", "`cache`", filters.cache)
    yield from _memory("rhapsode_filter_hash_table", "`HashTable`", filters.hash_table)
    yield CounterMetricFamily(
        "rhapsode_filter_series_refused",
        "How often a script was denied one more series (`filters.series`).",
        value=filters.series_refused,
    )


def _memory(name: str, words: str, memory: MemoryReport) -> Iterator[Metric]:
    yield GaugeMetricFamily(f"{name}_bytes", f"Size of what scripts keep in {words}.", value=memory.bytes)
    yield GaugeMetricFamily(f"{name}_limit_bytes", f"Limit of {words}.", value=memory.limit_bytes)
    yield GaugeMetricFamily(f"{name}_entries", f"What scripts keep in {words}.", value=memory.entries)
    yield CounterMetricFamily(
        f"{name}_evicted", f"What went out of {words} for want of room.", value=memory.evicted
    )


def _is_legal(series: Series) -> bool:
    return (
        bool(_METRIC_NAME.match(series.name))
        and len(series.counts) in (0, len(series.bounds) + 1)
        and all(_LABEL_NAME.match(label) and label != "le" for label in series.labels)
    )


def _counter(name: str, series: Iterable[Series]) -> Metric:
    family = Metric(name, "Counted by a filter script.", "counter")
    for each in series:
        family.add_sample(f"{name}{_TOTAL}", each.labels, each.value)
    return family


def _histogram(name: str, series: Iterable[Series]) -> Metric:
    family = Metric(name, "Observed by a filter script.", "histogram")
    for each in series:
        bounds = [*map(floatToGoString, each.bounds), "+Inf"]
        for bound, count in zip(bounds, accumulate(each.counts), strict=True):
            family.add_sample(f"{name}_bucket", {**each.labels, "le": bound}, count)
        family.add_sample(f"{name}_count", each.labels, sum(each.counts))
        family.add_sample(f"{name}_sum", each.labels, each.value)
    return family
