"""InfluxDB by way of the API."""

from collections.abc import AsyncIterator

import pytest

from api.settings import InfluxdbSettings
from tests.support.api import Api, an_api, bearer
from tests.support.http_server import Answers, HttpServer, Said, http_server, said_json
from tests.support.other_servers import influxdb

BASE = "/api/v3/statistic"
USER = bearer("bob")
NOTHING = {"status": "ok", "total": 0, "data": []}
FORMAT = {"data": {}, "message": "request format is not correct"}
HOUR_MS = 3_600_000
FROM_MS = 1_765_000_000_000
QUERY = {
    "main": "heplify_method_response",
    "database": '"homer"',
    "retention": '"60s"',
    "type": ["counter"],
    "tag": [],
    "rawquery": "DROP DATABASE homer",
}


class Both:
    """The API and the InfluxDB behind it."""

    def __init__(self, api: Api, upstream: HttpServer) -> None:
        self.api, self.upstream = api, upstream

    async def post(self, route: str, param: object, hours: float = 1) -> tuple[int, object]:
        window = {"from": FROM_MS, "to": FROM_MS + int(hours * HOUR_MS)}
        body = {"timestamp": window, "param": param}
        answer = await self.api.client.post(f"{BASE}/{route}", json=body, headers=USER)
        return answer.status_code, answer.json()

    async def get(self, route: str) -> tuple[int, object]:
        answer = await self.api.client.get(f"{BASE}/{route}", headers=USER)
        return answer.status_code, answer.json()

    def answers(self, answers: Answers) -> None:
        self.upstream.answers = answers

    @property
    def statement(self) -> str:
        return self.upstream.last.query["q"]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with http_server(influxdb) as upstream:
        secrets = {"token": "swordfish"}
        settings = InfluxdbSettings(url=upstream.url, **secrets)
        async with an_api(influxdb=settings) as api:
            api.trust(bob="user")
            yield Both(api, upstream)


def table(name: str, columns: list[str], values: list[list[object]]) -> dict[str, object]:
    series = ({"name": name} if name else {}) | {"columns": columns, "values": values}
    results = [{"statement_id": 0, "Series": [series], "Messages": None}]
    return {"status": "ok", "total": 1, "data": {"Results": results}}


async def test_values_are_asked_as_homer_asks_them(both: Both) -> None:
    answer = await both.post("data", {"limit": 500, "precision": 60, "total": True, "query": [QUERY]})

    values: list[list[object]] = [["2025-12-06T06:00:00Z", 1.5], ["2025-12-06T05:59:00Z", None]]
    assert answer == (201, table("heplify_method_response", ["time", "counter"], values))
    assert both.statement == (
        'SELECT mean("counter") AS "counter" FROM "homer"."60s"."heplify_method_response"'
        " WHERE time >= 1765000000000ms AND time <= 1765003600000ms"
        " GROUP BY time(60s) FILL(null) ORDER BY time DESC LIMIT 500"
    )
    assert both.upstream.last.headers["authorization"] == "Token swordfish"


@pytest.mark.parametrize(
    ("hours", "step"),
    [(1, 60), (2.9, 60), (3, 300), (8, 300), (9, 3600), (50, 3600), (51, 86400), (-1, 60)],
)
async def test_step_follows_the_whole_hours_of_the_range(both: Both, hours: float, step: int) -> None:
    await both.post("data", {"query": [QUERY]}, hours)

    assert f" GROUP BY time({step}s) " in both.statement


async def test_window_ends_where_influxdb_counts_no_further(both: Both) -> None:
    body = {"param": {"query": [QUERY]}, "timestamp": {"from": -(2**63), "to": 2**63 - 1}}
    await both.api.client.post(f"{BASE}/data", json=body, headers=USER)

    assert (
        " WHERE time >= -9223372036853ms AND time <= 9223372036853ms GROUP BY time(86400s)" in both.statement
    )


@pytest.mark.parametrize(("limit", "asked"), [(None, 500), (0, 500), (-5, 500), (7, 7), (10**18, 10_000)])
async def test_rows_are_bounded(both: Both, limit: int | None, asked: int) -> None:
    await both.post("data", {"limit": limit, "query": [QUERY]})

    assert both.statement.endswith(f" LIMIT {asked}")


