"""Kamailio between two sipp, with the lines of the documentation, and the SIP on the wire meanwhile."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import Program, find_program
from tests.support.recipes import recipe
from tests.support.rhapsode import ROOT
from tests.support.trial import free_address
from tests.support.wire import Wire

CONFIGURATION = ROOT / "tests" / "live" / "kamailio.cfg"
LOCALHOST = "127.0.0.1"


def documented_trace(hep: tuple[str, int], transport: str) -> str:
    """The README's lines for Kamailio, over `udp` or `tcp`."""
    trace = recipe("README.md", "Kamailio", hep)
    if transport == "tcp":
        # The line that stands there for it, later than the other one, wins.
        trace = re.sub(r"^#(?=modparam.*transport=tcp)", "", trace, flags=re.MULTILINE)
    return trace


class Proxy:
    """A running Kamailio that sends every request to a sipp that answers."""

    def __init__(self, directory: Path, trace: str, route: str = "") -> None:
        for program in ("kamailio", "sipp", "tshark"):
            find_program(program)
        self.port = _free_port()
        self._directory = directory
        self._callee = _free_port()
        (directory / "recipe.cfg").write_text(trace)
        (directory / "route.cfg").write_text(route)
        (directory / "kamailio.cfg").write_text(CONFIGURATION.read_text())

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Until the block is left; then it has sent all it will."""
        addresses = [f"{carrier}:{LOCALHOST}:{self.port}" for carrier in ("udp", "tcp")]
        given = ["-DD", "-E", "-f", self._directory / "kamailio.cfg", "-m", "32"]
        given += ["-Y", self._directory, "-w", self._directory, "-l", addresses[0], "-l", addresses[1]]
        given += ["-A", f'CALLEE="sip:{LOCALHOST}:{self._callee}"']
        with (
            self._sipp("uas", self._callee) as answering,
            Program("kamailio", given, self._directory) as proxying,
        ):
            answering.wait_until_bound(self._callee)
            proxying.wait_until_bound(self.port)
            yield self

    @contextmanager
    def calls(self, count: int, rate: int) -> Iterator[Program]:
        """sipp while it makes so many calls, so many a second."""
        with self._sipp(
            "uac", _free_port(), "-m", str(count), "-r", str(rate), f"{LOCALHOST}:{self.port}"
        ) as calling:
            yield calling

    def wire(self) -> Wire:
        """What comes to it and goes from it."""
        return Wire(self._directory, f"udp port {self.port}")

    def _sipp(self, scenario: str, port: int, *arguments: str) -> Program:
        given = ["-sn", scenario, "-i", LOCALHOST, "-p", str(port), "-nostdin"]
        # Two processes of Kamailio answer, so while one of them waits for a TCP connection a 200 may overtake
        # its 180: that is none of ours, and no reason to give the call up.
        given += ["-default_behaviors", "all,-abortunexp", *arguments]
        return Program("sipp", given, self._directory)


def _free_port() -> int:
    return free_address(socket.SOCK_DGRAM)[1]
