"""What charts ask of InfluxDB 1.x, as InfluxQL of names that have been looked at.

Source: the HTTP API of InfluxDB 1.8 (`/query`) and InfluxQL's grammar: a name between double quotes ends at
the next one, and a backslash escapes; neither can stand in a name here. Knows nothing of routes.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from api.errors import RequestError
from api.proxies.server import MAX_WORDS, Server
from capture.text import in_one_line

DEFAULT_ROWS = 500
MAX_ROWS = 10_000
_HOUR_MS = 3_600_000
_STEPS_S = ((2, 60), (8, 300), (50, 3600))
"""Hours of a range, and the step up to there; a day beyond."""
_DAY_S = 86_400
_MOST_MS = 2**63 // 1_000_000 - 1
"""InfluxDB counts nanoseconds in 64 bits, to the year 2262; beyond there is nothing."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RETENTION = re.compile(r"[A-Za-z0-9_]+")
"""Policies are called by their length: `60s`."""
_NOT_THERE = re.compile(r"(?:database|retention policy|measurement) not found")
_MEASUREMENT = re.compile(r"[A-Za-z0-9_.:/-]+")


class Series(msgspec.Struct, omit_defaults=True):
    """One table of an answer; the names are those of both sides."""

    name: str = ""
    tags: dict[str, str] = {}
    columns: list[str] = []
    values: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    partial: bool = False
    """It has more rows than InfluxDB gives at once."""


class Message(msgspec.Struct):
    """What InfluxDB has to say beside its answer."""

    level: str = ""
    text: str = ""


class Result(msgspec.Struct):
    """The answer to one statement."""

    statement_id: int = 0
    series: list[Series] | None = None
    messages: list[Message] | None = None
    error: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether there is more than this."""
        return any(series.partial for series in self.series or ())


class _Answer(msgspec.Struct):
    results: list[Result] = []
    error: str = ""


class Source(NamedTuple):
    """Where values are, by names that have been looked at."""

    database: str
    retention: str
    """Empty for the database's own."""
    measurement: str

    @property
    def quoted(self) -> str:
        """With everything that the statement's database does not say."""
        prefix = f'"{self.retention}".' if self.retention else ""
        return f'{prefix}"{self.measurement}"'


def database_name(text: str) -> str:
    """A database; RequestError if it cannot be one. The web UI puts it between quotes."""
    return _checked(_unquoted(text), _NAME)


def source(database: str, retention: str, measurement: str) -> Source:
    """A measurement; retention `none` is the database's own. RequestError if a name cannot be one."""
    policy = _unquoted(retention)
    return Source(
        database_name(database),
        "" if policy in ("", "none") else _checked(policy, _RETENTION),
        _checked(measurement, _MEASUREMENT),
    )


def field_name(text: str) -> str:
    """A field; RequestError if it cannot be one."""
    return _checked(text, _NAME)


def select(where: Source, fields: Sequence[str], from_ms: int, to_ms: int, limit: int) -> str:
    """The newest mean values of some fields, in steps that follow the range."""
    from_ms, to_ms = (max(-_MOST_MS, min(_MOST_MS, ms)) for ms in (from_ms, to_ms))
    means = ", ".join(f'mean("{field_name(field)}") AS "{field}"' for field in fields)
    hours = (to_ms - from_ms) // _HOUR_MS
    step_s = next((step_s for most, step_s in _STEPS_S if hours <= most), _DAY_S)
    retention = where.retention and f'"{where.retention}"'
    return (
        f'SELECT {means} FROM "{where.database}".{retention}."{where.measurement}"'  # noqa: S608 - see above
        f" WHERE time >= {from_ms}ms AND time <= {to_ms}ms"
        f" GROUP BY time({step_s}s) FILL(null) ORDER BY time DESC LIMIT {limit}"
    )


async def run(server: Server, statement: str, database: str = "") -> Result:
    """The answer to one statement; empty where what it names is not there."""
    answer = await server.get("/query", [("q", statement)] + ([("db", database)] if database else []))
    try:
        found = msgspec.json.decode(answer.body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if answer.status != HTTPStatus.OK:
            raise server.refused(answer) from error
        raise server.failed("answers what is not in its API", error) from error
    if answer.status != HTTPStatus.OK or found.error:
        raise server.refused(answer, found.error)
    result = found.results[0] if found.results else Result()
    # Such as "retention policy not found: 60s": there is nothing there. A shard that is not found had values.
    if result.error and not _NOT_THERE.match(result.error):
        raise server.failed(f"refuses: {in_one_line(result.error, MAX_WORDS)}")
    return result


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _checked(name: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(name):
        raise RequestError
    return name
