"""Debian's Prometheus scrapes our metrics, and the API shows them as the web UI asks for them."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.programs import Program, find_program
from tests.support.rhapsode import rhapsode_up, wait_for_outcomes
from tests.support.sender import packet
from tests.support.trial import free_address

PACKETS = 7
RECEIVED = "rhapsode_packets_received_total"


class Charts:
    """The API in the hands of the web UI, and the Prometheus behind it."""

    def __init__(self, client: httpx.Client, program: Program, target: str) -> None:
        self._client = client
        self.program = program
        self.target = target
        """What is scraped, as HOST:PORT."""

    def get(self, route: str) -> httpx.Response:
        return self._client.get(f"/api/v3/prometheus/{route}")

    def values(self, *metrics: str, precision: int = 1, seconds: int = 60) -> httpx.Response:
        now_ms = int(time.time() * 1000)
        param = {"metrics": metrics, "precision": precision, "limit": 500, "total": False}
        body = {"param": param, "timestamp": {"from": now_ms - seconds * 1000, "to": now_ms}}
        return self._client.post("/api/v3/prometheus/value", json=body)

    def latest(self, metric: str) -> str | None:
        """The newest value of a metric's first series."""
        result = self.values(metric).json()[0]["data"]["result"]
        return str(result[0]["values"][-1][1]) if result else None

    def has_metric(self, name: str) -> bool:
        answer = self.get("labels")
        # 502 until it listens, 503 of its own until it is ready.
        return answer.status_code == httpx.codes.CREATED and name in answer.json()


@pytest.fixture(scope="module")
def charts() -> Iterator[Charts]:
    find_program("prometheus")
    host, port = free_address(socket.SOCK_STREAM)
    extra = {"RHAPSODE_PROMETHEUS__URL": f"http://{host}:{port}"}
    with TemporaryDirectory(prefix="rhapsode-live-") as name:
        directory = Path(name)
        # PostgreSQL's account has to get through.
        directory.chmod(0o711)
        with rhapsode_up(directory / "data", extra=extra) as running, running.login() as client:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                for number in range(PACKETS):
                    out.sendto(packet(number), running.hep)
            wait_for_outcomes(running, PACKETS)
            target = running.web.removeprefix("http://")
            scrape = f"- job_name: rhapsode\n  static_configs: [{{targets: ['{target}']}}]\n"
            (directory / "prometheus.yml").write_text(
                f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{scrape}"
            )
            arguments = [
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={host}:{port}",
            ]
            with Program("prometheus", arguments, directory) as program:
                charts = Charts(client, program, target)
                program.wait_until(lambda: charts.has_metric(RECEIVED), "it has scraped us")
                yield charts


def test_chart_shows_what_was_received(charts: Charts) -> None:
    charts.program.wait_until(lambda: charts.latest(RECEIVED) is not None, "it answers with a value")

    [answer] = charts.values(RECEIVED).json()

    assert answer["success"] == ""
    assert answer["data"]["resultType"] == "matrix"
    [series] = answer["data"]["result"]
    assert series["metric"] == {"__name__": RECEIVED, "instance": charts.target, "job": "rhapsode"}
    assert {value for _, value in series["values"]} == {str(PACKETS)}
    assert all(abs(at - time.time()) < 120 for at, _ in series["values"])


def test_series_of_a_metric_is_asked_for_as_the_web_ui_writes_it(charts: Charts) -> None:
    [series] = charts.get(f"label/{RECEIVED}").json()
    assert series == {"__name__": RECEIVED, "instance": charts.target, "job": "rhapsode", "version": ""}

    labels = f'{{instance="{charts.target}",job="rhapsode",version=""}}'
    assert charts.latest(RECEIVED + labels) == str(PACKETS)
    encoded = quote(labels, safe="")
    assert "%7B" in encoded
    assert charts.latest(RECEIVED + encoded) == str(PACKETS)


def test_several_metrics_are_answered_in_their_order(charts: Charts) -> None:
    metrics = [RECEIVED, f"{RECEIVED} / 7 + 1", "no_such_metric", 'up{job=~"rhap.+|a&b"}']

    results: list[Any] = [answer["data"]["result"] for answer in charts.values(*metrics).json()]

    assert [bool(result) for result in results] == [True, True, False, True]
    assert results[1][0]["values"][-1][1] == "2"


@pytest.mark.parametrize(
    ("metric", "precision", "seconds", "words"),
    [
        ("up{", 1, 60, "parse error"),
        ("up", 0, 60, "zero or negative query resolution step widths are not accepted"),
        ("up", 1, 20_000, "exceeded maximum resolution of 11,000 points per timeseries"),
        ("up", 1, -60, "end timestamp must not be before start time"),
    ],
)
def test_what_prometheus_cannot_answer_is_told_in_its_words(
    charts: Charts, metric: str, precision: int, seconds: int, words: str
) -> None:
    answer = charts.values("up", metric, precision=precision, seconds=seconds)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["data"] == {}
    assert words in answer.json()["message"]


def test_selector_that_cannot_be_read_is_told_too(charts: Charts) -> None:
    answer = charts.get("label/%7B")

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert "parse error" in answer.json()["message"]


def test_prometheus_that_has_stopped_is_an_error(charts: Charts) -> None:
    """The last one: it stops what the others ask."""
    charts.program.stop()

    for answer in (charts.values("up"), charts.get("labels"), charts.get("label/up")):
        assert answer.status_code == httpx.codes.BAD_GATEWAY
        assert answer.json() == {"data": {}, "message": "Prometheus cannot be reached"}
