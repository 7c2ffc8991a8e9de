"""The second judge: what was on the loopback, captured and dissected by tshark, not by our code."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from tests.support.programs import Program, find_program
from tests.support.trial import free_address


class SipOnWire(NamedTuple):
    """A SIP message of a capture, as tshark reads it."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    method: str
    """Of a request; the status of a response."""
    call_id: str
    payload: bytes


class Wire:
    """Captures what passes the loopback while the block runs; afterwards it can be read."""

    def __init__(self, directory: Path, capture_filter: str) -> None:
        self.path = directory / f"wire-{time.monotonic_ns()}.pcapng"
        self._mark = free_address(socket.SOCK_DGRAM)
        wanted = f"({capture_filter}) or udp dst port {self._mark[1]}"
        arguments = ["-i", "lo", "-p", "-q", "-w", self.path, "-f", wanted]
        self._program = Program("tshark", arguments, directory)

    def __enter__(self) -> Self:
        try:
            self._wait_for_mark(b"the capture begins")
        except AssertionError:
            self._program.stop()
            if "permission" in self._program.output.lower():
                pytest.skip("tshark may not capture on the loopback here")
            raise
        return self

    def __exit__(self, *error: object) -> None:
        # What the program is told to stop with in its buffer would be missed.
        self._wait_for_mark(b"the capture ends")
        self._program.process.send_signal(signal.SIGINT)
        self._program.process.wait(10)

    def _wait_for_mark(self, words: bytes) -> None:
        """Until the file holds a datagram sent now, and so all that came before."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

            def is_in() -> bool:
                sender.sendto(words, self._mark)
                return self.path.exists() and words in self.path.read_bytes()

            self._program.wait_until(is_in, f"it has captured {words!r}")

    def sip(self, port: int) -> list[SipOnWire]:
        """Every SIP message over UDP that came to this port or went from it."""
        return list(sip_messages(self.path, [port]))

    def fields(self, names: Sequence[str], display_filter: str, decode_as: Sequence[str]) -> list[list[str]]:
        """What tshark reads, a row for each frame that the filter shows."""
        return _fields(self.path, names, display_filter, decode_as)


def sip_messages(capture: Path, ports: Sequence[int]) -> Iterator[SipOnWire]:
    """The SIP of a capture, `ports` read as SIP whatever they are."""
    names = [
        "ip.src",
        "udp.srcport",
        "ip.dst",
        "udp.dstport",
        "sip.Method",
        "sip.Status-Code",
        "sip.Call-ID",
        "udp.payload",
    ]
    for row in _fields(capture, names, "sip", [f"udp.port=={port},sip" for port in ports]):
        source, source_port, destination, destination_port, method, status, call_id, payload = row
        yield SipOnWire(
            source,
            int(source_port),
            destination,
            int(destination_port),
            status or method,
            call_id,
            bytes.fromhex(payload.replace(":", "")),
        )


def _fields(
    capture: Path, names: Sequence[str], display_filter: str, decode_as: Sequence[str]
) -> list[list[str]]:
    command = [find_program("tshark"), "-r", str(capture), "-n", "-Y", display_filter]
    command += ["-T", "fields", "-E", "occurrence=f", *(part for name in names for part in ("-e", name))]
    command += [part for rule in decode_as for part in ("-d", rule)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]
