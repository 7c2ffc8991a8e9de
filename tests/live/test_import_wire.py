"""Calls of sipp as they went over the loopback, captured and imported: tshark is the second judge."""

import socket
import subprocess
from collections import Counter
from pathlib import Path

import psutil
import pytest

from capture.sip.parse import parse_message
from tests.support.importing import import_file, packets_of
from tests.support.programs import Program, find_program
from tests.support.trial import free_address
from tests.support.wire import Wire

CALLS = 20


def on_the_wire(capture: Path, ports: list[int], transport: str) -> Counter[tuple[str, str]]:
    """How often tshark sees each first word of a message and each Call-ID."""
    command = [find_program("tshark"), "-r", str(capture), "-n", "-Y", "sip", "-T", "fields"]
    command += ["-E", "occurrence=a", "-E", "aggregator=|", "-e", "sip.Call-ID", "-e", "sip.CSeq"]
    for port in ports:
        command += ["-d", f"{transport}.port=={port},sip"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return Counter(
        pair for calls, numbers in rows for pair in zip(calls.split("|"), numbers.split("|"), strict=True)
    )


def ports_of(program: Program) -> set[int]:
    try:
        return {end.laddr.port for end in psutil.Process(program.process.pid).net_connections("inet")}
    except psutil.Error:
        return set()


@pytest.mark.parametrize(("mode", "transport"), [("u1", "udp"), ("t1", "tcp"), ("tn", "tcp")])
def test_every_message_of_real_calls_is_imported_once(tmp_path: Path, mode: str, transport: str) -> None:
    for program in ("sipp", "tshark"):
        find_program(program)
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    (host, callee), (_, caller) = free_address(kind), free_address(kind)
    common = ["-i", host, "-t", mode, "-nostdin", "-max_socket", "1000"]
    answering = ["-sn", "uas", "-p", str(callee), *common]
    calling = ["-sn", "uac", f"{host}:{callee}", "-p", str(caller), "-m", str(CALLS), "-r", "50", *common]
    with (
        Wire(tmp_path, f"port {callee}") as wire,
        Program("sipp", answering, tmp_path) as answerer,
    ):
        answerer.wait_until(lambda: callee in ports_of(answerer), f"it has port {callee}")
        with Program("sipp", calling, tmp_path) as caller_program:
            caller_program.finish()

    result = import_file(tmp_path / "data", wire.path)

    found = [parse_message(packet.payload) for packet in packets_of(tmp_path / "data")]
    seen = on_the_wire(wire.path, [callee], transport)
    assert len({call_id for call_id, _ in seen}) == CALLS
    assert Counter((message.call_id, message.cseq) for message in found) == seen
    assert {packet.ip_protocol for packet in packets_of(tmp_path / "data")} == {
        17 if transport == "udp" else 6
    }
    assert (result.error, result.rejected) == ("", 0)
