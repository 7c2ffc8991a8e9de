"""The C sender: compiled when first needed, fed with packets in which it renews the ids and the times."""

import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.mix import LOOP


class NoCompiler(Exception):
    """There is no C compiler, so there is no fast sender."""


class Sent(NamedTuple):
    """What a flood was."""

    packets: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.packets / self.seconds


class Flood:
    """The compiled program; each flood brings ids that none before it had."""

    def __init__(self, directory: Path) -> None:
        """NoCompiler when there is no `cc`."""
        compiler = shutil.which("cc")
        if compiler is None:
            raise NoCompiler(
                "the benchmark's sender is written in C, and there is no cc: apt-get install gcc libc6-dev"
            )
        self._program = directory / "flood"
        source = Path(__file__).with_name("flood.c")
        subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", self._program, source], check=True)
        self._passes = 1

    def start(self, port: int, packets: Path, rate: float, count: int) -> "Flow":
        """Send `count` packets of the file at `rate` a second (0: as fast as it can), in the background."""
        first, self._passes = self._passes, self._passes + count // 1000 + 1
        with packets.open("rb") as file:
            return Flow(
                subprocess.Popen(
                    [self._program, str(port), str(count), str(rate), str(first)],
                    stdin=file,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )

    def send(self, port: int, packets: Path, rate: float, count: int) -> Sent:
        """The same, waiting until all are sent."""
        with self.start(port, packets, rate, count) as flow:
            return flow.wait()


class Flow:
    """A sender at work. Use it in `with`: it does not outlive the block."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> "Flow":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> Sent:
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        self._process.wait()
        if self._process.returncode != 0:
            raise RuntimeError(f"the sender ended with status {self._process.returncode}")
        sent, seconds = output.split()
        return Sent(int(sent), float(seconds))


def write_packets(path: Path, packets: Iterable[bytes]) -> int:
    """The file that the program reads; how many packets it holds."""
    held = 0
    with path.open("wb") as file:
        for packet in packets:
            time_at, places = places_to_renew(packet)
            head = struct.pack(f"=IHH{len(places)}H", len(packet), time_at, len(places), *places)
            file.write(head + packet)
            held += 1
    return held


def places_to_renew(packet: bytes) -> tuple[int, list[int]]:
    """Where the seconds stand (0: nowhere that the sender can renew), and where each LOOP begins."""
    places, at = [], packet.find(LOOP)
    while at >= 0:
        places.append(at)
        at = packet.find(LOOP, at + len(LOOP))
    return _time_at(packet), places


def _time_at(packet: bytes) -> int:
    """Where the seconds of a HEP3 packet stand if its microseconds come in the next chunk, else 0."""
    at = 6
    while packet[:4] == b"HEP3" and at + 16 <= len(packet):
        if packet[at : at + 6] == b"\0\0\0\x09\0\x0a" and packet[at + 10 : at + 16] == b"\0\0\0\x0a\0\x0a":
            return at + 6
        at += max(6, int.from_bytes(packet[at + 4 : at + 6], "big"))
    return 0
