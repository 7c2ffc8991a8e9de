"""A worker in a thread of the test, so that a mutant can be switched on around it, or in a process.

`python -m tests.support.working JOURNAL DATABASE_URL` is that process.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from capture.draft import Draft
from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.journal.record import Carrier
from capture.settings import FilterSettings, SipSettings, StorageSettings
from capture.worker import Worker, WorkerOptions, run
from tests.support.stored import Scripts

ROOT = Path(__file__).parents[2]
PEER = bytes(10) + b"\xff\xff\xc0\x00\x02\x01"


class _Filters:
    """What stands in a worker for the operator's scripts."""

    def __init__(self, script: Callable[[Draft], None]) -> None:
        self.engine = Scripts(script)

    def turn(self) -> None:
        """There is nothing to load again."""

    def stop(self) -> None:
        """There is nothing to end."""


@contextmanager
def working(
    journal: Path,
    database_url: str,
    *,
    custom_headers: Sequence[str] = (),
    script: Callable[[Draft], None] | None = None,
    lua_dir: Path | None = None,
    **storage: Any,
) -> Iterator[None]:
    """A worker that goes on until the block is left; what ends it before is raised there.

    `script` is let at each message, or those of `lua_dir` are.
    """
    options = WorkerOptions(
        journal,
        database_url,
        storage=StorageSettings(**storage),
        sip=SipSettings(custom_headers=tuple(custom_headers)),
        lua_dir=lua_dir,
        # Whoever watches would end the tests.
        filters=FilterSettings(watchdog_s=60),
        drain_s=0.1,
    )
    stop = threading.Event()
    with closing(JournalReader.open(journal)) as reader, ThreadPoolExecutor(1) as pool:
        worker = Worker(options, reader, stop)
        if script is not None:
            worker.filters = _Filters(script)  # type: ignore[assignment] # what a worker asks of its own
        running = pool.submit(worker.run)
        try:
            yield
        finally:
            stop.set()
        running.result()


@contextmanager
def worker_process(journal: Path, database_url: str) -> Iterator[None]:
    """A worker with a processor of its own, until the block is left."""
    command = [sys.executable, "-m", "tests.support.working", str(journal), database_url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def append(writer: JournalWriter, packets: Sequence[bytes]) -> None:
    """As intake does, arrived now."""
    now_us = time.time_ns() // 1000
    assert writer.append([(now_us, Carrier.UDP, PEER, 5060, packet) for packet in packets]) == len(packets)


if __name__ == "__main__":
    run(WorkerOptions(Path(sys.argv[1]), sys.argv[2], storage=StorageSettings(train_dictionary=False)))
