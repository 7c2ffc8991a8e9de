"""Agents that subscribe, and asking them for what they have of a call.

Source: homer-app's routes and sentences. An agent is asked at the address that it has given with an API
token, or an administrator in its place: Homer let every user name any host.
"""

import asyncio
import logging
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.auth.caller import Caller
from api.auth.dependencies import AdminUser, CurrentUser
from api.context import Context
from api.errors import RequestError, TokenRefused
from api.leaving import unless_gone
from api.peer import peer_of
from api.proxies.agents import Download, ask, open_download, question
from api.records.agents import forget_expired, of_type, subscribe
from api.records.defaults import hepsub_defaults
from api.records.kind import Values, read_values, shown
from api.records.kinds import AGENT, HEPSUB
from api.records.store import change_row, changing, delete_row, find_row, find_rows
from api.routes.records import UNKNOWN, describe_record, whose
from api.schemas.common import FORBIDDEN, REFUSED, DataError
from api.schemas.records import AgentsAnswer, ChangedAnswer, Subscribed, SubscribedAnswer
from api.wire import JsonAnswer, JsonObject, Responses, describe_answer, describe_object, describe_path

log = logging.getLogger(__name__)

router = APIRouter(tags=["agents"])

MOST_BYTES = 1024 * 1024 * 1024
"""Of a download, which is handed on as it comes."""
DOWNLOAD_S = 600.0
"""For a whole download, to a client that may be slow."""
MOST_JSON_BYTES = 16 * 1024 * 1024
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")
_ADDRESS = re.compile(r"([0-9.]+)|\[?([0-9A-Fa-f]*:[0-9A-Fa-f:.]+)(?:%[A-Za-z0-9._-]+)?\]?")
"""IPv4, or IPv6 with brackets, perhaps, and a zone."""
RETRIEVED = "successfully retrieved agent records"
LISTED: Responses = {
    200: describe_answer(AgentsAnswer, "Agents"),
    400: REFUSED[400],
    401: REFUSED[401],
    503: REFUSED[503],
}
CHANGED: Responses = {**REFUSED, **FORBIDDEN, 200: describe_answer(ChangedAnswer, "Done")}
GUID = describe_path(guid="The agent's uuid")
NEW, BODY = (describe_record(AGENT, is_new=is_new) for is_new in (True, False))


async def subscribing_caller(request: Request, context: Context) -> Caller:
    """Whose the API token is, whether or not these are taken elsewhere; RequestError in Homer's words."""
    given = request.headers.get(context.options.auth.api_token_header, "").strip()
    if not given:
        raise RequestError("Auth-Token header not present or has empty value")
    try:
        caller = await context.api_tokens.check(given, peer_of(request))
    except TokenRefused as error:
        raise RequestError(str(error)) from error
    if caller is None:
        raise RequestError("record not found")
    return caller


SubscribingCaller = Annotated[Caller, Depends(subscribing_caller)]


@router.post(
    "/agent/subscribe",
    status_code=201,
    responses={
        201: describe_answer(SubscribedAnswer, "Until when it is kept"),
        400: describe_answer(DataError, "No API token, or the record is not as described"),
        503: REFUSED[503],
    },
    openapi_extra=NEW,
)
async def subscribe_agent(
    request: Request, caller: SubscribingCaller, context: Context, body: JsonObject
) -> JsonAnswer:
    """Say where an agent can be asked, for `ttl` seconds. With an API token, never a login.

    Its own address, or any with an administrator's token: this server sends requests there.
    """
    values = read_values(AGENT, body, is_new=True)
    own = _plain(peer_of(request))
    if not caller.useradmin and (own is None or _plain(values["host"]) != own):
        raise RequestError(
            f"host is not {peer_of(request)}, where this comes from:"
            " another is for API tokens of administrators to name"
        )
    async with changing(context.engine, whose(request, caller)) as change:
        until = await subscribe(change, values)
    answer = Subscribed(values["guid"], until.isoformat().replace("+00:00", "Z"), int(until.timestamp()))
    return JsonAnswer(SubscribedAnswer(answer, "successfully created agent record"), 201)


@router.get("/agent/subscribe", responses=LISTED)
async def list_agents(user: CurrentUser, context: Context) -> JsonAnswer:
    """All agents, also those that have expired and are not forgotten yet."""
    async with context.engine.connect() as connection:
        return _agents(await find_rows(connection, AGENT), RETRIEVED)


@router.get("/agent/type", responses=LISTED)
async def list_types(user: CurrentUser, context: Context) -> JsonAnswer:
    """The same."""
    return await list_agents(user, context)


