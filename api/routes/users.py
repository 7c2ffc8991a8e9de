"""Users: administrators manage all, everybody their own.

Source: homer-app's routes and sentences. A group is one of `auth.user_groups`.
"""

import uuid
from typing import Any

from fastapi import APIRouter, Request

from api.auth.caller import Caller
from api.auth.dependencies import AdminUser, CurrentUser
from api.auth.login import check_password
from api.auth.passwords import check_new_password, generate_password
from api.context import ApiContext, Context
from api.errors import AccountError, AdminNeeded, LoginRefused, RequestError, TooManyLogins
from api.peer import peer_of
from api.records.kind import Values, read_values, shown
from api.records.store import Change, changing
from api.records.users import (
    OF_ONESELF,
    USER,
    change_user,
    delete_user,
    end_logins,
    find_users,
    make_user,
)
from api.routes.records import describe_record, whose
from api.schemas.common import FORBIDDEN, REFUSED
from api.schemas.records import ChangedAnswer, GroupsAnswer, RowsAnswer
from api.wire import JsonAnswer, JsonObject, Responses, describe_answer, describe_object, describe_path

router = APIRouter(prefix="/users", tags=["users"])

MOST_IMPORTED = 1000
NOT_MADE = "failed to Create User"

LISTED: Responses = {
    201: describe_answer(RowsAnswer, "The users"),
    401: REFUSED[401],
    503: REFUSED[503],
}
CHANGED: Responses = {**REFUSED, **FORBIDDEN, 201: describe_answer(ChangedAnswer, "Done")}
GUID = describe_path(guid="The user's guid")
NEW, BODY = (describe_record(USER, is_new=is_new, secrets=["password"]) for is_new in (True, False))
PASSWORDS = describe_object(
    "The passwords", {name: {"type": "string"} for name in ("password", "old_password")}
)


@router.get("", status_code=201, responses=LISTED)
async def list_users(user: CurrentUser, context: Context) -> JsonAnswer:
    """All users for administrators, else the one who asks."""
    async with context.engine.connect() as connection:
        rows = await find_users(connection, username=None if user.useradmin else user.username)
    return _list(rows)


@router.get(
    "/groups",
    responses={200: describe_answer(GroupsAnswer, "Their names"), 401: REFUSED[401], 503: REFUSED[503]},
)
async def list_groups(user: CurrentUser, context: Context) -> JsonAnswer:
    """The groups that a user can be of; `admin` are the administrators."""
    groups = list(context.options.auth.user_groups)
    return JsonAnswer(GroupsAnswer(groups, len(groups)))


