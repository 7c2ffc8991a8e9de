"""Kamailio's siptrace mirrors real calls of sipp: what was on the wire is what is found."""

import re
import socket
from collections import Counter
from pathlib import Path

import pytest

from tests.live.conftest import Live, shown
from tests.support.programs import Program, find_program
from tests.support.recipes import block, recipe
from tests.support.trial import free_address
from tests.support.wire import SipOnWire, Wire

CONFIGURATION = Path(__file__).with_name("kamailio.cfg")
LOCALHOST = "127.0.0.1"
CALLS = 20
MESSAGES_PER_CALL = 12
"""A proxy sees INVITE, 180, 200, ACK, BYE and 200 come and go. It may say 100 itself."""
CAPTURE_ID = 2001
TRACE_ALL = 'modparam("siptrace", "trace_mode", 1)\n'


def free_port() -> int:
    return free_address(socket.SOCK_DGRAM)[1]


def sipp(scenario: str, port: int, directory: Path, *arguments: str) -> Program:
    given = ["-sn", scenario, "-i", LOCALHOST, "-p", str(port), "-nostdin", *arguments]
    return Program("sipp", given, directory)


def kamailio(port: int, callee: int, directory: Path, trace: str, route: str) -> Program:
    """A proxy with the documented lines, which sends every request to `callee`."""
    (directory / "recipe.cfg").write_text(trace)
    (directory / "route.cfg").write_text(route)
    (directory / "kamailio.cfg").write_text(CONFIGURATION.read_text())
    given = ["-DD", "-E", "-f", directory / "kamailio.cfg", "-Y", directory, "-w", directory, "-m", "32"]
    given += ["-l", f"udp:{LOCALHOST}:{port}", "-l", f"tcp:{LOCALHOST}:{port}"]
    given += ["-A", f'CALLEE="sip:{LOCALHOST}:{callee}"']
    return Program("kamailio", given, directory)


def calls_through_kamailio(live: Live, directory: Path, trace: str, route: str = "") -> list[SipOnWire]:
    """The SIP that was on the wire and is to be mirrored, once so much of it has been stored."""
    for program in ("kamailio", "sipp", "tshark"):
        find_program(program)
    proxy, callee, caller = free_port(), free_port(), free_port()
    before = live.outcomes().received
    with (
        sipp("uas", callee, directory) as answering,
        kamailio(proxy, callee, directory, trace, route) as proxying,
    ):
        answering.wait_until_bound(callee)
        proxying.wait_until_bound(proxy)
        calls = ["-m", str(CALLS), "-r", "20", f"{LOCALHOST}:{proxy}"]
        with Wire(directory, f"udp port {proxy}") as wire, sipp("uac", caller, directory, *calls) as calling:
            calling.finish()
        on_wire = wire.sip(proxy)
        if route:
            # As docs/senders.md says: the ACK of a 200 belongs to no transaction, so its going is not traced.
            on_wire = [sip for sip in on_wire if (sip.method, sip.source_port) != ("ACK", proxy)]
        live.wait_for(before + len(on_wire))
    return on_wire


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_every_message_that_kamailio_mirrors_is_found_as_it_was_on_the_wire(
    live: Live, tmp_path: Path, transport: str
) -> None:
    trace = recipe("README.md", "Kamailio", live.hep)
    if transport == "tcp":
        # The line that stands there for it, later than the other one, wins.
        trace = re.sub(r"^#(?=modparam.*transport=tcp)", "", trace, flags=re.MULTILINE)
    before = live.outcomes()

    on_wire = calls_through_kamailio(live, tmp_path, trace)

    after = live.outcomes()
    assert len(on_wire) >= CALLS * MESSAGES_PER_CALL
    assert after.received - before.received == after.written - before.written == len(on_wire)
    rows = live.transaction(*{message.call_id for message in on_wire})
    assert Counter(shown(row) for row in rows) == Counter(on_wire)
    assert {row["captureId"] for row in rows} == {str(CAPTURE_ID)}
    assert {row["protocol"] for row in rows} == {17}, "the captured SIP came by UDP, whatever carried the HEP"


def test_transactions_that_kamailio_is_told_to_trace_are_found_with_their_correlation_id(
    live: Live, tmp_path: Path
) -> None:
    trace = recipe("README.md", "Kamailio", live.hep).replace(TRACE_ALL, "")
    trace += block("docs/senders.md", "Kamailio", 0)
    route = block("docs/senders.md", "Kamailio", 1)

    on_wire = calls_through_kamailio(live, tmp_path, trace, route)

    assert len(on_wire) >= CALLS * (MESSAGES_PER_CALL - 1)
    rows = live.transaction(*{message.call_id for message in on_wire})
    assert Counter(shown(row) for row in rows) == Counter(on_wire)
    assert all(row["correlation_id"] == row["callid"] for row in rows)
