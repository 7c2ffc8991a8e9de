"""The login of pages that a browser loads by itself, such as a frame: it sends cookies, no header of ours.

The cookie holds the token of the login, so it ends with it, and goes to one path only. Source: RFC 6265bis
(`SameSite`), Fetch Metadata.
"""

import time
from typing import Annotated

from fastapi import Depends, Request, Response

from api.auth.caller import Caller
from api.auth.dependencies import current_user
from api.errors import ForeignPage

COOKIE = "rhapsode_page"
LIFETIME_S = 900
"""From its last use on: who logs in next at the same browser is not to be taken for who was there before."""


async def page_user(request: Request) -> Caller:
    """Whoever has the cookie of a login or, as everywhere else, its header."""
    token = request.cookies.get(COOKIE, "")
    if not token or "authorization" in request.headers:
        return await current_user(request)
    _refuse_foreign(request)
    header = (b"authorization", f"Bearer {token}".encode("latin-1"))
    return await current_user(Request({**request.scope, "headers": [*request.headers.raw, header]}))


PageUser = Annotated[Caller, Depends(page_user)]


def keep_page_login(request: Request, response: Response, caller: Caller, path: str) -> None:
    """Let the browser load pages below `path` for a while; nothing for a program with an API token."""
    left_s = caller.expires_s - int(time.time())
    header = request.headers.get("authorization", "")
    token = header.partition(" ")[2].strip() or request.cookies.get(COOKIE, "")
    if caller.login_id and token and left_s > 0:
        response.set_cookie(
            COOKIE,
            token,
            max_age=min(LIFETIME_S, left_s),
            path=path,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )


def _refuse_foreign(request: Request) -> None:
    """A cookie goes along whoever makes the browser send a request, and another port is the same site.

    Browsers say where a request comes from: over HTTPS and from this machine always, and then no proxy on the
    way has changed it as it may change the host; otherwise with everything that is no GET.
    """
    came_from = request.headers.get("sec-fetch-site")
    if came_from is not None:
        is_ours = came_from in ("same-origin", "none")
    else:
        origin = request.headers.get("origin")
        is_ours = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if not is_ours:
        raise ForeignPage
