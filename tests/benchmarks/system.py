"""The real command under measurement: its processes, their processor time and memory, how far it has come.

Progress is read from the figures that intake and workers keep in mmap files: asking over HTTP would cost the
system what it is measured by.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil

from capture.errors import JournalError
from capture.journal.figures import INTAKE_FIGURES, WORKER_FIGURES, read_figures
from capture.stats import WORKER_OUTCOMES
from rhapsode.postgres import EmbeddedPostgres
from tests.support.rhapsode import Rhapsode, rhapsode_up

ROLES = ("intake", "worker", "api", "postgres", "supervisor")
_OUTCOMES = [outcome.name.lower() for outcome in WORKER_OUTCOMES]
_MIB = 1024 * 1024


class Progress(NamedTuple):
    """Packets, over all journals."""

    appended: int
    dropped: int
    kernel_drops: int
    committed: int
    """Records that have ended in an outcome."""
    written: int


class System:
    """A running `rhapsode up`."""

    def __init__(self, running: Rhapsode, data_dir: Path) -> None:
        self.running = running
        self.data_dir = data_dir
        self.database_url = EmbeddedPostgres(data_dir / "postgres").url

    @property
    def hep_port(self) -> int:
        return self.running.hep[1]

    @property
    def web(self) -> str:
        return self.running.web

    def progress(self) -> Progress:
        """Now, from the figures' files."""
        intake, worker = self._figures(INTAKE_FIGURES), self._figures(WORKER_FIGURES)
        return Progress(
            appended=sum(words["last_number"] for words in intake),
            dropped=sum(words["dropped"] for words in intake),
            kernel_drops=sum(words["kernel_drops"] for words in intake),
            committed=sum(words[outcome] for words in worker for outcome in _OUTCOMES),
            written=sum(words["written"] for words in worker),
        )

    def _figures(self, name: str) -> list[dict[str, int]]:
        found = []
        for file in sorted((self.data_dir / "journal").glob(f"*/{name}")):
            with suppress(JournalError):
                found.append(read_figures(file))
        return found

    def wait_until_drained(self, timeout_s: float) -> float:
        """Until all that was appended has ended in an outcome; how long that took, in seconds.

        AssertionError with all that the command said when it takes longer.
        """
        started = time.monotonic()
        while True:
            progress = self.progress()
            waited_s = time.monotonic() - started
            if progress.committed >= progress.appended:
                return waited_s
            assert self.running.process.poll() is None, f"the system has ended:\n{self.running.output}"
            assert waited_s < timeout_s, f"not drained: {progress}\n{self.running.output}"
            time.sleep(0.02)

    def processes(self) -> dict[str, list[psutil.Process]]:
        """The living processes by role; PostgreSQL's are the postmaster and all its backends."""
        found: dict[str, list[psutil.Process]] = {role: [] for role in ROLES}
        found["supervisor"] = [psutil.Process(self.running.process.pid)]
        for process in self.running.descendants():
            with suppress(psutil.Error):
                found[_role(process)].append(process)
        return found

    def cpu_s(self) -> dict[str, float]:
        """Processor time that the kernel has charged to each role so far, ended backends among it."""
        return {
            role: sum(_cpu_s(process, with_ended=role == "postgres") for process in processes)
            for role, processes in self.processes().items()
        }

    def memory_mib(self) -> dict[str, float]:
        """The largest resident set of one process of each role now; PostgreSQL's without shared buffers."""
        return {
            role: max((_resident_mib(process) for process in processes), default=0.0)
            for role, processes in self.processes().items()
        }


@contextmanager
def system(
    *arguments: str, data_dir: Path | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[System]:
    """`rhapsode up` on free ports, ready; where no directory is given, in one that is removed at the end."""
    with TemporaryDirectory(prefix="rhapsode-bench-") as made:
        # PostgreSQL's account must be able to pass through.
        Path(made).chmod(0o711)
        directory = data_dir or Path(made) / "data"
        with rhapsode_up(directory, *arguments, extra=extra) as running:
            yield System(running, directory)
            running.stop()


def _role(process: psutil.Process) -> str:
    line = process.cmdline()
    if "rhapsode" in line and "-m" in line:
        role = line[line.index("rhapsode") + 1]
        return role if role in ROLES else "supervisor"
    if line and (line[0].startswith("postgres:") or line[0].endswith("/postgres")):
        return "postgres"
    # Scanner processes of the API, and whatever else it starts.
    return "api"


def _cpu_s(process: psutil.Process, *, with_ended: bool) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    ended = times.children_user + times.children_system if with_ended else 0.0
    return float(times.user + times.system + ended)


def _resident_mib(process: psutil.Process) -> float:
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0.0
    return float(memory.rss - memory.shared) / _MIB if "postgres" in process.name() else memory.rss / _MIB
