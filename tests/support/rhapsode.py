"""The real command, started on free ports in a directory of its own, for the end-to-end tests.

What it says is kept; its ready lines are waited for. Variables named RHAPSODE_… of the tests' own environment
are not handed on.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx
import psutil

from capture.settings import RetentionSettings

ROOT = Path(__file__).parents[2]
ADMIN_PASSWORD = "correct horse battery"  # noqa: S105 - of a server that lives for one test
KEEP_ALL = {f"RHAPSODE_RETENTION__{key.upper()}": "0" for key in RetentionSettings.model_fields}
"""For captures with times of their own, which grow old."""
READY_S = 60.0
STOP_S = 15.0
_LAST_READY_LINE = "receive buffer "


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tests' environment without its settings, able to find the packages from any directory.

    Compiled modules are kept as they are for a user: without them each start costs four more seconds of CPU.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("RHAPSODE_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **(extra or {})}


def command(*arguments: str | Path) -> list[str]:
    """The command line of `rhapsode` with these arguments, whether or not it is installed."""
    return [sys.executable, "-P", "-m", "rhapsode", *map(str, arguments)]


def run(
    *arguments: str | Path, text: str = "", extra: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself; standard input is `text`."""
    return subprocess.run(
        command(*arguments),
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(extra),
        cwd=cwd,
        timeout=60,
        check=False,
    )


class Rhapsode:
    """A running `rhapsode` of any subcommand. Use it in `with`: whatever happens, no process is left."""

    def __init__(
        self, *arguments: str | Path, extra: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.lines: list[str] = []
        """Everything it said, standard output and error together."""
        given = list(map(str, arguments))
        self.data_dir = Path(given[given.index("--data-dir") + 1]) if "--data-dir" in given else None
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(extra),
            cwd=cwd,
            start_new_session=True,
        )
        self._known: dict[int, psutil.Process] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        left = self.descendants()
        if self.process.poll() is None:
            left.append(psutil.Process(self.process.pid))
        for process in left:
            _kill(process)
        self.process.wait(STOP_S)
        psutil.wait_procs(left, STOP_S)
        self._reader.join(STOP_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            with self._news:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def output(self) -> str:
        """All it said so far."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout_s: float = READY_S, after: int = 0) -> re.Match[str]:
        """The first line from number `after` on that matches; fails with all output when none comes."""
        with self._news:
            seen = after
            deadline = time.monotonic() + timeout_s
            while True:
                for line in self.lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no line matches {pattern!r} in:\n{self.output}")
                self._news.wait(left)

    def wait_until_ready(self, timeout_s: float = READY_S) -> Self:
        """Until `/health` is good and the ready lines are out (the password may follow)."""
        self.wait_for(r"^web ", timeout_s)
        self.wait_for(f"^{_LAST_READY_LINE}", timeout_s)
        return self

    @property
    def web(self) -> str:
        """`http://HOST:PORT`."""
        return self.wait_for(r"^web (\S+)$")[1]

    @property
    def hep(self) -> tuple[str, int]:
        """Host and port for HEP."""
        host, _, port = self.wait_for(r"^hep (\S+)$")[1].rpartition(":")
        return host, int(port)

    @contextmanager
    def login(self, password: str = ADMIN_PASSWORD, user: str = "admin") -> Iterator[httpx.Client]:
        """A client of the API with a token."""
        with httpx.Client(base_url=self.web, timeout=30) as client:
            answer = client.post("/api/v3/auth", json={"username": user, "password": password})
            assert answer.status_code == httpx.codes.CREATED, answer.text
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            yield client

    def descendants(self) -> list[psutil.Process]:
        """All its processes that live: children, PostgreSQL's own, and orphans of a killed one known."""
        try:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                self._known[process.pid] = process
        except psutil.NoSuchProcess:
            pass
        return [process for process in self._known.values() if _lives(process)]

    def child(self, role: str) -> psutil.Process:
        """The child whose command line names the role: `intake`, `worker`, `api`, or `postgres`."""
        for process in self.descendants():
            if _role(process) == role:
                return process
        raise AssertionError(f"no {role} among {[_role(process) for process in self.descendants()]}")

    def wait_for_child(self, role: str, other_than: int, timeout_s: float = 10.0) -> psutil.Process:
        """The successor of a child that was killed: nothing tells of it, so it is looked for."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for process in self.descendants():
                if _role(process) == role and process.pid != other_than:
                    return process
            time.sleep(0.02)
        raise AssertionError(f"no new {role} within {timeout_s} s:\n{self.output}")

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the command itself."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = STOP_S) -> int:
        """Stop it as an operator does; the exit status."""
        self.descendants()
        self.send_signal(number)
        return self.process.wait(timeout_s)

    def kill(self, timeout_s: float = STOP_S) -> None:
        """Kill -9 the command itself and wait until its children have ended by themselves."""
        left = self.descendants()
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(left, timeout_s)
        assert not alive, f"still there: {[' '.join(process.cmdline()) for process in alive]}"

    def kill_all(self, timeout_s: float = STOP_S) -> None:
        """Kill -9 the command and all its processes as if at once, as a machine's end would have it.

        The command is held still first, so that it does not answer to the death of its children.
        """
        supervisor = psutil.Process(self.process.pid)
        supervisor.suspend()
        processes = [*self.descendants(), supervisor]
        for process in processes:
            _kill(process)
        self.process.wait()
        _, alive = psutil.wait_procs(processes, timeout_s)
        assert not alive, f"still there: {alive}"


@contextmanager
def rhapsode_up(
    directory: Path, *arguments: str | Path, extra: Mapping[str, str] | None = None
) -> Iterator[Rhapsode]:
    """`rhapsode up` with its data under `directory`, ready; the admin's password is `ADMIN_PASSWORD`."""
    with Rhapsode(*up_arguments(directory), *arguments, extra=extra) as running:
        yield running.wait_until_ready()


def up_arguments(directory: Path, hep: str = "127.0.0.1:0", http: str = "127.0.0.1:0") -> Sequence[str]:
    """Arguments of `up` on free ports; PostgreSQL's account may enter none of pytest's own directories."""
    fixed = ["up", "--data-dir", str(directory), "--hep", hep, "--http", http]
    return [*fixed, "--admin-password", ADMIN_PASSWORD]


def _role(process: psutil.Process) -> str:
    """`python -m rhapsode ROLE …` or PostgreSQL's postmaster."""
    try:
        line = process.cmdline()
        if "rhapsode" in line and "-m" in line:
            return line[line.index("rhapsode") + 1]
        if line and line[0].endswith("/bin/postgres"):
            return "postgres"
    except psutil.Error:
        return ""
    return ""


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def metrics(running: Rhapsode) -> dict[str, float]:
    """`/metrics` as series with labels → value."""
    answer = httpx.get(f"{running.web}/metrics", timeout=10)
    answer.raise_for_status()
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in lines}


def wait_for_outcomes(running: Rhapsode, packets: int, timeout_s: float = 60.0) -> dict[str, float]:
    """Until so many packets have ended in an outcome; the figures then."""
    deadline = time.monotonic() + timeout_s
    while True:
        figures = metrics(running)
        ended = sum(
            value for series, value in figures.items() if series.startswith("rhapsode_packets_total{")
        )
        if ended >= packets:
            return figures
        assert time.monotonic() < deadline, f"{ended} of {packets}: {figures}\n{running.output}"
        time.sleep(0.05)
