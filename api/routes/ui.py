"""The files of the web UI and its index page, which every route inside of the UI begins with.

Source: RFC 9110 8.8.3 (entity tags), 12.5.3 (Accept-Encoding). The routes are those that the build has:
whatever else is asked for is as unknown as without a UI.
"""

import asyncio
import re
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api.context import ApiContext, Context
from api.errors import UiUnavailable
from api.ui.site import CLIENT_ROUTES, SentFile


def ui_routes(context: ApiContext) -> APIRouter:
    """The routes of the UI; none where the settings name no build."""
    router = APIRouter(include_in_schema=False)
    if context.options.ui.dir is None:
        return router
    prefix = context.options.http.prefix
    tops = context.site.tops if context.site is not None else set()
    paths = {"/", "/index.html", "/({rest:path}"}
    paths |= {f"/{first}{rest}" for first in CLIENT_ROUTES for rest in ("", "/{rest:path}")}
    paths |= {f"/{_pattern(top)}" for top in tops}
    # Some links of the UI forget the prefix: its page is answered without it too.
    for path in sorted({f"{start}{path}" for start in (prefix, "") for path in paths} | {prefix} - {""}):
        router.add_api_route(path, send_file, methods=["GET", "HEAD"])
    return router


def _pattern(top: str) -> str:
    """The paths of a file or of a folder; a brace would begin a parameter."""
    if "{" in top or "}" in top:
        return "{rest:path}"
    return f"{top}{{rest:path}}" if top.endswith("/") else top


async def send_file(request: Request, context: Context) -> Response:
    """A file of the build, or its index page."""
    if context.site is None:
        raise UiUnavailable
    prefix, path = context.site.prefix, request.scope["path"]
    if prefix and path in ("/", prefix):
        return RedirectResponse(f"{quote(prefix)}/", 307)
    below = (path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path).removeprefix("/")
    if (name := context.site.beside_the_page(below)) is not None:
        # There the browser will find it in its cache when it asks again, for the right one.
        return RedirectResponse(f"{quote(prefix)}/{quote(name)}", 307)
    sent = context.site.find(below)
    if sent is None:
        raise HTTPException(404)
    return await _answer(request, sent)


async def _answer(request: Request, sent: SentFile) -> Response:
    file = sent.file
    gzipped = file.packed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
    # Another representation, another tag: one strong tag must mean one sequence of bytes.
    tag = f'"{sent.tag}-gz"' if gzipped else f'"{sent.tag}"'
    headers = {"ETag": tag, "Cache-Control": sent.caching, "Content-Type": sent.kind}
    if file.packed is not None:
        headers["Vary"] = "Accept-Encoding"
    if sent.policy is not None:
        headers["Content-Security-Policy"] = sent.policy
    if _has_it(request.headers.get("if-none-match"), tag):
        del headers["Content-Type"]
        return Response(status_code=304, headers=headers)
    if gzipped:
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, headers=headers)
    content = file.plain if file.plain is not None else await asyncio.to_thread(file.unpacked)
    return Response(content, headers=headers)


def _takes_gzip(accept_encoding: str) -> bool:
    weights = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = item.partition(";")
        weights[coding.strip()] = parameter.replace(" ", "")
    weight = weights.get("gzip", weights.get("*"))
    return weight is not None and not re.fullmatch(r"q=0(\.0*)?", weight)


def _has_it(if_none_match: str | None, tag: str) -> bool:
    """The weak comparison (RFC 9110 13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return tag in {given.strip().removeprefix("W/") for given in if_none_match.split(",")}
