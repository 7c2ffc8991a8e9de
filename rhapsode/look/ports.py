"""Who listens where on this machine, as the kernel tells it.

Source: proc(5), `/proc/net/udp` and its sisters. Only processes that we may look into have names.
"""

import socket
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

PROC = Path("/proc")

Protocol = Literal["udp", "tcp"]
_FILES: tuple[tuple[Protocol, str], ...] = (("udp", "udp"), ("udp", "udp6"), ("tcp", "tcp"), ("tcp", "tcp6"))
_STATES = {"udp": "07", "tcp": "0A"}
"""Bound, and LISTEN."""


class Listener(NamedTuple):
    """A socket that takes what comes to an address."""

    protocol: Protocol
    host: str
    port: int
    inode: int

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listeners(proc: Path = PROC) -> list[Listener]:
    """Every bound UDP and listening TCP socket of this network namespace."""
    found = []
    for protocol, name in _FILES:
        try:
            lines = (proc / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        found += [listener for line in lines if (listener := _parse(protocol, line)) is not None]
    return found


def listeners_of(pids: Collection[int], proc: Path = PROC) -> list[Listener]:
    """Those of these processes."""
    inodes = {inode for pid in pids for inode in _inodes(proc / str(pid))}
    return [listener for listener in listeners(proc) if listener.inode in inodes]


def owner_of(protocol: Protocol, port: int, proc: Path = PROC) -> str:
    """Which process has that port, in words; "" when that cannot be told."""
    inodes = {each.inode for each in listeners(proc) if (each.protocol, each.port) == (protocol, port)}
    for process in sorted(proc.glob("[0-9]*")):
        if inodes & set(_inodes(process)):
            return f"process {process.name} ({_command(process)})"
    return ""


def _parse(protocol: Protocol, line: str) -> Listener | None:
    fields = line.split()
    if len(fields) < 10 or fields[3] != _STATES[protocol]:
        return None
    host, _, port = fields[1].partition(":")
    return Listener(protocol, _host(host), int(port, 16), int(fields[9]))


def _host(text: str) -> str:
    """Words of 32 bits, each in the machine's order: little-endian wherever we run."""
    packed = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _inodes(process: Path) -> Iterator[int]:
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                yield int(target[8:-1])
    except OSError:  # it ended meanwhile, or belongs to another account
        return


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"
    return words[:80] or "?"
