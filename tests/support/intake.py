"""Intake as a process of its own on sockets that the test keeps, as the supervisor does; and what it has
appended.

`python -m tests.support.intake PLAN` is that process; PLAN is JSON, see `IntakeProcess`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from capture.intake.run import run
from capture.intake.sockets import Sockets
from capture.journal.figures import INTAKE_FIGURES, read_figures
from capture.journal.reader import JournalReader
from capture.journal.record import Record
from capture.settings import IntakeSettings, JournalSettings

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0


class IntakeProcess:
    """Use it in `with`: whatever happens, no process is left. The sockets stay open in the test."""

    def __init__(
        self,
        sockets: Sockets,
        directories: Sequence[Path],
        intake: IntakeSettings,
        journal: JournalSettings,
        *,
        interpreter: Sequence[str] = (sys.executable,),
    ) -> None:
        filenos = sockets.filenos()
        plan = {
            "filenos": filenos,
            "directories": list(map(str, directories)),
            "intake": intake.model_dump(),
            "journal": journal.model_dump(),
        }
        self.process = subprocess.Popen(
            [*interpreter, "-m", "tests.support.intake", json.dumps(plan)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=filenos,
            cwd=ROOT,
        )
        self.errors = ""
        """What it said, once it has ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit status once it has ended."""
        self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.errors += self.process.communicate(timeout=PATIENCE_S)[1].decode(errors="replace")
        return self.process.wait(PATIENCE_S)

    def cpu_s(self) -> float:
        """Time of a processor that it has used so far, in user and kernel mode."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Follower:
    """Reads a journal as a worker does, waiting for what is not there yet."""

    def __init__(self, directory: Path) -> None:
        self._reader = JournalReader.open(directory)
        self._reader.seek(None)
        self.records: list[Record] = []
        """All that was read so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def packets(self) -> list[bytes]:
        return [record.packet for record in self.records]

    def read_until(self, count: int) -> list[Record]:
        """All records once there are `count` of them."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = self._reader.read()
            assert not found.lost, f"{found.lost} records lost: {found.notes}"
            self.records += found.records
            if len(self.records) >= count:
                return self.records
            if not found.records and not self._reader.wait(deadline - time.monotonic()):
                assert time.monotonic() < deadline, f"{len(self.records)} of {count} records"

    def read_rest(self) -> list[Record]:
        """All records of a journal that nobody writes any more."""
        while True:
            found = self._reader.read()
            assert not found.lost, f"{found.lost} records lost: {found.notes}"
            self.records += found.records
            if not found.records and self._reader.drained:
                return self.records

    def make_room(self) -> None:
        """Delete what was read, as a worker does once it is stored."""
        self._reader.delete_before(self._reader.position)


def figures_of(directory: Path) -> dict[str, int]:
    """Intake's figures of a journal by their names in lower case."""
    return read_figures(directory / INTAKE_FIGURES)


def main() -> None:
    plan = json.loads(sys.argv[1])
    run(
        Sockets.from_filenos(plan["filenos"]),
        list(map(Path, plan["directories"])),
        IntakeSettings.model_validate(plan["intake"]),
        JournalSettings.model_validate(plan["journal"]),
    )


if __name__ == "__main__":
    main()
