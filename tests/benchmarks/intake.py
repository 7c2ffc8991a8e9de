"""What intake costs a packet, and how many a second it takes without kernel drops.

The intake process alone, on a socket and a journal in a temporary directory; nobody reads the journal, and a
journal's limits are out of the way.
"""

import shutil
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from capture.intake.sockets import open_sockets
from capture.journal.figures import INTAKE_FIGURES
from capture.settings import IntakeSettings, JournalSettings
from tests.benchmarks.flood import Flood
from tests.support.intake import IntakeProcess, figures_of
from tests.support.sender import packet

RATES = (25_000, 50_000, 100_000, 150_000, 200_000, 250_000)
_SO_MEMINFO = 55


class Taken(NamedTuple):
    """One flood."""

    rate: float
    """Packets a second that were really sent."""
    kernel_drops: int
    cpu_us: float
    """Of intake, a packet."""


def measure(
    directory: Path, flood: Flood, packets: Path, seconds: float, rates: Sequence[int] = RATES
) -> Iterator[Taken]:
    """Rising rates, until the kernel drops or the sender cannot go faster."""
    for rate in rates:
        taken = _measure_one(directory / "intake", flood, packets, rate, int(rate * seconds))
        yield taken
        if taken.kernel_drops or taken.rate < 0.9 * rate:
            return


def _measure_one(directory: Path, flood: Flood, packets: Path, rate: int, count: int) -> Taken:
    """A flood against a new intake process, which is stopped before its figures are read."""
    settings = IntakeSettings()
    sockets = open_sockets("127.0.0.1:0", settings)
    limits = JournalSettings(max_bytes=1 << 40, min_free_bytes=1)
    with IntakeProcess(sockets, [directory], settings, limits) as process:
        _wait_for_start(sockets.port, directory)
        before = process.cpu_s()
        sent = flood.send(sockets.port, packets, rate, count)
        _wait_until_read(sockets.udp[0])
        cpu_s = process.cpu_s() - before
        status = process.stop()
        assert status == 0, process.errors
    sockets.close()
    figures = figures_of(directory)
    shutil.rmtree(directory)
    return Taken(sent.rate, figures["kernel_drops"], cpu_s / max(1, figures["last_number"] - 1) * 1e6)


def _wait_for_start(port: int, directory: Path) -> None:
    """Until one packet is in the journal: starting is not what is measured."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet(0), ("127.0.0.1", port))
    deadline = time.monotonic() + 30
    while not (directory / INTAKE_FIGURES).exists() or not figures_of(directory)["last_number"]:
        assert time.monotonic() < deadline, "intake does not start"
        time.sleep(0.01)


def _wait_until_read(sock: socket.socket) -> None:
    """Until the kernel holds nothing for the socket: the first word of SO_MEMINFO."""
    while struct.unpack("=9I", sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36))[0]:
        time.sleep(0.001)
