"""Loki by way of the API, and whether there is one."""

import json
from collections.abc import AsyncIterator

import pytest

from api.settings import LokiSettings
from tests.support.api import Api, an_api, bearer
from tests.support.http_server import HttpServer, Said, http_server, said_json
from tests.support.other_servers import loki

BASE = "/api/v3/search/remote"
USER = bearer("bob")
WINDOW = {"from": 1_765_000_000_000, "to": 1_765_000_060_000}
QUERY = '{job="heplify-server"} |~ "a84b4c76e66710"'
OTHER = "Loki answers what is not in its API"


def streams(*result: object) -> Said:
    return said_json({"status": "success", "data": {"resultType": "streams", "result": result}})


@pytest.fixture
async def upstream() -> AsyncIterator[HttpServer]:
    async with http_server(loki) as server:
        yield server


@pytest.fixture
async def api(upstream: HttpServer) -> AsyncIterator[Api]:
    secrets = {"token": "swordfish"}
    settings = LokiSettings(url=upstream.url, tenant="voip", template='{a="b"} |~ "%callid%"', **secrets)
    async with an_api(loki=settings) as api:
        api.trust(bob="user")
        yield api


async def search(api: Api, **param: object) -> tuple[int, object]:
    body = {"param": {"timezone": {"value": -180, "name": "Local"}} | param, "timestamp": WINDOW}
    answer = await api.client.post(f"{BASE}/data", json=body, headers=USER)
    return answer.status_code, answer.json()


async def get(api: Api, route: str) -> tuple[int, object]:
    answer = await api.client.get(f"{BASE}/{route}", headers=USER)
    return answer.status_code, answer.json()


async def test_lines_of_all_streams_are_shown_newest_first(api: Api, upstream: HttpServer) -> None:
    answer = await search(api, search=QUERY, limit=100, server="http://elsewhere:3100")

    both = '{"job":"heplify-server","type":"sip"}'
    rows = [
        (1, 1_765_000_012_345, "INVITE <b>", both),
        (2, 1_765_000_011_000, "REGISTER", '{"job":"heplify-server"}'),
        (3, 1_765_000_010_000, "BYE", both),
    ]
    keys = ("id", "micro_ts", "custom_1", "custom_2")
    assert answer == (201, {"data": [dict(zip(keys, row, strict=True)) for row in rows]})
    assert upstream.last.query == {
        "query": QUERY,
        "limit": "100",
        "start": "1765000000000000000",
        "end": "1765000060000000000",
        "direction": "backward",
    }
    assert upstream.last.headers["authorization"] == "Bearer swordfish"
    assert upstream.last.headers["x-scope-orgid"] == "voip"


@pytest.mark.parametrize(
    ("limit", "asked"), [(None, "100"), (0, "100"), (-1, "100"), (7, "7"), (10**9, "5000")]
)
async def test_lines_are_bounded(api: Api, upstream: HttpServer, limit: int | None, asked: str) -> None:
    await search(api, search=QUERY, limit=limit)

    assert upstream.last.query["limit"] == asked


@pytest.mark.parametrize(("limit", "said"), [(3, "limit"), (4, None)])
async def test_answer_that_may_have_been_cut_says_so(api: Api, limit: int, said: str | None) -> None:
    body = {"param": {"search": QUERY, "limit": limit}, "timestamp": WINDOW}
    answer = await api.client.post(f"{BASE}/data", json=body, headers=USER)

    assert answer.headers.get("x-rhapsode-incomplete") == said


async def test_what_loki_warns_of_is_said(api: Api, upstream: HttpServer) -> None:
    found = {"resultType": "streams", "result": []}
    upstream.answers = lambda asked: said_json({"data": found, "warnings": ["an ingester is away"]})
    body = {"param": {"search": QUERY}, "timestamp": WINDOW}

    answer = await api.client.post(f"{BASE}/data", json=body, headers=USER)

    assert answer.headers["X-Rhapsode-Warning"] == "an ingester is away"


@pytest.mark.parametrize("query", ['{a="b&start=0"}', '{a="#"} |= "\r\nHost: x"', '{a="%26"}', '{a="+ü😀"}'])
async def test_query_can_add_nothing_to_what_is_asked(api: Api, upstream: HttpServer, query: str) -> None:
    assert (await search(api, search=query))[0] == 201
    assert upstream.last.query["query"] == query


