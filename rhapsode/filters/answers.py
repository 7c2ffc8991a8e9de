"""What a test answers scripts in place of the world around a worker, and what it heard of them."""

from collections.abc import Iterable, Mapping

from capture.errors import ConfigError
from capture.script_report import SCRIPT_LABEL, Series
from capture.scripts.cache import Cache
from capture.scripts.folder import SUFFIX
from capture.scripts.saying import Sayings
from capture.scripts.services import Services
from capture.scripts.tables import Answer, Tables
from capture.settings import FilterSettings

_TOTAL = "_total"


class Answers:
    """Of one test. Tables and the time may change from one message to the next."""

    def __init__(self, time_s: float) -> None:
        self.time_s = time_s
        """Of the clock that `cache` goes by, seconds since the Unix epoch."""
        self.settings: dict[str, str | float | bool | None] = {}
        self.logged: list[str] = []
        """`LEVEL: words`, all of them."""
        self._tables: dict[str, dict[str, object]] = {}
        self._services: Services | None = None

    def filters(self, names: Iterable[str]) -> FilterSettings:
        """The settings under which these scripts run."""
        return FilterSettings.model_validate(
            {"scripts": {name.removesuffix(SUFFIX): self.settings for name in names}}
        )

    def services(self, filters: FilterSettings) -> Services:
        """What the scripts get; no table is read from a disk."""
        services = self._services = Services(None, filters)
        services.cache = Cache(filters.cache_bytes, lambda: self.time_s)
        services.sayings = _Heard(self.logged)
        services.tables = _Given.of(self._tables)
        return services

    def answer(
        self, file: str, key: str | None, value: str | float | bool | None, column: str | None
    ) -> str | None:
        """What a table has for a key; without one the table is taken into use as it is. Why not, in words."""
        table = self._tables.setdefault(file, {})
        if key is None:
            return self._take_tables()
        if column is None:
            table[key] = value
        else:
            row = table.setdefault(key, {})
            if not isinstance(row, dict):
                row = table[key] = {}
            row[column] = value
        return None

    def _take_tables(self) -> str | None:
        try:
            tables = _Given.of(self._tables)
        except ConfigError as error:
            return str(error)
        if self._services is not None:
            self._services.tables = tables
        return None

    def counted(self, name: str, labels: Mapping[str, str]) -> float:
        """The value of a counter, or how often something was observed; of all scripts together."""
        if self._services is None:
            return 0
        metric = name.removesuffix(_TOTAL)
        return sum(_number(each) for each in self._services.metrics.snapshot() if _is(each, metric, labels))


class _Given(Tables):
    """The tables of a test, and no others."""

    def lookup(self, name: bytes, key: bytes) -> Answer:
        if name in self._tables:
            return super().lookup(name, key)
        file = name.decode("utf-8", "replace")
        return None, f'a test gives tables itself: lookup_table("{file}", {{…}})'.encode()


class _Heard(Sayings):
    """Every line that scripts log, whatever its level and however often it comes."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def say(self, level: str, words: str, script: str, line: int) -> None:
        self._lines.append(f"{level}: {words}")


def _is(series: Series, name: str, labels: Mapping[str, str]) -> bool:
    given = {label: value for label, value in series.labels.items() if label != SCRIPT_LABEL}
    return series.name == name and given == labels


def _number(series: Series) -> float:
    return sum(series.counts) if series.counts else series.value
