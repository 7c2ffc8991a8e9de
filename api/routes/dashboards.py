"""Dashboards, and the settings of users.

Source: homer-app's routes and sentences. The web UI writes a dashboard back whenever it has drawn it, also
somebody else's: that is answered in words and changes nothing.
"""

from fastapi import APIRouter, Request

from api.auth.caller import Caller
from api.auth.dependencies import CurrentUser
from api.context import ApiContext, Context
from api.errors import AdminNeeded, AlreadyThere, RequestError
from api.records import dashboards
from api.records.dashboards import Dashboard
from api.records.kind import Values, read_values, shown
from api.records.kinds import USER_SETTING
from api.records.store import change_row, changing, delete_row, find_row, find_rows, is_same, make_row
from api.routes.records import UNKNOWN, describe_record, whose
from api.schemas.common import FORBIDDEN, REFUSED
from api.schemas.records import ChangedAnswer, DashboardAnswer, DashboardsAnswer, KeptAnswer, RowsAnswer
from api.wire import JsonAnswer, JsonObject, Responses, describe_answer, describe_object, describe_path

router = APIRouter(tags=["dashboards"])

LISTED: Responses = {
    200: describe_answer(DashboardsAnswer, "One's own and shared ones, by name"),
    401: REFUSED[401],
    503: REFUSED[503],
}
KEPT: Responses = {**REFUSED, 200: describe_answer(KeptAnswer, "Whether it was done")}
ID = describe_path(dashboard="The dashboard's id, such as `home`")
BODY = describe_object("The dashboard, whatever the web UI makes of it", {})
SETTINGS: Responses = {200: describe_answer(RowsAnswer, "Settings"), 401: REFUSED[401], 503: REFUSED[503]}
CHANGED: Responses = {**REFUSED, **FORBIDDEN, 201: describe_answer(ChangedAnswer, "Done")}
GUID = describe_path(category="The setting's guid")
NEW_SETTING, SETTING = (describe_record(USER_SETTING, is_new=is_new) for is_new in (True, False))
NOT_MINE = "not my dashboard"


@router.get("/dashboard/info", responses=LISTED)
async def list_dashboards(user: CurrentUser, context: Context) -> JsonAnswer:
    """One's own dashboards and those that others share."""
    return await _listed(user, context)


