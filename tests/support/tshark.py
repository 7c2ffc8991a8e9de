"""A capture file as tshark reads it, checksums and all."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.programs import find_program

_CHECKS = (
    "ip.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    "tcp.check_checksum:TRUE",
    "sctp.checksum:crc32c",
)
_ROOT = "Running as user "
"""What tshark says to whoever runs it as root."""


def read_fields(capture: Path, names: Sequence[str], wanted: str = "") -> list[list[str]]:
    """A row for each frame that the filter `wanted` shows; fails when tshark says anything about the file."""
    arguments = ["-T", "fields", "-E", "occurrence=f", *(part for name in names for part in ("-e", name))]
    return [line.split("\t") for line in _run(capture, "-Y", wanted or "frame", *arguments)]


def complaints(capture: Path) -> list[str]:
    """What tshark finds odd: its expert information from notes on."""
    lines = _run(capture, "-q", "-z", "expert,note")
    return [line.strip() for line in lines if line[:1] == " " and not line.strip().startswith("Frequency")]


def _run(capture: Path, *arguments: str) -> list[str]:
    command = [find_program("tshark"), "-r", str(capture), "-n"]
    command += [part for check in _CHECKS for part in ("-o", check)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if line and not line.startswith(_ROOT)]
    assert (done.returncode, said) == (0, []), done.stderr
    return done.stdout.splitlines()
