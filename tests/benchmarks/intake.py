"""What intake costs a packet, and how many a second it takes without kernel drops.

    python -m tests.benchmarks.intake [--rates 2000,20000,50000,100000,0] [--seconds 5] [--journals 1]

Starts the intake process on a socket and a journal in a temporary directory, floods it from a C program
(compiled here, so `cc` is needed) with packets of about 700 bytes over the loopback, and reads the processor
time that the kernel charged to intake. Nobody reads the journal; a journal's limits are out of the way.
"""

import argparse
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from capture.intake.sockets import open_sockets
from capture.journal.figures import INTAKE_FIGURES
from capture.settings import IntakeSettings, JournalSettings
from tests.support.intake import IntakeProcess, figures_of
from tests.support.sender import packet

PACKETS = 3000
SO_MEMINFO = 55
UNPACED = 100_000
"""Packets a second that a sender without a rate is taken to send, to find how many make up the time."""


class Result(NamedTuple):
    sent: int
    seconds: float
    received: int
    kernel_drops: int
    cpu_s: float

    def __str__(self) -> str:
        return (
            f"{self.sent / self.seconds:10,.0f} packets/s sent, {self.received:9,} received, "
            f"{self.kernel_drops:8,} kernel drops, {self.cpu_s / max(1, self.received) * 1e6:6.2f} µs each, "
            f"{self.cpu_s / self.seconds:4.0%} of a processor"
        )


def compile_flood(directory: Path) -> Path:
    program = directory / "flood"
    source = Path(__file__).with_name("flood.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", program, source], check=True)
    return program


def write_packets(path: Path) -> None:
    with path.open("wb") as file:
        for number in range(PACKETS):
            data = packet(number)
            file.write(struct.pack("=I", len(data)) + data)


def measure(
    directory: Path, flood: Path, packets: Path, rate: float, seconds: float, journals: int
) -> Result:
    """One flood against a new intake process; it is stopped before its figures are read."""
    intake = IntakeSettings()
    limits = JournalSettings(max_bytes=1 << 40, min_free_bytes=1)
    sockets = open_sockets("127.0.0.1:0", intake)
    folders = [directory / f"{number:04}" for number in range(journals)]
    count = int((rate or UNPACED) * seconds)
    with IntakeProcess(sockets, folders, intake, limits) as process:
        wait_for_start(sockets.port, folders)
        before = process.cpu_s()
        with packets.open("rb") as file:
            arguments = [str(flood), str(sockets.port), str(count), str(rate)]
            answer = subprocess.run(arguments, stdin=file, capture_output=True, text=True, check=True)
        wait_until_read(sockets.udp[0])
        cpu_s = process.cpu_s() - before
        status = process.stop()
        assert status == 0, process.errors
    sockets.close()
    sent, took = answer.stdout.split()
    figures = [figures_of(folder) for folder in folders]
    shutil.rmtree(directory)
    received = sum(words["last_number"] for words in figures) - 1
    return Result(int(sent), float(took), received, figures[0]["kernel_drops"], cpu_s)


def wait_for_start(port: int, folders: list[Path]) -> None:
    """Until one packet is in a journal: starting is not what is measured."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet(0), ("127.0.0.1", port))
    while not any(
        figures_of(folder)["last_number"] for folder in folders if (folder / INTAKE_FIGURES).exists()
    ):
        time.sleep(0.01)


def wait_until_read(sock: socket.socket) -> None:
    """Until the kernel holds nothing for the socket: the first word of SO_MEMINFO."""
    while struct.unpack("=9I", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[0]:
        time.sleep(0.001)


def main() -> None:
    parser = argparse.ArgumentParser(description="measure intake alone")
    parser.add_argument(
        "--rates", default="2000,20000,50000,100000,0", help="packets per second, 0: no limit"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each flood")
    parser.add_argument("--journals", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="where the journals are to be: a disk, not a RAM disk")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as name:
        directory = Path(name)
        flood = compile_flood(directory)
        write_packets(directory / "packets")
        for rate in map(float, given.rates.split(",")):
            result = measure(
                directory / "journal", flood, directory / "packets", rate, given.seconds, given.journals
            )
            print(f"{rate:10,.0f} wanted: {result}", flush=True)  # noqa: T201 - its whole output


if __name__ == "__main__":
    main()
