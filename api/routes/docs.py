"""The description of the API: a page from our own files, and what the page of the web UI reads."""

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.context import ApiContext
from api.openapi30 import to_openapi_3_0
from api.wire import JsonAnswer

router = APIRouter(include_in_schema=False)

STATIC = files("api") / "static"
KINDS = {"docs.html": "text/html", "docs.css": "text/css", "docs.js": "text/javascript"}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/")
async def go_to_docs() -> Response:
    """Without a web UI there is no other page."""
    return RedirectResponse("docs", 307)


@router.get("/docs")
async def show_docs() -> Response:
    """The page itself."""
    return _file("docs.html")


@router.get("/docs.css")
async def send_style() -> Response:
    """Its style."""
    return _file("docs.css")


@router.get("/docs.js")
async def send_script() -> Response:
    """Its script, which reads `openapi.json`."""
    return _file("docs.js")


def description_routes(context: ApiContext) -> APIRouter:
    """Where the web UI looks for the description: it asks without a login, and forgets a prefix."""
    routes = APIRouter(include_in_schema=False)
    for prefix in dict.fromkeys((context.options.http.prefix, "")):
        routes.add_api_route(f"{prefix}/doc/api/json", show_description, methods=["GET", "HEAD"])
    return routes


async def show_description(request: Request) -> JsonAnswer:
    """The same as `openapi.json`, one version older."""
    return JsonAnswer(to_openapi_3_0(request.app.openapi()), headers={"Cache-Control": "no-cache"})


def _file(name: str) -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}
    return Response((STATIC / name).read_bytes(), headers=headers, media_type=KINDS[name])
