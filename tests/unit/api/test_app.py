"""The application as a whole: headers, CORS, the page of its description, unexpected exceptions."""

import logging
import re
from html.parser import HTMLParser
from importlib.resources import files

import httpx
import pytest
from fastapi import FastAPI

from api.edge import Edge
from tests.support.api import an_api


async def test_way_in_leads_to_the_description() -> None:
    async with an_api() as api:
        page = await api.client.get("/", follow_redirects=True)

    assert page.url.path == "/docs"
    assert page.headers["content-type"] == "text/html; charset=utf-8"


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


async def test_page_reaches_for_no_other_host() -> None:
    links = _Links()
    async with an_api() as api:
        page = await api.client.get("/docs")
        links.feed(page.text)
        parts = {link: await api.client.get(f"/{link}") for link in links.found if link != "data:,"}

    assert "docs.js" in parts
    assert all(answer.status_code == 200 for answer in parts.values())
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("docs.html", "docs.css", "docs.js"):
        assert not re.search(
            r"(https?:)?//\w", (files("api") / "static" / name).read_text().replace("// ", "")
        )


async def test_description_names_every_route_and_what_it_answers() -> None:
    async with an_api() as api:
        description = (await api.client.get("/openapi.json")).json()

    operations = {
        (method, path): operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() >= {
        ("get", "/health"),
        ("get", "/metrics"),
        ("post", "/api/v3/search/call/data"),
    }
    assert all(operation["description"] and operation["tags"] for operation in operations.values())
    login = operations["post", "/api/v3/auth"]
    assert login["responses"].keys() == {"201", "400", "401", "413", "429", "503"}
    body = login["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"].keys() == {"username", "password"}
    assert "security" in operations["get", "/api/v3/users/profile"]
    assert "security" not in login
    # No route lets FastAPI check anything, so none answers 422.
    assert not any("422" in operation["responses"] for operation in operations.values())


async def test_description_names_every_part_of_a_path() -> None:
    """A program that is made from the description could not fill in the others."""
    async with an_api() as api:
        description = (await api.client.get("/openapi.json")).json()

    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            named = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), (method, path)


async def test_every_answer_has_the_headers_of_the_edge() -> None:
    async with an_api() as api:
        answers = [await api.client.get(path) for path in ("/health", "/api/v3/nothing", "/openapi.json")]

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"]


async def test_page_of_another_origin_may_ask() -> None:
    asks = {"Origin": "https://ui.example", "Access-Control-Request-Method": "POST"}
    asks["Access-Control-Request-Headers"] = "authorization,content-type"
    async with an_api() as api:
        before = await api.client.options("/api/v3/auth", headers=asks)
        answer = await api.client.get("/api/v3/nothing", headers={"Origin": "https://ui.example"})

    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == "*"
    assert set(before.headers["access-control-allow-methods"].split(", ")) == {
        "GET",
        "PUT",
        "PATCH",
        "POST",
        "DELETE",
    }
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"
    shown = set(answer.headers["access-control-expose-headers"].split(", "))
    assert shown >= {f"X-Rhapsode-{name}" for name in ("Incomplete", "Missing-Nodes", "Warning", "Skipped")}


async def test_unexpected_exception_is_logged_once_and_shows_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    app.add_middleware(Edge)

    @app.get("/broken")
    async def fail() -> None:
        raise ZeroDivisionError("a detail that is nobody's business")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        answer = await client.get("/broken")

    assert answer.status_code == 500
    assert answer.json() == {"data": {}, "message": "Internal Server Error"}
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors] == ["GET /broken failed"]
    assert errors[0].exc_info is not None


async def test_health_tells_that_the_database_is_away() -> None:
    async with an_api() as api:
        answer = await api.client.get("/health")
        head = await api.client.head("/health")

    assert answer.status_code == head.status_code == 503
    assert answer.json() == {
        "status": "failing",
        "receive": None,
        "store": None,
        "search": {"ok": False, "message": "cannot search: the database does not answer"},
        "warnings": [],
    }


async def test_metrics_answer_while_the_database_is_away() -> None:
    async with an_api() as api:
        answer = await api.client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