@router.get("/dashboard/reset", responses=LISTED)
async def reset_dashboards(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """Delete all of one's own dashboards: those that everybody begins with are back."""
    async with changing(context.engine, whose(request, user)) as change:
        await dashboards.remove(change, user.username)
        change.note("reset dashboards", user.username)
    return await _listed(user, context)


@router.get(
    "/dashboard/store/{dashboard}",
    responses={**REFUSED, 200: describe_answer(DashboardAnswer, "The dashboard")},
    openapi_extra=ID,
)
async def show_dashboard(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """One dashboard, one's own or a shared one."""
    found = await _find(context, user, request.path_params["dashboard"])
    if found is None:
        raise RequestError("dashboard for the user doesn't exist")
    return JsonAnswer(DashboardAnswer(found.data, found.owner))


@router.post("/dashboard/store/{dashboard}", responses=KEPT, openapi_extra=ID | BODY)
async def make_dashboard(
    request: Request, user: CurrentUser, context: Context, body: JsonObject
) -> JsonAnswer:
    """Make or replace one's own dashboard. Two users cannot have the same id, but for those that all have."""
    id_ = _id(request)
    async with changing(context.engine, whose(request, user)) as change:
        if await dashboards.is_another_s(change.connection, user.username, id_):
            raise RequestError("failed to create a new dashboard")
        async with dashboards.within_bounds(change.connection, user.username):
            await dashboards.keep(change, user.username, id_, body)
        change.note("create dashboard", id_)
        total = await dashboards.count_own(change.connection, user.username)
    return JsonAnswer(KeptAnswer(total))


@router.put("/dashboard/store/{dashboard}", responses=KEPT, openapi_extra=ID | BODY)
async def change_dashboard(
    request: Request, user: CurrentUser, context: Context, body: JsonObject
) -> JsonAnswer:
    """Replace one's own dashboard; where there is none, or it is another's, `status` says so."""
    id_ = _id(request)
    async with changing(context.engine, whose(request, user)) as change:
        found = await dashboards.find(change.connection, user.username, id_, is_admin=user.useradmin)
        # One that is not there was perhaps deleted meanwhile: it does not come back.
        is_mine = found is not None and found.owner == user.username
        if found is not None and is_mine:
            await dashboards.keep(change, user.username, id_, body)
            if not is_same(found.data, {"dashboardId": id_, **body}):
                change.note("change dashboard", id_)
        total = await dashboards.count_own(change.connection, user.username)
    return JsonAnswer(KeptAnswer(total) if is_mine else KeptAnswer(0, status=NOT_MINE))


@router.delete("/dashboard/store/{dashboard}", responses=KEPT, openapi_extra=ID)
async def delete_dashboard(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """Delete one's own dashboard. One that everybody begins with is back as it was at first."""
    id_ = _id(request)
    async with changing(context.engine, whose(request, user)) as change:
        if await dashboards.remove(change, user.username, id_):
            change.note("delete dashboard", id_)
        total = await dashboards.count_own(change.connection, user.username)
    return JsonAnswer(KeptAnswer(total))


@router.get("/user/settings", responses=SETTINGS)
async def list_settings(user: CurrentUser, context: Context) -> JsonAnswer:
    """Settings of users, dashboards among them: all for administrators, else one's own."""
    return await _settings(context, {} if user.useradmin else {"username": user.username})


@router.get(
    "/user/settings/{category}",
    responses=SETTINGS,
    openapi_extra=describe_path(category="Such as `system` or `dashboard`"),
)
async def list_settings_of(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """One's own settings of a category."""
    category = request.path_params["category"].replace("\0", "\ufffd")
    return await _settings(context, {"username": user.username, "category": category})


@router.post("/user/settings", status_code=201, responses=CHANGED, openapi_extra=NEW_SETTING)
async def make_setting(request: Request, user: CurrentUser, context: Context, body: JsonObject) -> JsonAnswer:
    """Make a setting: one's own, anybody's for administrators."""
    values = read_values(USER_SETTING, body, is_new=True)
    if not user.useradmin or not values.get("username"):
        values["username"] = user.username
    async with (
        changing(context.engine, whose(request, user)) as change,
        dashboards.within_bounds(change.connection, values["username"]),
    ):
        guid = await make_row(change, USER_SETTING, values)
    if guid is None:
        raise AlreadyThere
    return JsonAnswer(ChangedAnswer(guid, "successfully created userObject"), 201)


@router.put("/user/settings/{category}", status_code=201, responses=CHANGED, openapi_extra=GUID | SETTING)
async def change_setting(
    request: Request, user: CurrentUser, context: Context, body: JsonObject
) -> JsonAnswer:
    """Change a setting by its guid: what the body names, be it empty."""
    guid = request.path_params["category"]
    values = read_values(USER_SETTING, body, is_new=False)
    if not user.useradmin:
        values.pop("username", None)
    async with changing(context.engine, whose(request, user)) as change:
        row = _own(user, await find_row(change.connection, USER_SETTING, guid))
        async with dashboards.within_bounds(change.connection, values.get("username") or row["username"]):
            await change_row(change, USER_SETTING, guid, values)
    return JsonAnswer(ChangedAnswer(guid, "successfully updated alias"), 201)


@router.delete("/user/settings/{category}", status_code=201, responses=CHANGED, openapi_extra=GUID)
async def delete_setting(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """Delete a setting by its guid."""
    guid = request.path_params["category"]
    async with changing(context.engine, whose(request, user)) as change:
        _own(user, await find_row(change.connection, USER_SETTING, guid))
        await delete_row(change, USER_SETTING, guid)
    return JsonAnswer(ChangedAnswer(guid, "successfully deleted userobject"), 201)


async def _listed(user: Caller, context: ApiContext) -> JsonAnswer:
    async with context.engine.connect() as connection:
        found = await dashboards.visible(
            connection, user.username, context.home_dashboard, is_admin=user.useradmin
        )
    rows = [row for each in found if (row := each.listed) is not None]
    return JsonAnswer(DashboardsAnswer(rows, len(rows)))


async def _find(context: ApiContext, user: Caller, id_: str) -> Dashboard | None:
    async with context.engine.connect() as connection:
        return await dashboards.find(
            connection, user.username, id_, context.home_dashboard, is_admin=user.useradmin
        )


async def _settings(context: ApiContext, where: Values) -> JsonAnswer:
    async with context.engine.connect() as connection:
        rows = await find_rows(connection, USER_SETTING, where)
    rows.sort(key=lambda row: (row["username"], row["id"]))
    return JsonAnswer(RowsAnswer([shown(USER_SETTING, row) | {"external": False} for row in rows], len(rows)))


def _own(user: Caller, row: Values | None) -> Values:
    if row is None:
        raise RequestError(UNKNOWN)
    if not user.useradmin and row["username"] != user.username:
        raise AdminNeeded
    return row


def _id(request: Request) -> str:
    id_: str = request.path_params["dashboard"]
    if not id_ or len(id_) > 100 or "\0" in id_:
        raise RequestError("the id of a dashboard has 1 to 100 characters")
    return id_
