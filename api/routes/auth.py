"""Logging in, and who is logged in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.auth.dependencies import CurrentUser, LoggedInUser
from api.auth.login import end_login, login, token_for
from api.context import Context
from api.errors import LoginRefused, RequestError, TooManyLogins
from api.peer import peer_of
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
from api.wire import JsonAnswer, Responses, describe_answer, describe_body, describe_path, json_body

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
    400: describe_answer(DataError, "An API token, which is no user"),
    401: describe_answer(PlainError, "No login, or one that has expired"),
    503: REFUSED[503],
}
NO_OAUTH: Responses = {501: describe_answer(DataError, "Always: it is not configured")}
PROVIDER = describe_path(provider="The provider's name")


@router.post("/auth", status_code=201, responses=LOGIN_RESPONSES, openapi_extra=describe_body(LoginRequest))
async def log_in(
    request: Request, context: Context, body: Annotated[LoginRequest, Depends(json_body(LoginRequest))]
) -> JsonAnswer:
    """Log in by name and password; the token is for the header `Authorization: Bearer TOKEN`."""
    username, password = body.checked()
    try:
        account = await login(context, username, password, peer_of(request))
    except LoginRefused as refusal:
        # Whoever goes on trying meanwhile, without a login, would fill the database.
        if not isinstance(refusal, TooManyLogins) or refusal.is_first:
            context.audit.note(request, username, "login refused", detail={"why": str(refusal)})
        raise
    token, expires_s = await token_for(context, account)
    context.audit.note(request, account.username, "login")
    lifetime_s = context.options.auth.token_minutes * 60
    answer = LoginAnswer(token, account.guid, LoginUser(account.is_admin), expires_s, lifetime_s)
    return JsonAnswer(answer, 201, {"Cache-Control": "no-store"})


@router.get("/auth/type/list", responses={200: describe_answer(AuthTypesAnswer, "The ways to log in")})
async def list_auth_types() -> JsonAnswer:
    """The ways to log in, for the login page. No login needed."""
    internal = AuthType(enable=True, name="Internal", position=1, type="internal")
    ldap = AuthType(enable=False, name="LDAP", position=2, type="ldap")
    return JsonAnswer(AuthTypesAnswer(AuthTypes(internal, ldap)))


@router.get("/oauth2/redirect/{provider}", responses=NO_OAUTH, openapi_extra=PROVIDER)
async def go_to_provider() -> JsonAnswer:
    """The way to another server's login, which is not configured."""
    return JsonAnswer(DataError("oauth2 is not enabled [1]"), 501)


@router.get("/oauth2/auth/{provider}", responses=NO_OAUTH, openapi_extra=PROVIDER)
async def come_from_provider() -> JsonAnswer:
    """The way back from it."""
    return JsonAnswer(DataError("oauth2 is not enabled [2]"), 501)


@router.post("/oauth2/token", responses=NO_OAUTH)
async def take_provider_s_token() -> JsonAnswer:
    """The token for what has come back."""
    return JsonAnswer(DataError("oauth2 is not enabled [3]"), 501)


@router.get("/users/profile", responses=PROFILE_RESPONSES)
async def show_profile(user: CurrentUser) -> JsonAnswer:
    """The user who is logged in."""
    if not user.login_id:
        raise RequestError("failed to get user profile")
    return JsonAnswer(
        ProfileAnswer(Profile(user.guid, user.username, user.displayname, user.usergroup, user.useradmin))
    )


@router.post(
    "/rhapsode/logout",
    status_code=204,
    responses={
        204: {"description": "Logged out"},
        400: PROFILE_RESPONSES[400],
        401: REFUSED[401],
        503: REFUSED[503],
    },
)
async def log_out(request: Request, user: LoggedInUser, context: Context) -> Response:
    """End this login: its token is refused from now on. Not Homer's, ours."""
    await end_login(context, user)
    context.audit.note(request, user, "logout")
    return Response(status_code=204)
