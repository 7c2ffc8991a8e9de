"""What charts ask of Prometheus.

Source: the HTTP API of Prometheus (`query_range`, `label/…/values`, `series`). Expressions are bound as
values of the query, so that none can add another parameter. Knows nothing of routes.
"""

import re
from http import HTTPStatus
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec

from api.errors import RequestError, UpstreamError, UpstreamTimeout
from api.proxies.server import MAX_WORDS, Answer, Query, Server
from capture.text import in_one_line

API = "/api/v1"
MAX_METRICS = 100
"""Expressions in one question, each of which is a request."""

T = TypeVar("T")

_AS_THE_WEB_UI_SENDS = re.compile(r"(?:[\w:.!~*'()-]|%[0-9A-Fa-f]{2})*", re.ASCII)
"""What is left of an expression when the web UI has encoded it: no blank, quote, brace or comparison."""


class _Envelope(msgspec.Struct):
    """What every answer is wrapped in."""

    status: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    error_type: str = msgspec.field(name="errorType", default="")
    error: str = ""
    warnings: list[str] = []


class Told(NamedTuple, Generic[T]):
    """What Prometheus has answered."""

    data: T
    warnings: list[str]
    """Why there may be less in it than there is, such as a store that Thanos could not ask."""


class Matrix(msgspec.Struct):
    """The values of an expression over time, as Prometheus wrote them."""

    resultType: str
    result: msgspec.Raw


def expression_of(metric: str) -> str:
    """The expression that a metric of Homer's API stands for.

    Its web UI encodes what comes behind a metric's name, for a server that puts it into an address as it is.
    """
    return unquote(metric) if "%" in metric and _AS_THE_WEB_UI_SENDS.fullmatch(metric) else metric


async def ranges_of(
    server: Server, expressions: list[str], from_s: int, to_s: int, step_s: int
) -> Told[list[Matrix]]:
    """The values of each expression, one every `step_s`. All within the time for one answer."""
    if len(expressions) > MAX_METRICS:
        raise RequestError(f"more than {MAX_METRICS} metrics")
    window = [("start", str(from_s)), ("end", str(to_s)), ("step", str(step_s))]
    found: Told[list[Matrix]] = Told([], [])
    size = 0
    async with server.deadline():
        for expression in expressions:
            query = [("query", expression), *window]
            matrix, warnings = await _ask(server, f"{API}/query_range", query, Matrix)
            size += len(memoryview(matrix.result))
            if size > server.max_answer_bytes:
                raise server.too_large()
            found.data.append(matrix)
            found.warnings.extend(warnings)
    return found


async def metric_names(server: Server) -> Told[list[str]]:
    """Every metric that there is."""
    return await _ask(server, f"{API}/label/__name__/values", (), list[str])


async def series_of(server: Server, selector: str) -> Told[list[dict[str, str]]]:
    """The labels of every series of a metric."""
    return await _ask(server, f"{API}/series", [("match[]", selector)], list[dict[str, str]])


async def _ask(server: Server, path: str, query: Query, kind: type[T]) -> Told[T]:
    answer = await server.get(path, query)
    try:
        envelope = msgspec.json.decode(answer.body, type=_Envelope)
        if answer.status == HTTPStatus.OK and envelope.status == "success":
            return Told(msgspec.json.decode(envelope.data, type=kind), envelope.warnings)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if answer.status == HTTPStatus.OK:
            raise server.failed("answers what is not in its API", error) from error
        envelope = _Envelope()
    raise _refusal(server, answer, envelope)


def _refusal(server: Server, answer: Answer, envelope: _Envelope) -> UpstreamError | RequestError:
    """An expression that cannot be read, or asks for too much, is the fault of who wrote it."""
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY) and envelope.error:
        return RequestError(f"{server.name}: {in_one_line(envelope.error, MAX_WORDS)}")
    if envelope.error_type == "timeout":
        return UpstreamTimeout(f"{server.name}: {in_one_line(envelope.error, MAX_WORDS)}")
    return server.refused(answer, envelope.error)
