"""Settings objects that are all alike over HTTP: listed, shown, made, changed, deleted.

Source: homer-app's routes, with its status codes, envelopes and sentences, odd as some are. An id that is
unknown is an error here; Homer answered some as if it had done something.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request

from api.audit import Entry, entry_of
from api.auth.caller import Caller
from api.auth.dependencies import CurrentUser, admin_user
from api.context import ApiContext, Context
from api.errors import RequestError
from api.records.described import schema_of_kind
from api.records.kind import Kind, Values, read_values, shown
from api.records.store import change_row, changing, delete_row, find_row, find_rows, make_row
from api.schemas.common import FORBIDDEN, REFUSED
from api.schemas.records import ChangedAnswer, RowsAnswer
from api.wire import JsonAnswer, JsonObject, JsonSchema, Responses, describe_answer, describe_path

Defaults = Callable[[ApiContext], Awaitable[list[Values]]]
Mask = Callable[[Caller, dict[str, Any]], dict[str, Any]]

UNKNOWN = "data was not found"


async def no_defaults(_: ApiContext) -> list[Values]:
    """The program brings none along."""
    return []


class Said(NamedTuple):
    """Status and sentence of one answer."""

    status: int
    message: str


class Resource(NamedTuple):
    """One kind of object over HTTP."""

    kind: Kind
    path: str
    made: Said
    changed: Said
    deleted: Said
    list_status: int = 200
    is_counted: bool = True
    """Lists say how many there are."""
    unknown: str = UNKNOWN
    """When one that is asked for by its guid is not there; `{guid}` is that."""
    defaults: Defaults = no_defaults
    mask: Mask = lambda caller, row: row
    """What of a row somebody may see."""
    may_change: Callable[..., Any] = admin_user
    """The dependency that lets somebody change them."""


def add_routes(
    router: APIRouter, resource: Resource, *, with_list: bool = True, with_show: bool = True
) -> None:
    """All five routes of a kind, or without those that show all objects, or a single one."""
    kind, path = resource.kind, resource.path
    one, its_path = f"{path}/{{guid}}", describe_path(guid=f"The {kind.what}'s guid")
    Changer = Annotated[Caller, Depends(resource.may_change)]

    if with_list:

        @router.get(
            path,
            status_code=resource.list_status,
            responses=_rows(resource.list_status),
            description=f"Every {kind.what}.",
        )
        async def list_all(caller: CurrentUser, context: Context) -> JsonAnswer:
            defaults = await resource.defaults(context)
            async with context.engine.connect() as connection:
                rows = await find_rows(connection, kind, defaults=defaults)
            return _list(resource, caller, rows, resource.list_status)

    if with_show:

        @router.get(
            one,
            responses=_rows(200) | {400: REFUSED[400]},
            openapi_extra=its_path,
            description=f"One {kind.what}.",
        )
        async def show(request: Request, caller: CurrentUser, context: Context) -> JsonAnswer:
            guid = request.path_params["guid"]
            defaults = await resource.defaults(context)
            async with context.engine.connect() as connection:
                row = await find_row(connection, kind, guid, defaults)
            if row is None:
                raise RequestError(resource.unknown.format(guid=guid))
            return _list(resource, caller, [row], 200)

    @router.post(
        path,
        status_code=resource.made.status,
        responses=_changes(resource.made),
        openapi_extra=describe_record(kind, is_new=True),
        description=f"Make one {kind.what}; the answer has its guid.",
    )
    async def make(request: Request, caller: Changer, context: Context, body: JsonObject) -> JsonAnswer:
        values = read_values(kind, body, is_new=True)
        async with changing(context.engine, whose(request, caller)) as change:
            guid = await make_row(change, kind, values)
        context.settings_changed()
        return _said(resource.made, guid or "")

    @router.put(
        one,
        status_code=resource.changed.status,
        responses=_changes(resource.changed),
        openapi_extra=describe_record(kind, is_new=False) | its_path,
        description=f"Change one {kind.what}: what the body names, be it empty.",
    )
    async def change_one(request: Request, caller: Changer, context: Context, body: JsonObject) -> JsonAnswer:
        guid = request.path_params["guid"]
        values = read_values(kind, body, is_new=False)
        defaults = await resource.defaults(context)
        async with changing(context.engine, whose(request, caller)) as change:
            found = await change_row(change, kind, guid, values, defaults)
        if not found:
            raise RequestError(UNKNOWN)
        context.settings_changed()
        return _said(resource.changed, guid)

    @router.delete(
        one,
        status_code=resource.deleted.status,
        responses=_changes(resource.deleted),
        openapi_extra=its_path,
        description=f"Delete one {kind.what}.",
    )
    async def delete_one(request: Request, caller: Changer, context: Context) -> JsonAnswer:
        guid = request.path_params["guid"]
        defaults = await resource.defaults(context)
        async with changing(context.engine, whose(request, caller)) as change:
            found = await delete_row(change, kind, guid, defaults)
        if not found:
            raise RequestError(UNKNOWN)
        context.settings_changed()
        return _said(resource.deleted, guid)


def describe_record(kind: Kind, *, is_new: bool, secrets: Sequence[str] = ()) -> JsonSchema:
    """`openapi_extra` of a route that takes an object, a new one or what is to change of one."""
    content = {"application/json": {"schema": schema_of_kind(kind, is_new=is_new, secrets=secrets)}}
    return {"requestBody": {"required": True, "description": f"The {kind.what}", "content": content}}


def whose(request: Request, caller: Caller) -> Entry:
    """The beginning of an entry in the audit, for `changing`."""
    return entry_of(request, caller, "")


def _list(resource: Resource, caller: Caller, rows: list[Values], status: int) -> JsonAnswer:
    data = [resource.mask(caller, shown(resource.kind, _complete(resource.kind, row))) for row in rows]
    answer = {"count": len(data), "data": data} if resource.is_counted else {"data": data}
    return JsonAnswer(answer, status)


def _complete(kind: Kind, row: Values) -> Values:
    """What the program brings along has no number."""
    return {kind.columns.get(name, name): None for name in kind.fields} | row


def _said(said: Said, guid: str) -> JsonAnswer:
    return JsonAnswer(ChangedAnswer(guid, said.message), said.status)


def _rows(status: int) -> Responses:
    return {status: describe_answer(RowsAnswer, "The objects"), 401: REFUSED[401], 503: REFUSED[503]}


def _changes(said: Said) -> Responses:
    return {**REFUSED, said.status: describe_answer(ChangedAnswer, "Done"), **FORBIDDEN}
