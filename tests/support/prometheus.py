"""Debian's Prometheus beside an installation that it scrapes, and the API that is asked for its charts."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.programs import Program, find_program
from tests.support.rhapsode import Rhapsode, rhapsode_up, wait_for_outcomes
from tests.support.sender import packet
from tests.support.trial import free_address

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


@contextmanager
def scraped(
    directory: Path, packets: int, *arguments: str | Path, history: str = ""
) -> Iterator[tuple[Rhapsode, Charts]]:
    """`rhapsode up` with these arguments that has received so many packets, once Prometheus has seen it.

    `history`: what Prometheus knows of before, in OpenMetrics. The test is skipped where it is not installed.
    """
    find_program("prometheus")
    host, port = free_address(socket.SOCK_STREAM)
    extra = {"RHAPSODE_PROMETHEUS__URL": f"http://{host}:{port}"}
    # PostgreSQL's account has to get through.
    directory.chmod(0o711)
    with (
        rhapsode_up(directory / "data", *arguments, extra=extra) as running,
        running.login() as client,
    ):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for number in range(packets):
                out.sendto(packet(number), running.hep)
        wait_for_outcomes(running, packets)
        target = running.web.removeprefix("http://")
        scrape = f"- job_name: rhapsode\n  static_configs: [{{targets: ['{target}']}}]\n"
        (directory / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{scrape}"
        )
        if history:
            _fill(directory, history)
        options = [
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address={host}:{port}",
        ]
        with Program("prometheus", options, directory) as program:
            charts = Charts(client, program, target)
            program.wait_until(lambda: charts.has_metric(RECEIVED), "it has scraped us")
            yield running, charts


def _fill(directory: Path, history: str) -> None:
    path = directory / "history.txt"
    path.write_text(history)
    arguments = ("tsdb", "create-blocks-from", "openmetrics", path, directory / "tsdb")
    subprocess.run([find_program("promtool"), *map(str, arguments)], check=True, capture_output=True)
