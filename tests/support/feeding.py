"""Numbered packets appended to a journal at a rate, as intake would, in a process of its own.

`python -m tests.support.feeding JOURNAL BASE_US RATE` is that process; it ends with its standard input. Each
number has a capture time of its own: 100 µs from one to the next, but every third comes 20 minutes late.
"""

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capture.journal.log import JournalWriter
from capture.settings import JournalSettings
from tests.support.sender import hep3, payload
from tests.support.working import append

ROOT = Path(__file__).parents[2]
STEP_US = 100
LATE_US = 20 * 60_000_000


def time_of(number: int, base_us: int) -> int:
    """The capture time of a number."""
    return base_us + STEP_US * number - LATE_US * (number % 3 == 0)


def number_of(time_us: int, base_us: int) -> int:
    """The number that has this time: the late ones, if they are less than 12 million, lie before the base."""
    since_us = time_us - base_us
    return (since_us + LATE_US if since_us < 0 else since_us) // STEP_US


@contextmanager
def feeding(journal: Path, base_us: int, rate: int) -> Iterator[None]:
    """Packets come in until the block is left."""
    command = [sys.executable, "-m", "tests.support.feeding", str(journal), str(base_us), str(rate)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.communicate(timeout=20)
    assert process.returncode == 0


def main() -> None:
    directory, base_us, rate = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    journal = JournalWriter.open(directory, JournalSettings())
    began, done = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        due = int((time.monotonic() - began) * rate)
        append(journal, [hep3(payload(n), time_of(n, base_us)) for n in range(done, due)])
        done = due
    journal.close()


if __name__ == "__main__":
    main()
