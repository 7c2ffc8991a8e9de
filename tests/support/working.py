"""The worker's own code in a thread of the test, so that a mutant can be switched on around it."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.journal.record import Carrier
from capture.settings import SipSettings, StorageSettings
from capture.worker import Worker, WorkerOptions

PEER = bytes(10) + b"\xff\xff\xc0\x00\x02\x01"


@contextmanager
def working(
    journal: Path, database_url: str, *, custom_headers: Sequence[str] = (), **storage: Any
) -> Iterator[None]:
    """A worker that goes on until the block is left; what ends it before is raised there."""
    options = WorkerOptions(
        journal,
        database_url,
        storage=StorageSettings(**storage),
        sip=SipSettings(custom_headers=tuple(custom_headers)),
        drain_s=0.1,
    )
    stop = threading.Event()
    with closing(JournalReader.open(journal)) as reader, ThreadPoolExecutor(1) as pool:
        running = pool.submit(Worker(options, reader, stop).run)
        try:
            yield
        finally:
            stop.set()
        running.result()


def append(writer: JournalWriter, packets: Sequence[bytes]) -> None:
    """As intake does, arrived now."""
    now_us = time.time_ns() // 1000
    assert writer.append([(now_us, Carrier.UDP, PEER, 5060, packet) for packet in packets]) == len(packets)