async def test_last_of_several_queries_is_run(both: Both) -> None:
    await both.post("data", {"query": [QUERY, QUERY | {"type": ["other"]}]})

    assert 'mean("other") AS "other"' in both.statement


@pytest.mark.parametrize("retention", ["", "none", None, '"none"'])
async def test_without_a_retention_it_is_the_databases_own(both: Both, retention: str | None) -> None:
    await both.post("data", {"query": [QUERY | {"retention": retention}]})

    assert 'FROM "homer".."heplify_method_response" ' in both.statement


@pytest.mark.parametrize(
    "changes",
    [
        {"main": 'x" WHERE 1=1; DROP DATABASE homer; --'},
        {"main": "x\n"},
        {"main": "x\\"},
        {"main": ""},
        {"main": None},
        {"database": "homer; DROP DATABASE homer"},
        {"database": '"'},
        {"database": '""'},
        {"database": "homer\n"},
        {"database": None},
        {"retention": 'a"."b'},
        {"retention": "a b"},
        {"type": ['counter") FROM x; DROP DATABASE homer; --']},
        {"type": ["counter", ""]},
        {"type": ["é"]},
    ],
)
async def test_name_that_cannot_be_one_is_not_asked_for(both: Both, changes: dict[str, object]) -> None:
    for queries in ([QUERY | changes], [QUERY | changes, QUERY]):
        assert await both.post("data", {"query": queries}) == (400, FORMAT)
    if "type" not in changes:
        assert await both.post("_metrics", {"query": [QUERY | changes]}) == (400, FORMAT)
        assert await both.post("_tags", {"query": [QUERY | changes]}) == (400, FORMAT)

    assert both.upstream.asked == []


@pytest.mark.parametrize("param", [None, {}, {"query": []}, {"query": [QUERY | {"type": []}]}])
async def test_asking_for_nothing_finds_nothing(both: Both, param: object) -> None:
    assert await both.post("data", param) == (201, NOTHING)
    assert both.upstream.asked == []


async def test_database_that_is_not_there_has_nothing_and_is_named(both: Both) -> None:
    body = {"timestamp": {"from": 0, "to": 1}, "param": {"query": [QUERY | {"database": "other"}]}}
    answer = await both.api.client.post(f"{BASE}/data", json=body, headers=USER)

    assert (answer.status_code, answer.json()) == (201, NOTHING)
    assert answer.headers["x-rhapsode-warning"] == "database not found: other"


async def test_table_that_is_longer_than_influxdb_gives_at_once_says_so(both: Both) -> None:
    series = [{"name": "a", "columns": ["b"], "values": [["c"]], "partial": True}]
    both.answers(lambda asked: said_json({"results": [{"statement_id": 0, "series": series}]}))
    body = {"timestamp": {"from": 0, "to": 1}, "param": {"query": [QUERY]}}
    answers = [
        await both.api.client.post(f"{BASE}/data", json=body, headers=USER),
        await both.api.client.get(f"{BASE}/_db", headers=USER),
    ]

    for answer in answers:
        assert answer.json()["total"] == 1
        assert answer.headers["X-Rhapsode-Incomplete"] == "limit"


async def test_measurement_without_values_is_an_answer_without_series(both: Both) -> None:
    answer = await both.post("data", {"query": [QUERY | {"main": "empty"}]})

    results = [{"statement_id": 0, "Series": None, "Messages": None}]
    assert answer == (201, {"status": "ok", "total": 1, "data": {"Results": results}})


async def test_databases_are_listed(both: Both) -> None:
    assert await both.get("_db") == (201, table("databases", ["name"], [["_internal"], ["homer"]]))
    assert both.statement == "SHOW DATABASES"