@router.get(
    "/export", responses={200: describe_answer(RowsAnswer, "All users"), 401: REFUSED[401], **FORBIDDEN}
)
async def export_users(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """All users without their passwords, as `POST /users/import` takes them."""
    async with context.engine.connect() as connection:
        rows = await find_users(connection)
    context.audit.note(request, user, "export users", detail={"count": len(rows)})
    data = [shown(USER, row) for row in rows]
    headers = {"Content-Disposition": 'attachment; filename="users.json"'}
    return JsonAnswer(RowsAnswer(data, len(data)), headers=headers)


@router.post(
    "/import",
    status_code=201,
    responses=CHANGED,
    openapi_extra=describe_object("What `GET /users/export` answers", {"data": {"type": "array"}}),
)
async def import_users(request: Request, user: AdminUser, context: Context, body: JsonObject) -> JsonAnswer:
    """Make users, all or none. One without a password cannot log in before an administrator sets one."""
    rows = body.get("data")
    if not isinstance(rows, list):
        raise RequestError
    users = await new_users(context, rows)
    async with changing(context.engine, whose(request, user)) as change:
        made = await make_users(change, users)
    context.standings.forget()
    return JsonAnswer(ChangedAnswer(str(made), "successfully imported users"), 201)


async def new_users(context: ApiContext, rows: list[Any]) -> list[tuple[Values, str]]:
    """Users of their JSON, with the hashes of their passwords; RequestError names the first that cannot be.

    To be done before a transaction: a hundred passwords take many seconds.
    """
    if len(rows) > MOST_IMPORTED:
        raise RequestError(f"more than {MOST_IMPORTED} users at once")
    # Nobody knows this one, nor need it be another for each.
    nobody_s = await context.passwords.hash(generate_password())
    users = []
    for number, row in enumerate(rows, 1):
        try:
            users.append(await _new_user(context, row, nobody_s))
        except (RequestError, AccountError) as error:
            raise RequestError(f"user {number}: {error}") from error
    return users


async def make_users(change: Change, users: list[tuple[Values, str]]) -> int:
    """Make them; how many. RequestError names the first of whom there is one already."""
    for number, (values, hash_) in enumerate(users, 1):
        if not await make_user(change, values, hash_):
            raise RequestError(f"user {number}: there is a user {values['username']} already")
    return len(users)


@router.get("/{guid}", status_code=201, responses=LISTED, openapi_extra=GUID)
async def show_user(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """One user: one's own row, any for administrators; an empty list for others."""
    guid = request.path_params["guid"]
    if "\0" in guid:
        return _list([])
    async with context.engine.connect() as connection:
        rows = await find_users(connection, guid=guid, username=None if user.useradmin else user.username)
    return _list(rows)


@router.post("", status_code=201, responses=CHANGED, openapi_extra=NEW)
async def create_user(request: Request, user: AdminUser, context: Context, body: JsonObject) -> JsonAnswer:
    """Make a user."""
    if not body.get("password"):
        raise RequestError(f"{NOT_MADE}: the password is empty")
    values, hash_ = await _new_user(context, body, "")
    async with changing(context.engine, whose(request, user)) as change:
        if not await make_user(change, values, hash_):
            raise RequestError(f"{NOT_MADE}: there is a user {values['username']} already")
    context.standings.forget(values["username"])
    return JsonAnswer(ChangedAnswer(values["guid"], "successfully created user"), 201)


@router.put("/update/password/{guid}", status_code=201, responses=CHANGED, openapi_extra=GUID | PASSWORDS)
async def change_password(
    request: Request, user: CurrentUser, context: Context, body: JsonObject
) -> JsonAnswer:
    """Another password: one's own with `old_password`, anybody's for administrators. Ends all logins."""
    guid = request.path_params["guid"]
    if not user.useradmin:
        await _check_old_password(request, context, user, guid, body.get("old_password"))
    hash_ = await _hash_of(context, body.get("password"), await _name_of(context, guid))
    return await _change(request, user, context, guid, {}, hash_, "successfully updated password")


@router.put("/{guid}", status_code=201, responses=CHANGED, openapi_extra=GUID | BODY)
async def update_user(request: Request, user: CurrentUser, context: Context, body: JsonObject) -> JsonAnswer:
    """Change a user: what the body names, be it empty. A password ends all logins of the user.

    Who is no administrator changes their own name, e-mail, department and password.
    """
    guid = str(body.get("guid") or request.path_params["guid"])
    if not user.useradmin:
        if not user.guid or guid != user.guid:
            raise AdminNeeded
        body = {name: value for name, value in body.items() if name in OF_ONESELF or name == "password"}
    password = body.get("password")
    values = read_values(USER, body | {"guid": guid}, is_new=False)
    _check(context, values)
    hash_ = None
    if password not in (None, ""):
        name = values.get("username") or await _name_of(context, guid)
        hash_ = await _hash_of(context, password, name)
    return await _change(request, user, context, guid, values, hash_, "successfully updated user")


@router.delete("/{guid}", status_code=201, responses=CHANGED, openapi_extra=GUID)
async def remove_user(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Delete a user, with dashboards and settings; logins end."""
    guid = request.path_params["guid"]
    async with changing(context.engine, whose(request, user)) as change:
        found = await delete_user(change, guid)
    if found is None:
        raise RequestError(f"the user with id '{guid}' was not found")
    context.standings.forget(found["username"])
    return JsonAnswer(ChangedAnswer(guid, "successfully deleted user"), 201)


@router.post("/{guid}/logout", status_code=201, responses=CHANGED, openapi_extra=GUID)
async def log_user_out(request: Request, user: CurrentUser, context: Context) -> JsonAnswer:
    """End all logins of a user: one's own, anybody's for administrators. Not Homer's, ours."""
    guid = request.path_params["guid"]
    if not user.useradmin and (not user.guid or guid != user.guid):
        raise AdminNeeded
    async with changing(context.engine, whose(request, user)) as change:
        found = await end_logins(change, guid)
    if found is None:
        raise RequestError(f"the user with id '{guid}' was not found")
    context.standings.forget(found["username"])
    return JsonAnswer(ChangedAnswer(guid, "successfully ended all logins"), 201)


async def _change(
    request: Request,
    user: Caller,
    context: ApiContext,
    guid: str,
    values: Values,
    hash_: str | None,
    message: str,
) -> JsonAnswer:
    async with changing(context.engine, whose(request, user)) as change:
        found = await change_user(change, guid, values, hash_)
    if found is None:
        raise RequestError(f"the user with id '{guid}' was not found")
    context.standings.forget(found["username"])
    context.standings.forget(values.get("username", found["username"]))
    return JsonAnswer(ChangedAnswer(guid, message), 201)


async def _new_user(context: ApiContext, body: Any, without_password: str) -> tuple[Values, str]:
    """And the hash of the password; `without_password` where there is none."""
    values = read_values(USER, body, is_new=True)
    values.setdefault("guid", str(uuid.uuid4()))
    _check(context, values)
    password = body.get("password")
    if password in (None, ""):
        return values, without_password
    return values, await _hash_of(context, password, values["username"])


def _check(context: ApiContext, values: Values) -> None:
    groups = context.options.auth.user_groups
    if "usergroup" in values and values["usergroup"] not in groups:
        raise RequestError(f"the user group '{values['usergroup']}' doesn't exist")
    email = values.get("email")
    if email and ("@" not in email[1:-1] or " " in email):
        raise RequestError(f"{email!r} is not an e-mail address")


async def _name_of(context: ApiContext, guid: str) -> str:
    """Of a user who may be there; empty if not."""
    if "\0" in guid:
        return ""
    async with context.engine.connect() as connection:
        rows = await find_users(connection, guid=guid)
    return rows[0]["username"] if rows else ""


async def _hash_of(context: ApiContext, password: Any, username: str) -> str:
    # The web UI sends 12345678 as a number.
    if isinstance(password, bool) or not isinstance(password, str | int | float):
        raise RequestError("the password is not text")
    text = str(password)
    check_new_password(text, username)
    return await context.passwords.hash(text)


async def _check_old_password(
    request: Request, context: ApiContext, user: Caller, guid: str, password: Any
) -> None:
    if not user.guid or guid != user.guid:
        raise AdminNeeded
    # Who has found a login may guess here no more often than anywhere.
    given = password if isinstance(password, str) else ""
    try:
        await check_password(context, user.username, given, peer_of(request))
    except TooManyLogins:
        raise
    except LoginRefused as refusal:
        context.audit.note(request, user, "password change refused")
        raise RequestError("the old password is wrong") from refusal


def _list(rows: list[Values]) -> JsonAnswer:
    data = [shown(USER, row) | {"password": ""} for row in rows]
    return JsonAnswer(RowsAnswer(data, len(data)), 201)
