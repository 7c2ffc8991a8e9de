"""Whole calls as files, and links that open them."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from api.auth.caller import Caller
from api.auth.dependencies import CurrentUser
from api.context import ApiContext, Context
from api.errors import NotBuilt, RequestError
from api.export.captured import captured
from api.export.pcap import FILE_HEADER, PcapWriter
from api.export.text import as_text
from api.routes.correlated import find_calls
from api.schemas.common import REFUSED, DataError, PlainError
from api.schemas.export import LinkAnswer, ShareLink, shown_at
from api.schemas.search import TRANSACTION_EXAMPLE, SearchObject, call_ids_of, strict_classes_of
from api.search.decide import Found
from api.sending import FileOf
from api.wire import (
    JsonAnswer,
    JsonSchema,
    Responses,
    describe_answer,
    describe_body,
    describe_path,
    json_body,
)

router = APIRouter(tags=["export"])

Body = Annotated[SearchObject, Depends(json_body(SearchObject))]

MOST_LINK_CHARS = 32_000
"""Half of what servers take as the first line of a request."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+")
NOT_BUILT: Responses = {
    401: describe_answer(PlainError, "No login, or one that has expired"),
    501: describe_answer(DataError, "There is no such export"),
}


class _Kind(NamedTuple):
    """A kind of file."""

    ending: str
    media_type: str
    parts: Callable[[Iterable[Found]], Iterator[bytes]]
    """The file, piece by piece."""


def _pcap_parts(messages: Iterable[Found]) -> Iterator[bytes]:
    writer = PcapWriter()
    yield FILE_HEADER
    for message in messages:
        yield from writer.frames(captured(message))


def _text_parts(messages: Iterable[Found]) -> Iterator[bytes]:
    return (as_text(captured(message)) for message in messages)


PCAP = _Kind("pcap", "application/octet-stream", _pcap_parts)
TEXT = _Kind("txt", "text/plain; charset=UTF-8", _text_parts)


def _file(media_type: str, description: str) -> Responses:
    content: JsonSchema = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return REFUSED | {200: {"description": description, "content": content}}


@router.post(
    "/export/call/messages/pcap",
    response_class=StreamingResponse,
    responses=_file("application/octet-stream", "A capture file, for Wireshark"),
    openapi_extra=describe_body(SearchObject, TRANSACTION_EXAMPLE),
)
async def export_pcap(request: Request, user: CurrentUser, context: Context, body: Body) -> FileOf:
    """What a transaction shows of the given Call-IDs, each message by its own transport."""
    return await _export(request, context, body, user, PCAP)


@router.post(
    "/export/call/messages/text",
    response_class=StreamingResponse,
    responses=_file("text/plain", "Each message behind a line with its time and ends"),
    openapi_extra=describe_body(SearchObject, TRANSACTION_EXAMPLE),
)
async def export_text(request: Request, user: CurrentUser, context: Context, body: Body) -> FileOf:
    """What a transaction shows of the given Call-IDs, payloads byte for byte."""
    return await _export(request, context, body, user, TEXT)


@router.post(
    "/export/call/transaction/link",
    responses=REFUSED | {200: describe_answer(LinkAnswer, "Where the web UI shows the calls")},
    openapi_extra=describe_body(SearchObject, TRANSACTION_EXAMPLE),
)
async def make_link(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """A link that opens the given Call-IDs in the web UI, for whoever may log in; it holds all by itself."""
    calls = {key.key: call_ids_of(value) for key, value in strict_classes_of(body).items()}
    times = body.timestamp
    if times is None or times.from_ms is None or times.to_ms is None or not any(calls.values()):
        raise RequestError("a link needs Call-IDs and a window of time")
    origin = request.headers.get("origin", "")
    if not _ORIGIN.fullmatch(origin):
        origin = f"{request.url.scheme}://{request.url.netloc}"
    page = f"{origin}{context.options.http.prefix}/search/result"
    link = shown_at(page, times.from_ms, times.to_ms, calls)
    if len(link) > MOST_LINK_CHARS:
        raise RequestError("too many Call-IDs for a link")
    return JsonAnswer(LinkAnswer(ShareLink(link)))


@router.post("/export/call/messages/sipp", status_code=501, responses=NOT_BUILT)
async def export_sipp(user: CurrentUser) -> None:
    """Calls as scenarios for SIPp: not there."""
    raise NotBuilt("SIPp export")


@router.post("/export/call/transaction/report", status_code=501, responses=NOT_BUILT)
async def export_report(user: CurrentUser) -> None:
    """Calls as a report: not there."""
    raise NotBuilt("report export")


@router.post("/export/call/stenographer", status_code=501, responses=NOT_BUILT)
async def export_stenographer(user: CurrentUser) -> None:
    """Packets out of a Stenographer: not there."""
    raise NotBuilt("export from Stenographer")


@router.get(
    "/export/action/{name}",
    status_code=501,
    responses=NOT_BUILT,
    openapi_extra=describe_path(name="Which diagnostics"),
)
async def export_diagnostics(user: CurrentUser) -> None:
    """Diagnostics of a commercial edition: not there. `/health` and `/metrics` are."""
    raise NotBuilt("export of diagnostics")


async def _export(
    request: Request, context: ApiContext, body: SearchObject, user: Caller, kind: _Kind
) -> FileOf:
    """All is looked up before the first byte is sent, so that an error can still be one; the file is made
    while it is sent.
    """
    found = await find_calls(request, context, body)
    context.audit.note(
        request,
        user,
        f"export {kind.ending}",
        found.seen,
        {"messages": len(found.messages)},
    )
    now = datetime.now(UTC)
    name = f"export-{now:%Y-%m-%dT%H:%M:%SZ}.{kind.ending}"
    headers = found.headers | {"Content-Disposition": f"attachment; filename={name}"}
    return FileOf(found.messages, kind.parts, kind.media_type, headers)
