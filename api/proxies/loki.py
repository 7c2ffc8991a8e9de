"""What the web UI asks of Loki: lines of a range, names of labels, their values.

Source: the HTTP API of Loki (`query_range`, `labels`, `label/…/values`). Knows nothing of routes.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import msgspec

from api.errors import RequestError
from api.proxies.server import MAX_WORDS, Query, Server
from capture.text import in_one_line, to_text

API = "/loki/api/v1"
DEFAULT_LINES = 100
MAX_LINES = 5000
"""Of one answer; Loki's own limit, unless it was raised there."""
NS_PER_MS = 1_000_000

T = TypeVar("T")

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Line(NamedTuple):
    """One line with its time and the labels of its stream."""

    time_ns: int
    text: str
    labels: Mapping[str, str]


class _Stream(msgspec.Struct):
    stream: dict[str, str]
    values: list[list[Any]]
    """Nanoseconds as text, the line, and perhaps its structured metadata."""


class _Found(msgspec.Struct):
    result: list[msgspec.Raw]
    kind: str = msgspec.field(name="resultType", default="")


class _Range(msgspec.Struct):
    data: _Found
    warnings: list[str] = []


class _Names(msgspec.Struct):
    """Without any there is no `data`."""

    data: list[str] | None = None


class Found(NamedTuple):
    """What Loki has answered."""

    lines: list[Line]
    """Newest first."""
    warnings: list[str]
    """Why there may be less than there is."""


async def newest_lines(server: Server, query: str, from_ms: int, to_ms: int, limit: int) -> Found:
    """The newest lines of a LogQL query within a range, newest first, over all streams."""
    asked = [
        ("query", query),
        ("limit", str(limit)),
        ("start", str(from_ms * NS_PER_MS)),
        ("end", str(to_ms * NS_PER_MS)),
        ("direction", "backward"),
    ]
    answer = await _ask(server, f"{API}/query_range", asked, _Range)
    found = answer.data
    if found.kind != "streams":
        raise RequestError("the query gives numbers: only lines can be shown here")
    try:
        streams = [msgspec.json.decode(item, type=_Stream) for item in found.result]
        lines = [
            Line(int(time_ns), str(text), stream.stream)
            for stream in streams
            for time_ns, text, *_ in stream.values
        ]
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise server.failed("answers what is not in its API", error) from error
    return Found(sorted(lines, key=lambda line: line.time_ns, reverse=True), answer.warnings)


async def label_names(server: Server) -> list[str]:
    """The labels that there are, of the last hours."""
    return (await _ask(server, f"{API}/labels", (), _Names)).data or []


async def label_values(server: Server, label: str) -> list[str]:
    """The values of a label; none of what cannot be one, such as one that is being typed."""
    if not _LABEL.fullmatch(label):
        return []
    return (await _ask(server, f"{API}/label/{label}/values", (), _Names)).data or []


async def _ask(server: Server, path: str, query: Query, kind: type[T]) -> T:
    answer = await server.get(path, query)
    if answer.status == HTTPStatus.BAD_REQUEST:
        raise RequestError(f"{server.name}: {in_one_line(to_text(answer.body).strip(), MAX_WORDS)}")
    if answer.status != HTTPStatus.OK:
        raise server.refused(answer, to_text(answer.body[: 4 * MAX_WORDS]).strip())
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise server.failed("answers what is not in its API", error) from error
