"""Debian's Prometheus scrapes our metrics, and the API shows them as the web UI asks for them."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.prometheus import RECEIVED, Charts, scraped

PACKETS = 7


@pytest.fixture(scope="module")
def charts() -> Iterator[Charts]:
    with TemporaryDirectory(prefix="rhapsode-live-") as name, scraped(Path(name), PACKETS) as (_, charts):
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
