"""Debian's InfluxDB 1.x is asked as the web UI asks for its charts."""

import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.settings import InfluxdbSettings
from tests.support.api import Api, an_api, bearer
from tests.support.programs import Program, find_program
from tests.support.trial import free_address

BASE = "/api/v3/statistic"
USER = bearer("bob")
MEASUREMENT = "heplify_method_response"
ODD = "a.b:c/d-e"
LOGIN = ("ali", "correct horse")
HOUR_MS = 3_600_000


def config(directory: Path, http: str, rpc: str) -> str:
    folders = (
        f'[meta]\ndir = "{directory}/meta"\n[data]\ndir = "{directory}/data"\nwal-dir = "{directory}/wal"\n'
    )
    services = "[monitor]\nstore-enabled = false\n[subscriber]\nenabled = false\n"
    listener = f'[http]\nbind-address = "{http}"\nauth-enabled = true\n'
    return f'reporting-disabled = true\nbind-address = "{rpc}"\n{folders}{services}{listener}'


def is_there(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ping").status_code == httpx.codes.NO_CONTENT
    except httpx.ConnectError:
        return False


def fill(url: str, now_s: int) -> None:
    """One database with two retention policies, and values of the last three minutes."""
    name, password = LOGIN
    with httpx.Client(base_url=url) as client:
        for statement in (
            f"CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES",
            "CREATE DATABASE homer",
            'CREATE RETENTION POLICY "60s" ON homer DURATION 1h REPLICATION 1',
        ):
            answer = client.post("/query", data={"q": statement}, auth=LOGIN)
            assert "error" not in answer.text, answer.text
        lines = [f"{MEASUREMENT},method=INVITE counter={ago},other=1 {now_s - ago}" for ago in (0, 60, 120)]
        for policy, written in (("60s", lines), ("autogen", [f"{ODD} v=1.5 {now_s}"])):
            answer = client.post(
                "/write",
                params={"db": "homer", "rp": policy, "precision": "s"},
                content="\n".join(written),
                auth=LOGIN,
            )
            assert answer.status_code == httpx.codes.NO_CONTENT, answer.text


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Any:
    find_program("influxd")
    directory = tmp_path_factory.mktemp("influxdb")
    http, rpc = (":".join(map(str, free_address(socket.SOCK_STREAM))) for _ in range(2))
    (directory / "influxdb.conf").write_text(config(directory, http, rpc))
    arguments = ["run", "-config", directory / "influxdb.conf"]
    with Program("influxd", arguments, directory) as program:
        program.wait_until(lambda: is_there(f"http://{http}"), "it answers")
        fill(f"http://{http}", int(time.time()) - 1)
        yield f"http://{http}"


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    name, password = LOGIN
    async with an_api(influxdb=InfluxdbSettings(url=url, user=name, password=password)) as api:
        api.trust(bob="user")
        yield api


async def post(api: Api, route: str, **query: object) -> tuple[int, Any]:
    now_ms = int(time.time() * 1000)
    given = {"main": MEASUREMENT, "database": '"homer"', "retention": '"60s"', "type": ["counter"]} | query
    param = {"search": {"database": "homer"}, "query": [given], "limit": 500}
    body = {"param": param, "timestamp": {"from": now_ms - HOUR_MS, "to": now_ms}}
    answer = await api.client.post(f"{BASE}/{route}", json=body, headers=USER)
    return answer.status_code, answer.json()


def table(answer: tuple[int, Any]) -> dict[str, Any]:
    """The one table of an answer."""
    status, body = answer
    assert (status, body["status"], body["total"]) == (201, "ok", 1)
    [result] = body["data"]["Results"]
    assert result.keys() == {"statement_id", "Series", "Messages"}
    [series] = result["Series"]
    return dict(series)


async def test_chart_has_the_mean_values_newest_first(api: Api) -> None:
    found = table(await post(api, "data", type=["counter", "other"]))

    assert found["name"] == MEASUREMENT
    assert found["columns"] == ["time", "counter", "other"]
    assert [row[1] for row in found["values"] if row[1] is not None] == [0, 60, 120]
    times = [row[0] for row in found["values"]]
    assert times == sorted(times, reverse=True)
    # A value a minute over an hour, and an end on both sides.
    assert len(times) in (60, 61)


async def test_measurement_of_an_odd_name_is_found_in_the_databases_own_retention(api: Api) -> None:
    found = table(await post(api, "data", main=ODD, retention="none", type=["v"]))

    assert (found["name"], found["columns"]) == (ODD, ["time", "v"])
    assert 1.5 in [row[1] for row in found["values"]]


async def test_lists_are_those_of_the_database(api: Api) -> None:
    databases = table((201, (await api.client.get(f"{BASE}/_db", headers=USER)).json()))
    measurements = table((201, (await api.client.get(f"{BASE}/_measurements/homer", headers=USER)).json()))
    retentions = table(await post(api, "_retentions"))
    fields = table(await post(api, "_metrics"))
    tags = table(await post(api, "_tags"))

    assert ["homer"] in databases["values"]
    assert sorted(measurements["values"]) == [[ODD], [MEASUREMENT]]
    assert [row[0] for row in retentions["values"]] == ["autogen", "60s"]
    assert fields["values"] == [["counter", "float"], ["other", "float"]]
    assert tags["values"] == [["method"]]


async def test_what_is_not_there_is_nothing(api: Api) -> None:
    nothing = {"status": "ok", "total": 0, "data": []}
    no_series = [{"statement_id": 0, "Series": None, "Messages": None}]

    assert await post(api, "data", database="other") == (201, nothing)
    assert await post(api, "data", retention="other") == (201, nothing)
    assert await post(api, "data", main="other") == (
        201,
        {"status": "ok", "total": 1, "data": {"Results": no_series}},
    )
    assert await post(api, "_metrics", main="other") == (201, nothing)


@pytest.mark.parametrize("window", [{"from": -(2**63), "to": 2**63 - 1}, {"from": 1, "to": 0}])
async def test_window_of_any_size_is_answered(api: Api, window: dict[str, int]) -> None:
    query = {"main": MEASUREMENT, "database": "homer", "retention": "60s", "type": ["counter"]}
    body = {"param": {"query": [query], "limit": 10}, "timestamp": window}
    answer = await api.client.post(f"{BASE}/data", json=body, headers=USER)

    assert answer.status_code == 201, answer.text


async def test_wrong_password_is_told(url: str) -> None:
    secrets = {"user": "ali", "password": "wrong"}
    async with an_api(influxdb=InfluxdbSettings(url=url, **secrets)) as api:
        api.trust(bob="user")
        answer = await api.client.get(f"{BASE}/_db", headers=USER)

    assert answer.status_code == 502
    assert answer.json()["message"] == "InfluxDB refuses the credentials of influxdb (401)"