@router.get("/agent/type/{type}", responses=LISTED, openapi_extra=describe_path(type="Such as `cdr`"))
async def list_agents_of(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """Agents of a type that have not expired."""
    type_ = request.path_params["type"]
    async with context.engine.connect() as connection:
        rows = await of_type(connection, type_)
    if not rows:
        raise RequestError(f"no agent subscription object found for type {type_}")
    return _agents(rows, "agent record")


@router.get("/agent/subscribe/{guid}", responses=LISTED, openapi_extra=GUID)
async def show_agent(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """One agent."""
    guid = request.path_params["guid"]
    async with context.engine.connect() as connection:
        row = await find_row(connection, AGENT, guid)
    if row is None:
        raise RequestError(f"no agent's record found for guid {guid}")
    return _agents([row], "agent record")


@router.put("/agent/subscribe/{guid}", responses=CHANGED, openapi_extra=GUID | BODY)
async def change_agent(request: Request, user: AdminUser, context: Context, body: JsonObject) -> JsonAnswer:
    """Change an agent's record: what the body names."""
    guid = request.path_params["guid"]
    values = read_values(AGENT, body, is_new=False)
    async with changing(context.engine, whose(request, user)) as change:
        found = await change_row(change, AGENT, guid, values)
    if not found:
        raise RequestError(UNKNOWN)
    return JsonAnswer(ChangedAnswer(guid, "successfully updated agent record"))


@router.delete("/agent/subscribe/{guid}", responses=CHANGED, openapi_extra=GUID)
async def delete_agent(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Forget an agent, and all that have expired."""
    guid = request.path_params["guid"]
    async with changing(context.engine, whose(request, user)) as change:
        found = await delete_row(change, AGENT, guid)
        await forget_expired(change.connection)
    if not found:
        raise RequestError(UNKNOWN)
    return JsonAnswer(ChangedAnswer(guid, "successfully deleted agent record"))


@router.post(
    "/agent/search/{guid}/{type}",
    responses={**REFUSED, 200: {"description": "What the agent has, as JSON, or as bytes for `download`"}},
    openapi_extra=describe_path(guid="The agent's uuid", type="What is asked for, or `download`")
    | describe_object("A search by Call-ID", {}),
)
async def ask_agent(request: Request, user: CurrentUser, context: Context, body: JsonObject) -> Response:
    """Ask an agent for what it has of some calls."""
    guid, type_ = request.path_params["guid"], request.path_params["type"]
    async with context.engine.connect() as connection:
        row = await find_row(connection, AGENT, guid)
        subs = await find_rows(connection, HEPSUB, defaults=hepsub_defaults())
    is_download = type_ == "download"
    if row is None or row["expire_date"] <= datetime.now(UTC):
        raise RequestError("record not found")
    if not is_download and type_ not in row["type"]:
        raise RequestError("record not found")
    asked = question(body, subs)
    context.audit.note(request, user, "ask agent", guid, {"type": type_, "asked": asked})
    if is_download:
        # The agent has chosen its uuid.
        name = f"export-{_NO_NAME.sub('_', guid)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.pcap"
        return await _passed_on(request, row, asked, name)
    content = await unless_gone(request, ask(row, type_, asked, MOST_JSON_BYTES))
    try:
        data = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RequestError(f"the agent {row['node']} has not answered with JSON") from error
    return JsonAnswer({"data": data, "message": "request answer", "node": row["node"], "uuid": guid})


async def _passed_on(request: Request, row: Values, asked: Any, name: str) -> "_PassedOn":
    async with AsyncExitStack() as unless_handed_on:

        async def ask_for_it() -> Download:
            download = await open_download(row, asked, MOST_BYTES)
            # At once: it may have come as nobody waits for it any more.
            unless_handed_on.push_async_callback(download.close)
            return download

        answer = _PassedOn(await unless_gone(request, ask_for_it()), name)
        unless_handed_on.pop_all()
    return answer


class _PassedOn(StreamingResponse):
    """An agent's file, handed on as it comes."""

    def __init__(self, download: Download, name: str) -> None:
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        if download.length is not None:
            headers["Content-Length"] = download.length
        super().__init__(download.chunks(), media_type="application/octet-stream", headers=headers)
        self._download = download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(DOWNLOAD_S):
                await super().__call__(scope, receive, send)
        except (RequestError, TimeoutError) as error:
            # Half a file cannot be taken back: the server closes the connection.
            log.warning("an agent's file is cut off: %s", str(error) or "it takes too long")
        finally:
            await self._download.close()


def _plain(host: str) -> IPv4Address | IPv6Address | None:
    """An address by which two can be compared; None for a name, and for what only begins like an address."""
    parts = _ADDRESS.fullmatch(host)
    try:
        found = ip_address(parts[1] or parts[2]) if parts else None
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _agents(rows: list[Values], message: str) -> JsonAnswer:
    return JsonAnswer(AgentsAnswer([shown(AGENT, row) for row in rows], message))
