"""Data nodes, profiles, versions, and what is stored where.

Source: homer-app's routes; for those that it lacks, what the web UI asks for.
"""

import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Request

from api.auth.dependencies import AdminUser, CurrentUser
from api.context import ApiContext, Context
from api.database import server_facts
from api.errors import NotBuilt, RequestError
from api.records.kind import Values
from api.records.mappings import find_mappings
from api.schemas.common import FORBIDDEN, REFUSED, DataError
from api.schemas.nodes import (
    DatabaseInfo,
    DatabaseInfoAnswer,
    FieldInfo,
    FieldList,
    FieldsAnswer,
    Node,
    NodesAnswer,
    TablesAnswer,
    VersionAnswer,
)
from api.tables import metadata
from api.wire import JsonAnswer, Responses, describe_answer, describe_path

router = APIRouter(tags=["nodes"])

INFO: Responses = {
    200: describe_answer(DatabaseInfoAnswer, "The database"),
    401: REFUSED[401],
    503: REFUSED[503],
}
NOT_HERE: Responses = {
    **FORBIDDEN,
    401: REFUSED[401],
    501: describe_answer(DataError, "Always"),
    503: REFUSED[503],
}
VERSION: Responses = {
    200: describe_answer(VersionAnswer, "The version"),
    401: REFUSED[401],
    503: REFUSED[503],
}


@router.get(
    "/database/node/list",
    responses={200: describe_answer(NodesAnswer, "The nodes"), 401: REFUSED[401], 503: REFUSED[503]},
)
async def list_nodes(user: CurrentUser, context: Context) -> JsonAnswer:
    """The data nodes; `value` goes into `param.location.node` of a search."""
    nodes = [Node(name.lower(), name, online) for name, online in await context.nodes.online()]
    return JsonAnswer(NodesAnswer(nodes, len(nodes)))


@router.get(
    "/admin/profiles",
    responses={400: describe_answer(DataError, "Always"), 401: REFUSED[401], 503: REFUSED[503]},
)
async def list_profiles(user: CurrentUser) -> JsonAnswer:
    """Nothing, as in Homer: the profiles are in `GET /mapping/protocol`."""
    raise RequestError("failed to get dashboards")


@router.get("/version/api/info", responses=VERSION)
async def show_version(user: CurrentUser) -> JsonAnswer:
    """The version of this server."""
    return JsonAnswer({"data": {"version": _version()}})


@router.get(
    "/version/ui/check/{installed}",
    responses=VERSION,
    openapi_extra=describe_path(installed="The version of the web UI that asks"),
)
async def check_ui(user: CurrentUser) -> JsonAnswer:
    """Whether there is a newer web UI: nobody is asked, so it is never said that there is."""
    return JsonAnswer(
        {"data": {"upgrade": False, "version": _version()}, "message": "no server is asked for updates"}
    )


@router.get("/statistic/database/info", responses=INFO)
async def show_database(user: CurrentUser, context: Context) -> JsonAnswer:
    """The database of messages."""
    return JsonAnswer({"data": [await _info(context)]})


@router.get("/statistic/configdb/info", responses=INFO)
async def show_settings_database(user: CurrentUser, context: Context) -> JsonAnswer:
    """The database of settings, which is the same."""
    return JsonAnswer({"data": [await _info(context)]})


@router.get(
    "/configdb/tables/list",
    responses={200: describe_answer(TablesAnswer, "Their names"), 401: REFUSED[401], 503: REFUSED[503]},
)
async def list_tables(user: CurrentUser) -> JsonAnswer:
    """The tables of settings."""
    return JsonAnswer(TablesAnswer(sorted(metadata.tables)))


@router.post("/configdb/tables/resync", responses=NOT_HERE)
async def copy_tables(user: AdminUser) -> JsonAnswer:
    """Copying settings from one node to another, which there is not: they are in one database."""
    raise NotBuilt("copying settings between nodes")


@router.get(
    "/protocol/search/{id}",
    responses={200: describe_answer(FieldsAnswer, "The fields"), 401: REFUSED[401], 503: REFUSED[503]},
    openapi_extra=describe_path(id="A part of a field's id, such as `from_user`"),
)
async def search_fields(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The fields of all message classes whose id has this in it, with their types."""
    asked = request.path_params["id"].lower()
    found = {}
    for field in await _fields(context):
        id_ = field.get("id")
        if isinstance(id_, str) and asked in id_.lower():
            found[id_] = FieldInfo(id_, str(field.get("name", "")), str(field.get("type", "")))
    return JsonAnswer(FieldsAnswer([FieldList(list(found.values()))]))


async def _fields(context: ApiContext) -> list[Values]:
    """Of all mappings, whatever people have made of them."""
    await context.nodes.refresh_script_names()
    async with context.engine.connect() as connection:
        rows = await find_mappings(connection, context.mapping_defaults())
    return [field for row in rows for field in row["fields_mapping"] if isinstance(field, dict)]


async def _info(context: ApiContext) -> DatabaseInfo:
    began_ns = time.perf_counter_ns()
    facts = await server_facts(context.engine)
    took_ns = time.perf_counter_ns() - began_ns
    return DatabaseInfo(
        database_name=facts.name,
        database_version=facts.version,
        node=context.options.http.node_name,
        latency_avg=took_ns,
        latency_min=took_ns,
        latency_max=took_ns,
        last_check=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        last_error="",
        db_stats={"bytes": facts.size_bytes},
        online=True,
    )


def _version() -> str:
    try:
        return version("rhapsode")
    except PackageNotFoundError:
        return "uninstalled"
