"""Homer's names for what Prometheus, InfluxDB and Loki are asked, and for what they answer."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from api.errors import RequestError
from api.proxies.influxdb import Message, Result, Series
from api.proxies.loki import NS_PER_MS, Line
from api.proxies.prometheus import Matrix
from api.schemas.search import Int64, TimeWindow

EXAMPLE_WINDOW = {"from": 1_577_836_800_000, "to": 1_577_840_400_000}


class MetricsParam(msgspec.Struct):
    """Which metrics, and one value every so many seconds. Other names are ignored."""

    metrics: list[str] | None = None
    """Names or expressions; encoded as in an address, too."""
    precision: Int64 | None = None


class MetricsQuestion(msgspec.Struct):
    """The body of `POST /prometheus/value`."""

    param: MetricsParam | None = None
    timestamp: TimeWindow | None = None


class MetricAnswer(msgspec.Struct):
    """What Prometheus has of one metric."""

    data: Matrix
    success: Literal[""] = ""
    """Always empty, as with Homer."""


class SeriesLabels(msgspec.Struct, frozen=True):
    """What Homer shows of a series: these four of its labels, empty where it has none."""

    name: str = msgspec.field(name="__name__", default="")
    instance: str = ""
    job: str = ""
    version: str = ""


def shown_series(series: Iterable[dict[str, str]]) -> list[SeriesLabels]:
    """Each once."""
    shown = (
        SeriesLabels(*(labels.get(name, "") for name in ("__name__", "instance", "job", "version")))
        for labels in series
    )
    return list(dict.fromkeys(shown))


class LinesParam(msgspec.Struct):
    """A query in LogQL. `server` and all other names are ignored: the settings name the server."""

    search: str | None = None
    limit: Int64 | None = None


class LinesQuestion(msgspec.Struct):
    """The body of `POST /search/remote/data`."""

    param: LinesParam | None = None
    timestamp: TimeWindow | None = None


class LineRow(msgspec.Struct):
    """One line of a log."""

    id: int
    """A number within the answer."""
    micro_ts: int
    """Milliseconds, despite its name."""
    custom_1: str
    """The line."""
    custom_2: str
    """The labels of its stream as JSON text."""


class LinesAnswer(msgspec.Struct):
    """Lines, newest first."""

    data: list[LineRow]


def line_rows(lines: Iterable[Line]) -> list[LineRow]:
    """As Homer shows them."""
    return [
        LineRow(
            number,
            line.time_ns // NS_PER_MS,
            line.text,
            msgspec.json.encode(line.labels, order="sorted").decode(),
        )
        for number, line in enumerate(lines, 1)
    ]


class LokiStatus(msgspec.Struct):
    """Whether there is a Loki, and the query to begin with."""

    enable: bool
    template: str
    external_url: Literal[""] = ""


class Modules(msgspec.Struct):
    loki: LokiStatus


class ModulesAnswer(msgspec.Struct):
    data: Modules
    message: str = "Modules status"


class StatisticQuery(msgspec.Struct):
    """A measurement and its fields. The web UI puts database and retention between quotes."""

    main: str | None = None
    """The measurement."""
    database: str | None = None
    retention: str | None = None
    type: list[str] | None = None
    """The fields."""


class DatabaseName(msgspec.Struct):
    database: str | None = None


class StatisticParam(msgspec.Struct):
    """Other names (`tag`, `rawquery`, `precision` …) are ignored, as by Homer."""

    query: list[StatisticQuery] | None = None
    """Of several, `/statistic/data` runs the last, the others run the first."""
    search: DatabaseName | None = None
    limit: Int64 | None = None


class StatisticQuestion(msgspec.Struct):
    """The body of every `POST /statistic/…`."""

    param: StatisticParam | None = None
    timestamp: TimeWindow | None = None


class StatisticResult(msgspec.Struct):
    """InfluxDB's answer to one statement."""

    statement_id: int
    series: list[Series] | None = msgspec.field(name="Series", default=None)
    messages: list[Message] | None = msgspec.field(name="Messages", default=None)


class StatisticResults(msgspec.Struct):
    results: list[StatisticResult] = msgspec.field(name="Results")


class StatisticAnswer(msgspec.Struct):
    """`data` is the empty list where nothing was found."""

    total: int
    data: StatisticResults | Annotated[list[Any], msgspec.Meta(max_length=0)]
    status: Literal["ok"] = "ok"


NOTHING = StatisticAnswer(0, [])


def statistic_answer(result: Result) -> StatisticAnswer:
    """As Homer shows it."""
    return StatisticAnswer(
        1, StatisticResults([StatisticResult(result.statement_id, result.series, result.messages)])
    )


def whole_window(window: TimeWindow | None) -> tuple[int, int]:
    """First and last millisecond; RequestError when one is missing, for what follows would be a guess."""
    if window is None or window.from_ms is None or window.to_ms is None:
        raise RequestError
    return window.from_ms, window.to_ms
