"""Whatever a user asks, other servers are asked for what they are there for, and nothing fails within us."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.settings import GrafanaSettings, InfluxdbSettings, LokiSettings, PrometheusSettings
from tests.support.api import Api, an_api, bearer
from tests.support.http_server import Asked, HttpServer, Said, http_server, said_json

USER = bearer("bob")
BASE = "/api/v3"
FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

PIECES = st.sampled_from(
    [
        "..",
        "/",
        "\\",
        "%2e",
        "%2F",
        "%0d%0a",
        "\r\n",
        "\0",
        '"',
        "'",
        "`",
        ";",
        "--",
        "{",
        "}",
        "&",
        "=",
        "#",
        "?",
        "@elsewhere",
        "http://elsewhere/",
        "//elsewhere",
        " ",
        "$",
        "up",
        "homer",
        "DROP DATABASE homer",
        "ü",
        "\u202e",
        "😀",
    ]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 60, 1_765_000_000_000])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "main": TEXTS | st.just("m"),
        "database": TEXTS | st.just("homer"),
        "retention": TEXTS | st.just("none"),
        "type": st.lists(TEXTS | st.just("counter"), max_size=3),
        "tag": ANYTHING,
        "rawquery": TEXTS,
    },
)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "metrics": st.lists(TEXTS, max_size=3) | ANYTHING,
        "precision": NUMBERS | ANYTHING,
        "search": TEXTS | st.fixed_dictionaries({"database": TEXTS}) | ANYTHING,
        "limit": NUMBERS | ANYTHING,
        "server": TEXTS,
        "query": st.lists(QUERIES, max_size=3) | ANYTHING,
    },
)
WINDOWS = st.fixed_dictionaries({"from": NUMBERS, "to": NUMBERS}) | ANYTHING
BODIES = st.fixed_dictionaries({"param": PARAMS | ANYTHING, "timestamp": WINDOWS}) | ANYTHING

PATHS = re.compile(
    r"/(p/api/v1/(query_range|label/__name__/values|series)|l/loki/api/v1/(query_range|labels|label/\w+/values)"
    r"|i/query|g/api/(org|search|dashboards/uid/[^/]+)|g/d/[^/]+/[^/]+)",
    re.ASCII,
)
STATEMENTS = re.compile(
    r'SHOW DATABASES|SHOW (RETENTION POLICIES|MEASUREMENTS) ON "\w+"'
    r'|SHOW (FIELD|TAG) KEYS FROM ("\w+"\.)?"[\w.:/-]+"'
    r'|SELECT mean\("\w+"\) AS "\w+"(, mean\("\w+"\) AS "\w+")* FROM "\w+"\.("\w+")?\."[\w.:/-]+"'
    r" WHERE time >= -?\d+ms AND time <= -?\d+ms"
    r" GROUP BY time\(\d+s\) FILL\(null\) ORDER BY time DESC LIMIT \d+",
    re.ASCII,
)
POSTS = ("prometheus/value", "prometheus/data", "search/remote/data", "statistic/data")
POSTS += ("statistic/_retentions", "statistic/_metrics", "statistic/_tags")
GETS = ("prometheus/label/{}", "search/remote/label?server={}", "search/remote/values?server={0}&label={0}")
GETS += ("statistic/_measurements/{}", "proxy/grafana/search/{}", "proxy/grafana/dashboards/uid/{}")
GETS += ("proxy/grafana/request/d/{0}/{0}?x={0}",)


def something(asked: Asked) -> Said:
    """An answer that every one of these servers could give."""
    matrix: dict[str, Any] = {"resultType": "matrix", "result": []}
    if "/l/" in asked.path or "series" in asked.path or "values" in asked.path:
        found: Any = {"resultType": "streams", "result": []} if "query_range" in asked.path else []
        return said_json({"status": "success", "data": found})
    return said_json({"status": "success", "data": matrix, "results": [{"statement_id": 0}]})


class Both:
    """The API, and one server that is all the others."""

    def __init__(self, api: Api, upstream: HttpServer) -> None:
        self.api, self.upstream = api, upstream

    async def ask(self, method: str, route: str, body: Any = None) -> tuple[int, list[Asked]]:
        """The status, and what was asked elsewhere."""
        self.upstream.asked.clear()
        answer = await self.api.client.request(method, f"{BASE}/{route}", json=body, headers=USER)
        return answer.status_code, list(self.upstream.asked)


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with http_server(something) as upstream:
        options = {
            "prometheus": PrometheusSettings(url=f"{upstream.url}/p"),
            "loki": LokiSettings(url=f"{upstream.url}/l"),
            "influxdb": InfluxdbSettings(url=f"{upstream.url}/i"),
            "grafana": GrafanaSettings(url=f"{upstream.url}/g"),
        }
        async with an_api(**options) as api:
            api.trust(bob="user")
            yield Both(api, upstream)


def assert_harmless(both: Both, asked: list[Asked]) -> None:
    host = both.upstream.url.removeprefix("http://")
    for one in asked:
        assert (one.method, one.headers["host"]) == ("GET", host)
        assert PATHS.fullmatch(one.path), one.target
        # However often those on the way decode it.
        path = unquote(unquote(unquote(one.path)))
        assert {".", ".."}.isdisjoint(re.split(r"[/\\]", path)), one.target
        if one.path == "/i/query":
            assert STATEMENTS.fullmatch(one.query["q"]), one.query
            assert one.query.keys() <= {"q", "db"}


@FEW
@given(route=st.sampled_from(POSTS), body=BODIES)
@example(
    route="statistic/data",
    body={
        "param": {"query": [{"main": "m", "database": "d", "type": ["a", "b"]}]},
        "timestamp": {"from": -(2**63), "to": 2**63 - 1},
    },
)
async def test_no_body_asks_for_anything_else(both: Both, route: str, body: Any) -> None:
    status, asked = await both.ask("POST", route, body)

    assert status in (201, 400)
    assert_harmless(both, asked)


@FEW
@given(route=st.sampled_from(GETS), text=TEXTS)
@example(route="proxy/grafana/dashboards/uid/{}", text="%2e%2e")
@example(route="proxy/grafana/request/d/{0}/{0}", text="..\\")
async def test_no_path_and_no_query_asks_for_anything_else(both: Both, route: str, text: str) -> None:
    status, asked = await both.ask("GET", route.format(quote(text, safe="")))

    assert status in (200, 201, 400, 404)
    assert_harmless(both, asked)


@FEW
@given(route=st.sampled_from(GETS), text=TEXTS)
async def test_nothing_unencoded_does_either(both: Both, route: str, text: str) -> None:
    status, asked = await both.ask("GET", route.format(quote(text, safe="/%&=;@:?'$")))

    assert status in (200, 201, 400, 401, 404, 405)
    assert_harmless(both, asked)
