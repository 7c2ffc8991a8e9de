"""The description of the API as a page, from our own files: it reaches for no other host."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

router = APIRouter(include_in_schema=False)

STATIC = files("api") / "static"
KINDS = {"docs.html": "text/html", "docs.css": "text/css", "docs.js": "text/javascript"}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/")
async def go_to_docs() -> Response:
    """There is no other page yet."""
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


def _file(name: str) -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}
    return Response((STATIC / name).read_bytes(), headers=headers, media_type=KINDS[name])
