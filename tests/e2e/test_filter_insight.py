"""What an operator sees and switches of filter scripts while packets flow, and after a restart."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from capture.pcap.packets import read_hep
from tests.support.rhapsode import Rhapsode, metrics, rhapsode_up, run, wait_for_outcomes
from tests.support.sender import Sender, number_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

COUNTS = """
function on_sip(message)
  if message.method == "OPTIONS" then drop("keep-alive") end
  count("seen", { method = message.method })
end
"""
LOOPS = """
function on_sip(message)
  while message.method == "REGISTER" do end
end
"""
CALLS = 'rhapsode_filter_calls_total{script="counts.lua"}'
SEEN = 'rhapsode_script_seen_total{method="INVITE",script="counts.lua"}'
DROPS = 'rhapsode_filter_drops_total{reason="keep-alive",script="counts.lua"}'


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rhapsode-insight-") as made:
        Path(made).chmod(0o711)  # where PostgreSQL's account may enter
        (Path(made) / "scripts").mkdir()
        yield Path(made)


class Operator:
    """Somebody at the command line of a running system, and logged in to its API."""

    def __init__(self, running: Rhapsode, directory: Path, client: httpx.Client) -> None:
        self.running = running
        self.client = client
        self._directory = directory
        self._sent = 0

    def send(self, count: int) -> dict[str, float]:
        """More packets; the figures once all have their outcome."""
        first = self._sent
        self._sent += count
        before = sum(
            value
            for series, value in metrics(self.running).items()
            if series.startswith("rhapsode_packets_total{")
        )
        with Sender(self.running.hep, 2000, first=first, count=count) as sender:
            sender.join()
        return wait_for_outcomes(self.running, int(before) + count)

    def scripts(self) -> dict[str, dict[str, Any]]:
        """Each script's row of `rhapsode filter list`, by name."""
        done = run("filter", "list", "--json", "--data-dir", self._directory / "data")
        assert done.returncode == 0, done.stderr
        return {row["name"]: row for row in json.loads(done.stdout)["data"]}

    def switch(self, what: str, name: str) -> str:
        done = run("filter", what, name, "--data-dir", self._directory / "data")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait(self, until: Callable[[], object], what: str) -> None:
        """For what no process tells of: the next report of a worker."""
        deadline = time.monotonic() + 10
        while not until():
            assert time.monotonic() < deadline, f"{what}\n{self.running.output}"
            time.sleep(0.1)

    def wait_for_state(self, name: str, state: str) -> None:
        def is_so() -> bool:
            rows = self.client.get("/api/v3/rhapsode/filters").json()["data"]
            both = {"0000": state, "0001": state}
            return any(row["name"] == name and row["workers"] == both for row in rows)

        self.wait(is_so, f"{name} is not {state}")


@contextmanager
def operating(directory: Path) -> Iterator[Operator]:
    given = ("--lua-dir", directory / "scripts", "--workers", "2")
    with rhapsode_up(directory / "data", *given) as running, running.login() as client:
        yield Operator(running, directory, client)


def health(running: Rhapsode) -> tuple[int, list[str]]:
    """The status, and the warnings but for a backlog, which a busy machine may have."""
    answer = httpx.get(f"{running.web}/health", timeout=10)
    warnings = answer.json()["warnings"]
    return answer.status_code, [words for words in warnings if not words.startswith("journal ")]


def test_scripts_are_watched_switched_by_hand_and_by_themselves_and_remembered(directory: Path) -> None:
    scripts = directory / "scripts"
    (scripts / "counts.lua").write_text(COUNTS)
    with operating(directory) as operator:
        running = operator.running
        operator.send(300)
        operator.wait(lambda: metrics(running)[CALLS] == 300, "not every packet was counted")

        figures = metrics(running)
        row = operator.scripts()["counts.lua"]
        operator.switch("disable", "counts")
        operator.wait_for_state("counts.lua", "disabled")
        while_disabled = operator.send(60)
        health_while_disabled = health(running)
        enabled = operator.client.post("/api/v3/rhapsode/filters/counts.lua/enable")
        operator.wait_for_state("counts.lua", "running")

        assert (row["state"], row["kind"], row["calls"], row["drops"]) == (
            "running",
            "new",
            300,
            {"keep-alive": 10},
        )
        assert 0 < row["p50_seconds"] <= row["p99_seconds"] < 0.1
        assert (figures[DROPS], figures['rhapsode_packets_total{outcome="filtered"}']) == (10, 10)
        assert figures[SEEN] == 40
        assert while_disabled['rhapsode_packets_total{outcome="filtered"}'] == 10
        assert health_while_disabled == (200, [])
        assert enabled.json()["data"]["state"] == "running"
        running.wait_for(r"filter script counts\.lua is enabled by admin")

        (scripts / "loops.lua").write_text(LOOPS)
        operator.wait_for_state("loops.lua", "running")
        operator.send(60)
        operator.wait(lambda: health(running)[1], "nobody was warned")
        status, (warning,) = health(running)
        off = operator.scripts()["loops.lua"]
        stored = operator.send(60)

        assert status == 200
        assert warning.startswith("switched off: loops.lua: ")
        assert "twice within ten minutes" in warning
        assert off["packet"] in warning
        (kept,) = read_hep(
            directory / "data" / "journal" / "filters" / "packets" / off["packet"], pytest.fail
        )
        assert 300 <= number_of(kept) < 420
        assert stored['rhapsode_packets_total{outcome="written"}'] == 480 - 10 - 4
        assert "switched off: loops.lua" in run("status", "--data-dir", directory / "data").stdout
        assert running.stop() == 0

    with operating(directory) as operator:
        running = operator.running
        operator.wait_for_state("loops.lua", "switched off")
        before = metrics(running)
        operator.switch("enable", "loops")
        operator.wait_for_state("loops.lua", "running")

        assert before[CALLS] == 420
        assert before[SEEN] == 40 + 16
        assert before['rhapsode_filter_switched_off{script="loops.lua"}'] == 1
        # It has not failed since the workers were started.
        assert health(running) == (200, [])