@pytest.mark.parametrize("database", ["homer", '"homer"'])
async def test_retentions_of_a_database_are_listed(both: Both, database: str) -> None:
    status, body = await both.post("_retentions", {"search": {"database": database}})

    columns = ["name", "duration", "shardGroupDuration", "replicaN", "default"]
    values = [["autogen", "0s", "168h0m0s", 1, True], ["60s", "1h", "1h", 1, False]]
    assert (status, body) == (201, table("", columns, values))
    assert both.upstream.last.query["db"] == "homer"


async def test_measurements_of_a_database_are_listed(both: Both) -> None:
    expected = table("measurements", ["name"], [["heplify_method_response"]])
    assert await both.get("_measurements/homer") == (201, expected)


@pytest.mark.parametrize("name", ["a%20b", "%22%3BDROP", "x%0a", "..%5c", "a-b"])
async def test_database_of_a_path_that_cannot_be_one_is_refused(both: Both, name: str) -> None:
    assert await both.get(f"_measurements/{name}") == (400, FORMAT)
    assert both.upstream.asked == []


async def test_fields_and_tags_of_a_measurement_are_listed(both: Both) -> None:
    name = "heplify_method_response"
    fields = await both.post("_metrics", {"search": {}, "query": [QUERY]})
    tags = await both.post("_tags", {"query": [QUERY | {"retention": "none"}]})

    assert fields == (201, table(name, ["fieldKey", "fieldType"], [["counter", "float"]]))
    assert tags == (201, table(name, ["tagKey"], [["method"], ["response"]]))
    assert both.upstream.last.query["db"] == "homer"


@pytest.mark.parametrize("route", ["_metrics", "_tags"])
async def test_measurement_has_to_be_named(both: Both, route: str) -> None:
    assert await both.post(route, {"query": []}) == (400, FORMAT)
    assert await both.post(route, None) == (400, FORMAT)


@pytest.mark.parametrize("tables", [0, 2])
async def test_lists_are_empty_unless_there_is_one_table(both: Both, tables: int) -> None:
    series = [{"name": "a", "columns": ["b"], "values": [["c"]]}] * tables
    both.answers(lambda asked: said_json({"results": [{"statement_id": 0, "series": series}]}))

    assert await both.get("_db") == (201, NOTHING)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            said_json({"error": "unable to parse authentication credentials"}, 401),
            r"refuses the credentials of influxdb (401)",
        ),
        (said_json({"error": "error parsing query"}, 400), "answers 400: error parsing query"),
        (Said(b"<html>bad gateway</html>", 502), "answers 502"),
        (Said(b"<html>hello</html>"), "answers what is not in its API"),
        (said_json({"results": [{"series": [{"columns": "x"}]}]}), "answers what is not in its API"),
        (said_json({"results": [{"error": "shard not found"}]}), "refuses: shard not found"),
        (said_json([]), "answers what is not in its API"),
        (Said(b"[" * 100_000), "answers what is not in its API"),
        (Said(b'{"results":[{"series":[{"name":"\xff"}]}]}'), "answers what is not in its API"),
    ],
)
async def test_failure_of_influxdb_is_said(both: Both, said: Said, words: str) -> None:
    both.answers(lambda asked: said)

    for answer in (await both.get("_db"), await both.post("data", {"query": [QUERY]})):
        assert answer == (502, {"data": {}, "message": f"InfluxDB {words}"})


async def test_query_that_asks_for_too_much_is_an_error_and_no_empty_chart(both: Both) -> None:
    answer = await both.post("data", {"query": [QUERY | {"main": "too_much"}]})

    words = "InfluxDB refuses: max-select-buckets limit exceeded: (100001/100000)"
    assert answer == (502, {"data": {}, "message": words})


async def test_without_an_influxdb_every_route_says_so() -> None:
    routes = {"POST": ["data", "_retentions", "_metrics", "_tags"], "GET": ["_db", "_measurements/homer"]}
    async with an_api() as api:
        api.trust(bob="user")
        for method, names in routes.items():
            for name in names:
                answer = await api.client.request(method, f"{BASE}/{name}", headers=USER)
                stranger = await api.client.request(method, f"{BASE}/{name}")
                message = "Influxdb service is not enabled"
                assert (answer.status_code, answer.json()) == (400, {"data": {}, "message": message})
                assert stranger.status_code == 401
