"""Logging in, and who is logged in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth.accounts import find_account
from api.auth.dependencies import CurrentUser
from api.auth.login import login, token_for
from api.context import Context
from api.errors import RequestError
from api.schemas.auth import (
    AuthType,
    AuthTypes,
    AuthTypesAnswer,
    LoginAnswer,
    LoginRequest,
    LoginUser,
    Profile,
    ProfileAnswer,
)
from api.schemas.common import REFUSED, DataError, LoginError, PlainError
from api.wire import JsonAnswer, Responses, describe_answer, describe_body, json_body

router = APIRouter(tags=["login"])

LOGIN_RESPONSES: Responses = {
    201: describe_answer(LoginAnswer, "The token"),
    400: describe_answer(DataError, "Not JSON, or a field is missing"),
    401: describe_answer(LoginError, "Unknown user, wrong password, or a user who is not enabled"),
    429: describe_answer(LoginError, "Too many failed logins; `Retry-After` says how many seconds to wait"),
    413: REFUSED[413],
    503: REFUSED[503],
}
PROFILE_RESPONSES: Responses = {
    200: describe_answer(ProfileAnswer, "The user"),
    400: describe_answer(DataError, "The user is no longer there"),
    401: describe_answer(PlainError, "No login, or one that has expired"),
    503: REFUSED[503],
}


@router.post("/auth", status_code=201, responses=LOGIN_RESPONSES, openapi_extra=describe_body(LoginRequest))
async def log_in(
    request: Request, context: Context, body: Annotated[LoginRequest, Depends(json_body(LoginRequest))]
) -> JsonAnswer:
    """Log in by name and password; the token is for the header `Authorization: Bearer TOKEN`."""
    username, password = body.checked()
    account = await login(context, username, password, request.client.host if request.client else "")
    token = await token_for(context, account)
    answer = LoginAnswer(token, account.guid, LoginUser(account.is_admin))
    return JsonAnswer(answer, 201, {"Cache-Control": "no-store"})


@router.get("/auth/type/list", responses={200: describe_answer(AuthTypesAnswer, "The ways to log in")})
async def list_auth_types() -> JsonAnswer:
    """The ways to log in, for the login page. No login needed."""
    internal = AuthType(enable=True, name="Internal", position=1, type="internal")
    ldap = AuthType(enable=False, name="LDAP", position=2, type="ldap")
    return JsonAnswer(AuthTypesAnswer(AuthTypes(internal, ldap)))


@router.get("/users/profile", responses=PROFILE_RESPONSES)
async def show_profile(user: CurrentUser, context: Context) -> JsonAnswer:
    """The user who is logged in."""
    account = await find_account(context.engine, user.username)
    if account is None:
        raise RequestError("failed to get user profile")
    profile = Profile(
        guid=account.guid,
        username=account.username,
        displayname=account.displayname,
        group=account.usergroup,
        # What the token allows, not what the row says by now: that is what the other routes go by.
        admin=user.useradmin,
    )
    return JsonAnswer(ProfileAnswer(profile))
