"""Other people's programs as children of a test: what they say in a file, ended by their pid."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import psutil
import pytest

PATIENCE_S = 30.0
_STOP_S = 5.0
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
_POLL_S = 0.02
"""A foreign program tells nobody when it listens: it is looked at."""


def find_program(name: str) -> str:
    """Its path. The test is skipped, the program named, where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


class Program:
    """One running program. Use it in `with`: whatever happens, it is ended; a failure shows what it said."""

    def __init__(self, name: str, arguments: Sequence[str | Path], directory: Path) -> None:
        self.name = name
        self._log = directory / f"{name}-{time.monotonic_ns()}.log"
        command = [find_program(name), *map(str, arguments)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if kind is not None:
            print(f"--- {self.name}, exit status {self.process.returncode}\n{self.output[-8000:]}")  # noqa: T201

    @property
    def output(self) -> str:
        """All it said so far."""
        return self._log.read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM, and SIGKILL where that does not help; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(_STOP_S)

    def wait_until(self, holds: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> Self:
        """Until it is so; fails when the program ends or the time does."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            alive = self.process.poll() is None
            assert alive, f"{self.name} ended before {what}:\n{self.output}"
            assert time.monotonic() < deadline, f"{self.name}: waited in vain until {what}:\n{self.output}"
            time.sleep(_POLL_S)
        return self

    def wait_until_bound(self, port: int) -> Self:
        """Until it has this UDP port: from then on the kernel keeps what is sent to it."""
        return self.wait_until(lambda: port in self._ports(), f"it has UDP port {port}")

    def _ports(self) -> set[int]:
        try:
            return {end.laddr.port for end in psutil.Process(self.process.pid).net_connections("udp")}
        except psutil.Error:
            return set()

    def wait_for(self, words: str, timeout_s: float = PATIENCE_S) -> Self:
        """Until it has said these words."""
        return self.wait_until(lambda: words in self.output, f"it says {words!r}", timeout_s)

    def finish(self, timeout_s: float = PATIENCE_S) -> None:
        """Until it ends by itself; fails, with what it said, when its exit status is not 0."""
        status = self.process.wait(timeout_s)
        assert status == 0, f"{self.name}: exit status {status}\n{self.output}"


def version(name: str, *arguments: str) -> str:
    """The first line that the program says about itself."""
    done = subprocess.run(
        [find_program(name), *arguments], capture_output=True, text=True, errors="replace", check=False
    )
    return (done.stdout + done.stderr).strip().splitlines()[0].strip()
