"""The roles as plain processes without a supervisor: a collector's intake and workers, an API anywhere."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import httpx

from tests.support.rhapsode import ADMIN_PASSWORD, STOP_S, Rhapsode, run

RECEIVED = "rhapsode_packets_received_total"
PATIENCE_S = 60.0
_POLL_S = 0.05
"""Figures are looked at: nothing tells of them."""


def migrate(database_url: str, extra: Mapping[str, str] | None = None) -> None:
    """`rhapsode migrate`; the admin's password is ADMIN_PASSWORD."""
    given = {"RHAPSODE_DATABASE_URL": database_url, "RHAPSODE_ADMIN_PASSWORD": ADMIN_PASSWORD}
    done = run("migrate", extra={**given, **(extra or {})})
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def api_elsewhere(directory: Path, database_url: str) -> Iterator[Rhapsode]:
    """`rhapsode api` as on another machine: with an empty data directory, whose journals are not there."""
    given = ["api", "--data-dir", str(directory), "--http", "127.0.0.1:0"]
    with Rhapsode(*given, extra={"RHAPSODE_DATABASE_URL": database_url}) as running:
        httpx.get(f"{running.web}/health", timeout=10)
        yield running


class Collector:
    """One data directory with an intake and its workers, each of which can be ended and started again."""

    def __init__(self, directory: Path, database_url: str, workers: int = 1) -> None:
        self.directory = directory
        self.hep = ("", 0)
        self._extra = {"RHAPSODE_DATABASE_URL": database_url, "RHAPSODE_DATA_DIR": str(directory)}
        self._workers = workers
        self._stack = ExitStack()
        self.roles: dict[str, Rhapsode] = {}
        """By name: `intake`, and each worker's journal."""

    def __enter__(self) -> Self:
        self.start_intake("127.0.0.1:0")
        self.hep = self.roles["intake"].hep
        for number in range(self._workers):
            self.start_worker(f"{number:04}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_intake(self, hep: str = "") -> None:
        address = hep or f"{self.hep[0]}:{self.hep[1]}"
        self._start("intake", "intake", "--hep", address, "--workers", str(self._workers))
        self.roles["intake"].wait_for("^receive buffer ")

    def start_worker(self, journal: str) -> None:
        self._start(journal, "worker", "--journal", journal)

    def _start(self, name: str, *arguments: str) -> None:
        given = [*arguments, "--metrics", "127.0.0.1:0"]
        self.roles[name] = self._stack.enter_context(Rhapsode(*given, extra=self._extra))

    def stop(self, name: str) -> None:
        """As systemd does: SIGTERM, and it must end well."""
        assert self.roles[name].stop() == 0, self.roles[name].output

    def kill(self, name: str) -> None:
        """Kill -9."""
        self.roles[name].process.kill()
        self.roles[name].process.wait(STOP_S)

    def figures(self, name: str = "intake") -> dict[str, float]:
        """Series with labels → value, by the `--metrics` of one of the roles."""
        address = self.roles[name].wait_for(r"^metrics (\S+)$")[1]
        answer = httpx.get(f"http://{address}/metrics", timeout=10)
        answer.raise_for_status()
        lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
        return {series: float(value) for series, _, value in lines}

    def drained(self, sent: int) -> dict[str, float]:
        """The figures once `sent` packets have come in and each has ended in an outcome."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            figures = self.figures()
            if figures[RECEIVED] >= sent and sum(outcomes(figures).values()) == figures[RECEIVED]:
                return figures
            said = "\n".join(role.output for role in self.roles.values())
            assert time.monotonic() < deadline, f"{sent} were sent: {figures}\n{said}"
            time.sleep(_POLL_S)


def outcomes(figures: Mapping[str, float]) -> dict[str, int]:
    """How many packets ended in which outcome, those that none had left out."""
    return {
        series.split('"')[1]: int(value)
        for series, value in figures.items()
        if series.startswith("rhapsode_packets_total{") and value
    }
