"""Prometheus by way of the API."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from api.proxies.prometheus import MAX_METRICS, expression_of
from api.settings import PrometheusSettings
from tests.support.api import Api, an_api, bearer
from tests.support.http_server import Asked, HttpServer, Said, http_server, said_json
from tests.support.other_servers import prometheus

BASE = "/api/v3/prometheus"
USER = bearer("bob")
WINDOW = {"from": 1_765_000_000_999, "to": 1_765_003_600_000}


@pytest.fixture
async def upstream() -> AsyncIterator[HttpServer]:
    async with http_server(prometheus) as server:
        yield server


@pytest.fixture
async def api(upstream: HttpServer) -> AsyncIterator[Api]:
    secrets = {"user": "ali", "password": "swordfish"}
    settings = PrometheusSettings(url=upstream.url, max_answer_bytes=2048, **secrets)
    async with an_api(prometheus=settings) as api:
        api.trust(bob="user")
        yield api


async def values(api: Api, *metrics: str, precision: int = 60) -> tuple[int, object]:
    param = {"metrics": metrics, "precision": precision, "limit": 500, "total": False}
    body = {"param": param, "timestamp": WINDOW}
    answer = await api.client.post(f"{BASE}/value", json=body, headers=USER)
    return answer.status_code, answer.json()


async def get(api: Api, route: str) -> tuple[int, object]:
    answer = await api.client.get(f"{BASE}/{route}", headers=USER)
    return answer.status_code, answer.json()


async def test_values_of_each_metric_are_in_an_array_of_their_own(api: Api, upstream: HttpServer) -> None:
    status, body = await values(api, "up", "go_goroutines")

    points = [[1_765_000_000, "1"], [1_765_003_600, "NaN"]]
    assert (status, body) == (
        201,
        [
            {
                "success": "",
                "data": {
                    "resultType": "matrix",
                    "result": [{"metric": {"__name__": name}, "values": points}],
                },
            }
            for name in ("up", "go_goroutines")
        ],
    )
    assert upstream.last.query["step"] == "60"
    assert upstream.last.headers["authorization"] == "Basic YWxpOnN3b3JkZmlzaA=="


@pytest.mark.parametrize(
    ("metric", "asked"),
    [
        ("up", "up"),
        ('up{instance="a:9090"}', 'up{instance="a:9090"}'),
        # The web UI encodes what comes behind the name.
        ("up%7Binstance%3D%22a%3A9090%22%2Cjob%3D%22%22%7D", 'up{instance="a:9090",job=""}'),
        ("sum(rate(up%5B5m%5D))%20%2F%202%2B1", "sum(rate(up[5m])) / 2+1"),
        # Where it has not, an escape is the expression's own.
        ('up{path="/a%20b"}', 'up{path="/a%20b"}'),
        ("up %20", "up %20"),
        ("up%", "up%"),
        ("up%zz", "up%zz"),
    ],
)
def test_metric_stands_for_an_expression(metric: str, asked: str) -> None:
    assert expression_of(metric) == asked


@pytest.mark.parametrize(
    "metric",
    [
        'up{a="b&query=other"}',
        'up{a="#"}',
        'up{a="b\r\nHost: elsewhere"}',
        'up{a="+ %2B ü 😀"}',
        'up{a="http://user@elsewhere/"}',
    ],
)
async def test_expression_can_add_nothing_to_what_is_asked(
    api: Api, upstream: HttpServer, metric: str
) -> None:
    status, _ = await values(api, metric)
    await get(api, "label/up%26match%5B%5D=x")

    assert status == 201
    assert upstream.asked[0].query["query"] == metric
    assert upstream.asked[0].headers["host"] == upstream.url.removeprefix("http://")
    assert upstream.last.query == {"match[]": "up&match[]=x"}


async def test_expression_that_cannot_be_read_is_told_in_prometheus_words(api: Api) -> None:
    answer = await values(api, "up", "up{")
    without_step = await values(api, "up", precision=0)

    words = 'Prometheus: invalid parameter "query": 1:1: parse error: unexpected character'
    assert answer == (400, {"data": {}, "message": words})
    assert without_step[0] == 400


async def test_metrics_are_listed(api: Api) -> None:
    assert await get(api, "labels") == (201, ["go_goroutines", "up"])


async def test_series_of_a_metric_have_homers_four_labels_and_come_once(api: Api) -> None:
    first = {"__name__": "up", "instance": "a:9090", "job": "x", "version": ""}
    second = {"__name__": "up", "instance": "", "job": "", "version": "2"}
    assert await get(api, "label/up") == (201, [first, second])
    assert await get(api, "label/nothing") == (201, [])


async def test_what_prometheus_warns_of_is_said(api: Api, upstream: HttpServer) -> None:
    def with_a_warning(asked: Asked) -> Said:
        answer = json.loads(prometheus(asked).body)
        return said_json(answer | {"warnings": ["store 10.0.0.9 is away", "and \u00e9"]})

    upstream.answers = with_a_warning
    body = {"param": {"metrics": ["up"], "precision": 60}, "timestamp": WINDOW}
    answers = [
        await api.client.post(f"{BASE}/value", json=body, headers=USER),
        await api.client.get(f"{BASE}/labels", headers=USER),
        await api.client.get(f"{BASE}/label/up", headers=USER),
    ]

    for answer in answers:
        assert answer.status_code == 201
        assert answer.headers["X-Rhapsode-Warning"] == "store 10.0.0.9 is away; and %C3%A9"


async def test_data_has_nothing(api: Api) -> None:
    answer = await api.client.post(f"{BASE}/data", json={}, headers=USER)

    assert (answer.status_code, answer.json()) == (201, {})


async def test_no_metrics_have_no_values(api: Api, upstream: HttpServer) -> None:
    assert await values(api) == (201, [])
    assert upstream.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {"param": {"metrics": ["up"], "precision": 60}},
        {"param": {"metrics": ["up"]}, "timestamp": {"from": 1}},
        {"param": {"metrics": ["up"]}, "timestamp": {"from": "1.5", "to": 2}},
        {"param": {"metrics": ["up"]}, "timestamp": {"from": 10**30, "to": 2}},
        {"param": {"metrics": "up"}, "timestamp": WINDOW},
        {"param": {"metrics": [1]}, "timestamp": WINDOW},
    ],
)
async def test_question_without_a_window_or_of_other_types_is_refused(api: Api, body: object) -> None:
    answer = await api.client.post(f"{BASE}/value", json=body, headers=USER)

    assert answer.status_code == 400
    assert answer.json() == {"data": {}, "message": "request format is not correct"}


async def test_metrics_in_one_question_are_bounded(api: Api, upstream: HttpServer) -> None:
    answer = await values(api, *["up"] * (MAX_METRICS + 1))

    assert answer == (400, {"data": {}, "message": f"more than {MAX_METRICS} metrics"})
    assert upstream.asked == []


async def test_values_of_all_metrics_together_are_bounded(api: Api, upstream: HttpServer) -> None:
    big = {"status": "success", "data": {"resultType": "matrix", "result": ["x" * 1000]}}
    upstream.answers = lambda asked: said_json(big)

    status, body = await values(api, *["up"] * 10)

    assert status == 502
    assert body == {
        "data": {},
        "message": "Prometheus answers more than 2048 bytes (prometheus.max_answer_bytes): ask for less",
    }
    assert len(upstream.asked) == 3


ERROR = {"status": "error", "errorType": "internal", "error": "no\nroom"}
TIMEOUT = {"status": "error", "errorType": "timeout", "error": "query timed out in expression evaluation"}


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (said_json(ERROR, 500), 502, r"Prometheus answers 500: no\nroom"),
        (said_json(ERROR), 502, r"Prometheus answers 200: no\nroom"),
        (said_json(TIMEOUT, 503), 504, "Prometheus: query timed out in expression evaluation"),
        (Said(b"Unauthorized\n", 401), 502, "Prometheus refuses the credentials of prometheus (401)"),
        (Said(b"<html>", 404), 502, "Prometheus answers 404"),
        (Said(b"<html>"), 502, "Prometheus answers what is not in its API"),
        (said_json({"status": "success"}), 502, "Prometheus answers what is not in its API"),
        (said_json({"status": "success", "data": [1]}), 502, "Prometheus answers what is not in its API"),
        (
            said_json({"status": "success", "data": {"result": 1}}),
            502,
            "Prometheus answers what is not in its API",
        ),
        (Said(b"[" * 1000), 502, "Prometheus answers what is not in its API"),
        (Said(b'"\xff"'), 502, "Prometheus answers what is not in its API"),
        (
            Said(b"", 302, {"Location": "/"}),
            502,
            "Prometheus redirects to another place, which is not followed",
        ),
    ],
)
async def test_failure_of_prometheus_is_said(
    api: Api, upstream: HttpServer, said: Said, status: int, words: str
) -> None:
    upstream.answers = lambda asked: said

    for answer in (await values(api, "up"), await get(api, "labels"), await get(api, "label/up")):
        assert answer == (status, {"data": {}, "message": words})


async def test_prometheus_that_does_not_answer_is_said(upstream: HttpServer) -> None:
    upstream.answers = lambda asked: Said(waits_for=asyncio.Event())
    async with an_api(prometheus=PrometheusSettings(url=upstream.url, timeout_s=0.05)) as api:
        api.trust(bob="user")
        answers = (await values(api, "up"), await get(api, "labels"))

    for answer in answers:
        assert answer == (504, {"data": {}, "message": "Prometheus did not answer within 0.05 s"})


async def test_all_metrics_together_have_the_time_of_one_answer(upstream: HttpServer) -> None:
    """Each by itself is quick enough."""
    upstream.answers = lambda asked: replace(prometheus(asked), slowness_s=0.05)
    async with an_api(prometheus=PrometheusSettings(url=upstream.url, timeout_s=0.5)) as api:
        api.trust(bob="user")
        status, _ = await values(api, *["up"] * 50)

    assert status == 504
    assert len(upstream.asked) < 50


async def test_without_a_prometheus_every_route_says_so() -> None:
    async with an_api() as api:
        api.trust(bob="user")
        for method, route in (
            ("POST", "value"), ("POST", "data"), ("GET", "labels"), ("GET", "label/up")
        ):  # fmt: skip
            answer = await api.client.request(method, f"{BASE}/{route}", headers=USER)
            stranger = await api.client.request(method, f"{BASE}/{route}")
            message = "Prometheus service is not enabled"
            assert (answer.status_code, answer.json()) == (400, {"data": {}, "message": message})
            assert stranger.status_code == 401
