"""rtpengine mirrors the RTCP of a call: what tshark saw of it is found under the call's SIP Call-ID."""

import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.live import Live
from tests.support.programs import Program, find_program
from tests.support.recipes import recipe
from tests.support.trial import free_address
from tests.support.wire import Wire

CONFIGURATION = Path(__file__).with_name("rtpengine.conf")
LOCALHOST = "127.0.0.1"
REPORTS = 12
CAPTURE_ID = 2002
NTP_EPOCH_S = 2_208_988_800


class Report(NamedTuple):
    """One RTCP sender report with its ends."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    ssrc: int
    packets: int
    octets: int


def bencode(value: str | Mapping[str, str]) -> bytes:
    """The part of bencode that the NG protocol's questions here need."""
    if isinstance(value, str):
        data = value.encode()
        return b"%d:%s" % (len(data), data)
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def ask(address: tuple[str, int], question: Mapping[str, str]) -> bytes:
    """rtpengine's answer to an NG command, still encoded; asked again while it is not up yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(address)
        sock.send(b"cookie " + bencode(question))
        answer = sock.recv(65535)
    assert b"6:result2:ok" in answer, answer
    return answer


def description(port: int) -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {LOCALHOST}\r\ns=-\r\nc=IN IP4 {LOCALHOST}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )


def media_port(answer: bytes) -> int:
    """The port of rtpengine's own that the answer's description offers."""
    return int(answer.partition(b"m=audio ")[2].split(b" ")[0])


def sender_report(ssrc: int, packets: int, octets: int) -> bytes:
    """RFC 3550 6.4.1 without report blocks, and a source description."""
    now = time.time() + NTP_EPOCH_S
    clock = struct.pack("!II", int(now), int(now % 1 * (1 << 32)))
    report = struct.pack("!BBHI", 0x80, 200, 6, ssrc) + clock + struct.pack("!III", 0, packets, octets)
    return report + struct.pack("!BBHIBB", 0x81, 202, 3, ssrc, 1, 4) + b"test\0\0"


class Peer:
    """One side of the call: an RTP port and the RTCP port above it."""

    def __init__(self, stack: ExitStack) -> None:
        while True:
            rtp = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            rtcp = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            rtp.bind((LOCALHOST, 0))
            self.port = rtp.getsockname()[1]
            if self.port % 2 == 0:
                try:
                    rtcp.bind((LOCALHOST, self.port + 1))
                except OSError:
                    continue
                self.rtp, self.rtcp = rtp, rtcp
                return


def reports_on_wire(wire: Wire, ports: Sequence[int]) -> Iterator[Report]:
    """Sender reports as tshark reads them."""
    ends = ["ip.src", "udp.srcport", "ip.dst", "udp.dstport"]
    said = ["rtcp.senderssrc", "rtcp.sender.packetcount", "rtcp.sender.octetcount"]
    decode_as = [f"udp.port=={port},rtcp" for port in ports]
    for row in wire.fields([*ends, *said], "rtcp.pt == 200", decode_as):
        source, source_port, destination, destination_port, ssrc, packets, octets = row
        counts = int(ssrc, 16), int(packets), int(octets)
        yield Report(source, int(source_port), destination, int(destination_port), *counts)


def found_report(row: Mapping[str, Any]) -> Report:
    """What is found of a report: rtpengine's JSON of it."""
    said = json.loads(row["raw"])
    sent = said["sender_information"]
    ends = row["srcIp"], row["srcPort"], row["dstIp"], row["dstPort"]
    return Report(*ends, said["ssrc"], sent["packets"], sent["octets"])


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_rtcp_that_rtpengine_mirrors_is_found_under_its_call_id(
    live: Live, tmp_path: Path, protocol: str
) -> None:
    for program in ("rtpengine", "tshark"):
        find_program(program)
    control = free_address(socket.SOCK_DGRAM)
    call_id = f"media-{protocol}@rtpengine.test"
    lines = recipe("README.md", "rtpengine", live.hep).replace(
        "homer-protocol = udp", f"homer-protocol = {protocol}"
    )
    configuration = tmp_path / "rtpengine.conf"
    configuration.write_text(CONFIGURATION.read_text() + lines)
    given = ["--config-file", configuration, "--listen-ng", f"{control[0]}:{control[1]}"]
    before = live.outcomes()

    with ExitStack() as stack, Program("rtpengine", given, tmp_path) as proxying:
        proxying.wait_until_bound(control[1])
        caller, callee = Peer(stack), Peer(stack)
        call = {"call-id": call_id, "from-tag": "a"}
        offer = {"command": "offer", "sdp": description(caller.port), **call}
        for_callee = media_port(ask(control, offer))
        answer = {"command": "answer", "to-tag": "b", "sdp": description(callee.port), **call}
        for_caller = media_port(ask(control, answer))
        with Wire(tmp_path, f"udp dst port {for_caller + 1} or udp dst port {for_callee + 1}") as wire:
            for number in range(REPORTS // 2):
                caller.rtcp.sendto(sender_report(0xA, number, 160 * number), (LOCALHOST, for_caller + 1))
                callee.rtcp.sendto(sender_report(0xB, number, 170 * number), (LOCALHOST, for_callee + 1))
        after = live.wait_for(before.received + REPORTS)

    on_wire = list(reports_on_wire(wire, [for_caller + 1, for_callee + 1]))
    assert len(on_wire) == REPORTS
    assert after.received - before.received == after.written - before.written == REPORTS
    rows = live.transaction(call_id)
    assert Counter(found_report(row) for row in rows) == Counter(on_wire)
    assert {row["captureId"] for row in rows} == {str(CAPTURE_ID)}
