"""The counters and histograms that scripts keep themselves.

Prometheus has `count("calls", { trunk = "north" })` of the script `trunks.lua` as
`rhapsode_script_calls_total{script="trunks.lua",trunk="north"}`, and `observe("invite_bytes", 870)` as
`rhapsode_script_invite_bytes_bucket`, `_sum` and `_count`: names as the operator wrote them, behind a prefix
that keeps them apart from ours; `calls` and `calls_total` are the same counter. A series is one metric of one
script with one set of label values, and there is a limit on all of them together, lest a Call-ID in a label
should fill the memory of a worker, or of Prometheus. They outlive a reload.

Source: the Prometheus data model (names of metrics and labels). Knows no Lua and no page.
"""

import logging
import re
from bisect import bisect_left
from collections.abc import Collection

from capture.script_report import SCRIPT_LABEL, Series
from capture.text import to_text

log = logging.getLogger(__name__)

BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0),
    *(1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 50_000.0, 100_000.0),
)
"""Upper bounds of a histogram's buckets. They serve shares, seconds, milliseconds and bytes alike."""
LARGEST = 1e15
"""Of a number that is added: no sum of such ones leaves what a float, and JSON, can hold."""
MOST_LABELS = 8
MOST_LABEL_CHARS = 200
"""Longer values are cut."""
MOST_NAME_CHARS = 100

_TOTAL = "_total"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*+")
_TAKEN_ENDINGS = ("_total", "_bucket", "_sum", "_count", "_created", "_info")
"""What Prometheus puts behind names itself."""

_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """One worker's. For one thread; nothing raises: what cannot be is said in words."""

    def __init__(self, most_series: int) -> None:
        self.refused = 0
        """How often something was not counted because it would have been one series too many."""
        self.problem = ""
        """The first time that was so, in words; empty again once there is room."""
        self._most = most_series
        self._series: dict[tuple[str, str, _Labels], Series] = {}
        self._histograms: dict[str, bool] = {}
        """Of each name in use, whether it is one."""
        self._met: dict[tuple[str, bytes, bool, tuple[bytes, ...]], Series] = {}
        """The same series as they were called for: labels in any order, names not yet checked."""

    def __len__(self) -> int:
        return len(self._series)

    def count(self, script: str, name: bytes, amount: float, labels: tuple[bytes, ...] = ()) -> str | None:
        """Add to a counter; why not, in words, when that cannot be. `labels` are names and values in turn."""
        series = self._met.get((script, name, False, labels))
        if series is None:
            found = self._find(script, name, labels, is_histogram=False)
            if not isinstance(found, Series):
                return found
            series = found
        if not 0 <= amount <= LARGEST:
            return f"a counter only grows, by a number from 0 to {LARGEST:g}"
        series.value += amount
        return None

    def observe(self, script: str, name: bytes, value: float, labels: tuple[bytes, ...] = ()) -> str | None:
        """Add a value to a histogram; why not, in words, when that cannot be."""
        series = self._met.get((script, name, True, labels))
        if series is None:
            found = self._find(script, name, labels, is_histogram=True)
            if not isinstance(found, Series):
                return found
            series = found
        if not -LARGEST <= value <= LARGEST:
            return f"what is observed is a number from {-LARGEST:g} to {LARGEST:g}"
        series.value += value
        series.counts[bisect_left(BOUNDS, value)] += 1
        return None

    def keep_only(self, scripts: Collection[str]) -> None:
        """The series of a script that is gone go with it, and make room."""
        kept = {key: series for key, series in self._series.items() if key[0] in scripts}
        if len(kept) == len(self._series):
            return
        self._series = kept
        self._histograms = {series.name: bool(series.counts) for series in kept.values()}
        self._met.clear()
        self.problem = ""

    def snapshot(self) -> list[Series]:
        """All of them, as they are: they go on changing."""
        return list(self._series.values())

    def _find(
        self, script: str, name: bytes, labels: tuple[bytes, ...], *, is_histogram: bool
    ) -> Series | str | None:
        """The series, made if there is room; else what is wrong, or None where only room is missing."""
        metric = to_text(name)
        if not is_histogram:
            metric = metric.removesuffix(_TOTAL)
        named, words = _read_labels(labels)
        words = _why_no_name(metric) or words
        if words is None and self._histograms.get(metric, is_histogram) != is_histogram:
            words = f"{metric} is a {'counter' if is_histogram else 'histogram'}, and cannot be both"
        if words is not None:
            return words
        key = (script, metric, named)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= self._most:
                self._refuse(script, metric)
                return None
            series = Series(metric, {SCRIPT_LABEL: script, **dict(named)}, 0.0)
            if is_histogram:
                series.bounds, series.counts = list(BOUNDS), [0] * (len(BOUNDS) + 1)
            self._series[key] = series
            self._histograms[metric] = is_histogram
        if len(self._met) >= 4 * self._most:
            # Labels come in another order now and then, and long values differ behind where they are cut.
            self._met.clear()
        if sum(map(len, labels)) <= MOST_LABEL_CHARS * MOST_LABELS:
            self._met[script, name, is_histogram, labels] = series
        return series

    def _refuse(self, script: str, metric: str) -> None:
        self.refused += 1
        if not self.problem:
            self.problem = (
                f"scripts have {self._most} series of metrics, which is the limit (filters.series): the next,"
                f" {metric} of {script}, is not counted, nor are others"
            )
            log.warning("%s", self.problem)


def _why_no_name(name: str) -> str | None:
    if len(name) > MOST_NAME_CHARS:
        return f"the name of a metric has at most {MOST_NAME_CHARS} characters"
    if not _NAME.fullmatch(name):
        return (
            f"a metric cannot be called {name!r}: letters, digits and _ make a name, and no digit begins it"
        )
    if name.endswith(_TAKEN_ENDINGS):
        return f"a metric cannot be called {name}: Prometheus has this ending for itself"
    return None


def _read_labels(labels: tuple[bytes, ...]) -> tuple[_Labels, str | None]:
    """Names and values in the order of the names, and what is wrong with them."""
    if len(labels) > 2 * MOST_LABELS:
        return (), f"a metric has at most {MOST_LABELS} labels"
    named: dict[str, str] = {}
    for name, value in zip(labels[::2], labels[1::2], strict=False):
        label = to_text(name)
        if not _NAME.fullmatch(label) or label.startswith("__") or len(label) > MOST_NAME_CHARS:
            return (), f"a label cannot be called {label[:MOST_NAME_CHARS]!r}"
        if label in (SCRIPT_LABEL, "le"):
            return (), f"a label cannot be called {label}: it is there already"
        named[label] = to_text(value)[:MOST_LABEL_CHARS]
    return tuple(sorted(named.items())), None
