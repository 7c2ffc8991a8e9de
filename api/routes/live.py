"""The live feed over a WebSocket, for whoever is logged in.

Source: RFC 6455. The login comes in the header `Authorization` or, as browsers cannot set one, in the first
message: addresses, and the names of subprotocols, are written into logs on the way. A page of another site
gains nothing by opening one, for no cookie counts here.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.requests import HTTPConnection

from api.auth.caller import Caller
from api.auth.dependencies import caller_of
from api.context import ApiContext
from api.errors import DatabaseError, FeedFull, NotAuthenticated, RequestError
from api.feed.subscription import Gap, Subscription
from api.schemas.live import Ask, End, Missed, Ready, Refused, messages_frame, missed
from api.schemas.search import elements_of
from api.search.fields import class_fields
from api.search.match import Predicate, compile_match
from api.search.query import EVERYTHING
from api.search.syntax import Limits, Reading, read_elements
from capture.route import MessageClass

router = APIRouter()

ASK_S = 10.0
"""Who has not said who it is by then is sent away."""
LOGIN_CHECK_S = 2.0
"""How often it is looked whether a login is still one."""
SEND_S = 60.0
"""A message that has not been taken by then will not be."""
STRANGERS = 50
"""Connections that have not said who they are, at most."""
NO_LOGIN, TOO_MANY, TROUBLE = 4401, 1013, 1011
"""Codes of the connection's end: ours, "try again later", "internal error"."""
_ask = msgspec.json.Decoder(Ask)


class _Ended(Exception):
    """The feed ends, with a code and words for the listener."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@router.websocket("/ws")
async def listen(socket: WebSocket) -> None:
    """Send what is stored from now on and matches the listener's last question."""
    await socket.accept()
    context: ApiContext = socket.app.state.context
    listener = _Listener(socket, context)
    # Who has gone needs no goodbye.
    with suppress(WebSocketDisconnect):
        try:
            await listener.serve()
        except _Ended as end:
            await _send(socket, End(str(end)))
            await socket.close(end.code)


class _Listener:
    """One connection, from the login to its end."""

    def __init__(self, socket: WebSocket, context: ApiContext) -> None:
        self._socket = socket
        self._context = context
        self._subscription = Subscription()

    async def serve(self) -> None:
        """Until the listener goes; _Ended when it is we who end it."""
        connection, ask = await self._log_in()
        feed = self._context.feed
        caller = await self._caller(connection)
        try:
            await feed.join(self._subscription)
        except FeedFull as error:
            raise _Ended(TOO_MANY, str(error)) from error
        except DatabaseError as error:
            raise _Ended(TOO_MANY, "the database is away") from error
        try:
            await self._answer(ask, caller)
            await _first_of(
                self._take_questions(caller), self._send_messages(), self._watch_login(connection)
            )
        finally:
            await feed.leave(self._subscription)

    async def _log_in(self) -> tuple[HTTPConnection, bytes]:
        """Who it is by header or first message, and that message; _Ended when it is nobody."""
        if self._context.strangers >= STRANGERS:
            raise _Ended(TOO_MANY, "too many have not said who they are")
        self._context.strangers += 1
        try:
            async with asyncio.timeout(ASK_S):
                first = await self._receive()
        except TimeoutError as error:
            raise _Ended(NO_LOGIN, "no question has come") from error
        finally:
            self._context.strangers -= 1
        with suppress(RequestError):
            if (token := _read(first).token) is not None:
                return _with_token(self._socket, token), first
        return self._socket, first

    async def _caller(self, connection: HTTPConnection, *, again: bool = False) -> Caller:
        try:
            return await caller_of(connection, counted=not again)
        except NotAuthenticated as error:
            raise _Ended(NO_LOGIN, str(error)) from error
        except DatabaseError as error:
            raise _Ended(TROUBLE, "the database is away: whether the login counts cannot be told") from error

    async def _watch_login(self, connection: HTTPConnection) -> None:
        while True:
            await asyncio.sleep(LOGIN_CHECK_S)
            await self._caller(connection, again=True)

    async def _take_questions(self, caller: Caller) -> None:
        while True:
            await self._answer(await self._receive(), caller)

    async def _send_messages(self) -> None:
        while True:
            taken = await self._subscription.take()
            if isinstance(taken, Gap):
                await _send(self._socket, missed(taken))
            else:
                await _send_text(self._socket, messages_frame(taken))

    async def _receive(self) -> bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        return text.encode("utf-8", "surrogatepass") if text is not None else message.get("bytes") or b""

    async def _answer(self, message: bytes, caller: Caller) -> None:
        """Take a question, and say so, or what is wrong with it."""
        try:
            ask = _read(message)
            wanted, warnings = await self._question(ask)
        except RequestError as error:
            await _send(self._socket, Refused(str(error)))
            return
        if ask.payload:
            self._context.audit.note(self._socket, caller, "watch payloads", ask.profile or "")
        self._subscription.with_payload = bool(ask.payload)
        self._subscription.wanted = wanted
        await _send(self._socket, Ready(ask.profile, warnings))

    async def _question(self, ask: Ask) -> tuple[dict[MessageClass, Predicate], list[str]]:
        if ask.profile is None:
            if ask.elements:
                raise RequestError("elements need a profile")
            return dict.fromkeys(MessageClass, compile_match(EVERYTHING)), []
        try:
            message_class = MessageClass(ask.profile)
        except ValueError as error:
            raise RequestError("there is no such profile") from error
        reading = self._read_elements(ask, message_class)
        if reading.warnings and await self._context.searcher.script_names.refresh():
            reading = self._read_elements(ask, message_class)
        return {message_class: compile_match(reading.where)}, reading.warnings

    def _read_elements(self, ask: Ask, message_class: MessageClass) -> Reading:
        options = self._context.options
        names = self._context.searcher.script_names.known
        fields = class_fields(message_class, options.custom_headers, names)
        limits = Limits(options.search.max_limit, options.search.max_limit)
        return read_elements(elements_of(ask.elements or []), fields, limits, any_of=bool(ask.orlogic))


def _read(message: bytes) -> Ask:
    try:
        return _ask.decode(message)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RequestError from error


def _with_token(socket: WebSocket, token: str) -> HTTPConnection:
    header = (b"authorization", f"Bearer {token}".encode("latin-1", "replace"))
    others = [item for item in socket.headers.raw if item[0] != b"authorization"]
    return HTTPConnection({**socket.scope, "headers": [*others, header]})


async def _send(socket: WebSocket, said: Ready | Refused | Missed | End) -> None:
    await _send_text(socket, msgspec.json.encode(said).decode())


async def _send_text(socket: WebSocket, text: str) -> None:
    """WebSocketDisconnect when it is not taken."""
    try:
        async with asyncio.timeout(SEND_S):
            await socket.send_text(text)
    except (TimeoutError, RuntimeError) as error:
        raise WebSocketDisconnect(1006) from error


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """All at once, until one of them ends, which it does by raising."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
