"""Settings for all users: aliases, advanced settings, hepsub mappings, scripts.

Source: homer-app's routes, with its sentences.
"""

from typing import Any

from fastapi import APIRouter, Request

from api.auth.caller import Caller
from api.auth.dependencies import CurrentUser
from api.context import ApiContext, Context
from api.records.defaults import advanced_defaults, hepsub_defaults
from api.records.kind import Values, shown
from api.records.kinds import ADVANCED, ALIAS, HEPSUB, SCRIPT
from api.records.secrets import without_secrets
from api.records.store import find_rows
from api.routes.records import Resource, Said, add_routes
from api.schemas.common import REFUSED
from api.schemas.records import ChangedAnswer, RowsAnswer
from api.wire import JsonAnswer, JsonObject, describe_answer, describe_object, describe_path

router = APIRouter(tags=["settings"])


async def advanced_defaults_of(context: ApiContext) -> list[Values]:
    """Advanced settings that follow from the servers that are configured."""
    options = context.options
    return advanced_defaults(
        loki=options.loki.url is not None,
        prometheus=options.prometheus.url is not None,
        grafana=options.grafana.url is not None,
    )


async def hepsub_defaults_of(context: ApiContext) -> list[Values]:
    """Hepsub mappings that everybody begins with."""
    return hepsub_defaults()


def _shown_to(caller: Caller, row: dict[str, Any]) -> dict[str, Any]:
    return row if caller.useradmin else row | {"data": without_secrets(row["data"])}


add_routes(
    router,
    Resource(
        ALIAS,
        "/alias",
        made=Said(201, "successfully created alias"),
        changed=Said(201, "successfully updated alias"),
        deleted=Said(201, "successfully deleted alias"),
        list_status=201,
        is_counted=False,
    ),
    with_show=False,
)
add_routes(
    router,
    Resource(
        ADVANCED,
        "/advanced",
        made=Said(201, "successfully created advanced settings"),
        changed=Said(200, "successfully updated global_settings settings"),
        deleted=Said(200, "successfully deleted global_settings settings"),
        list_status=201,
        unknown="failed to get advanced setting",
        defaults=advanced_defaults_of,
        mask=_shown_to,
    ),
)


@router.get(
    "/hepsub/protocol/{id}/{transaction}",
    responses={
        200: describe_answer(RowsAnswer, "Those of the profile"),
        401: REFUSED[401],
        503: REFUSED[503],
    },
    openapi_extra=describe_path(id="The HEP protocol type", transaction="The profile"),
)
async def list_hepsubs_of(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """The hepsub mappings of one profile, such as `1/call`."""
    asked = request.path_params["id"], request.path_params["transaction"]
    async with context.engine.connect() as connection:
        rows = await find_rows(connection, HEPSUB, defaults=hepsub_defaults())
    found = [shown(HEPSUB, row) for row in rows if (str(row["hepid"]), row["profile"]) == asked]
    return JsonAnswer(RowsAnswer(found, len(found)))


add_routes(
    router,
    Resource(
        HEPSUB,
        "/hepsub/protocol",
        made=Said(201, "successfully created hepsub settings"),
        changed=Said(200, "successfully updated hepsub settings"),
        deleted=Said(200, "successfully deleted hepsub settings"),
        unknown="no hepsub object found for guid [{guid}]",
        defaults=hepsub_defaults_of,
    ),
)


@router.post(
    "/hepsub/search",
    status_code=201,
    responses={**REFUSED, 201: describe_answer(ChangedAnswer, "Always the same")},
    openapi_extra=describe_object("A search", {}),
)
async def search_hepsub(user: CurrentUser, body: JsonObject) -> JsonAnswer:
    """Nothing is searched, as in Homer: agents are asked by `POST /agent/search/…`."""
    return JsonAnswer(ChangedAnswer("empty", "successfully created DoHepSubSearch"), 201)


add_routes(
    router,
    Resource(
        SCRIPT,
        "/script",
        made=Said(201, "successfully created script"),
        changed=Said(200, "successfully updated script"),
        deleted=Said(200, "successfully deleted script"),
    ),
)