async def test_nothing_found_is_an_empty_list(api: Api, upstream: HttpServer) -> None:
    upstream.answers = lambda asked: streams()

    assert await search(api, search=QUERY) == (201, {"data": []})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("nonsense", "Loki: parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"),
        ('rate({a="b"}[1m])', "the query gives numbers: only lines can be shown here"),
        ("", "there is no query"),
        (None, "there is no query"),
    ],
)
async def test_query_that_finds_no_lines_is_told_why(api: Api, query: str | None, words: str) -> None:
    assert await search(api, search=query) == (400, {"data": {}, "message": words})


@pytest.mark.parametrize("server", ["x", "http://elsewhere:3100", "undefined", "", None])
async def test_server_of_the_request_is_ignored(api: Api, upstream: HttpServer, server: str | None) -> None:
    given = "" if server is None else f"server={server}"

    assert await get(api, f"label?{given}") == (201, ["job", "type"])
    assert await get(api, f"values?{given}&label=job") == (201, ["heplify-server"])
    assert [asked.path for asked in upstream.asked] == [
        "/loki/api/v1/labels",
        "/loki/api/v1/label/job/values",
    ]
    assert all("elsewhere" not in asked.target for asked in upstream.asked)


@pytest.mark.parametrize(
    "label",
    ["", "..", "..%2F..%2Fadmin", "a%2Fb", "a%3Fx%3D1", "a%0d%0aX:%201", "%7Bjob", "9a", "%C3%A9", "a%0a"],
)
async def test_label_that_cannot_be_one_has_no_values(api: Api, upstream: HttpServer, label: str) -> None:
    assert await get(api, f"values?server=x&label={label}") == (201, [])
    assert upstream.asked == []


async def test_label_that_nobody_has_has_no_values(api: Api) -> None:
    assert await get(api, "values?server=x&label=nothing") == (201, [])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(b"too many outstanding requests", 429), "Loki answers 429: too many outstanding requests"),
        (Said(b"no org id\n", 401), "Loki refuses the credentials of loki (401)"),
        (Said(b"", 500), "Loki answers 500"),
        (Said(b"<html>"), OTHER),
        (said_json({"data": 1}), OTHER),
        (streams({"stream": {}, "values": [["x", "y"]]}), OTHER),
        (streams({"stream": {}, "values": [["1"]]}), OTHER),
        (streams({"stream": {"a": 1}, "values": []}), OTHER),
        (streams({"values": []}), OTHER),
    ],
)
async def test_failure_of_loki_is_said(api: Api, upstream: HttpServer, said: Said, words: str) -> None:
    upstream.answers = lambda asked: said

    assert await search(api, search=QUERY) == (502, {"data": {}, "message": words})


async def test_labels_that_are_no_list_are_a_failure(api: Api, upstream: HttpServer) -> None:
    upstream.answers = lambda asked: said_json({"data": {"a": 1}})

    for route in ("label?server=x", "values?server=x&label=job"):
        answer = await get(api, route)
        assert answer == (502, {"data": {}, "message": OTHER})


async def test_modules_tell_of_loki(api: Api) -> None:
    answer = await api.client.get("/api/v3/modules/status", headers=USER)

    template = '{a="b"} |~ "%callid%"'
    assert answer.status_code == 200
    assert answer.json() == {
        "message": "Modules status",
        "data": {"loki": {"enable": True, "external_url": "", "template": template}},
    }


async def test_without_a_loki_every_route_says_so() -> None:
    async with an_api() as api:
        api.trust(bob="user")
        for method, route in (("POST", "data"), ("GET", "label?server=x"), ("GET", "values?label=..")):
            answer = await api.client.request(method, f"{BASE}/{route}", headers=USER)
            stranger = await api.client.request(method, f"{BASE}/{route}")
            message = "Loki service is not enabled"
            assert (answer.status_code, answer.json()) == (400, {"data": {}, "message": message})
            assert stranger.status_code == 401
        modules = await api.client.get("/api/v3/modules/status", headers=USER)

    assert json.loads(modules.content)["data"]["loki"] == {
        "enable": False,
        "external_url": "",
        "template": '{job="heplify-server"} |~ "%callid%"',
    }
