"""sngrep and sipgrep replay a capture of plain SIP: what tshark reads there is what is found."""

import time
from collections import Counter
from pathlib import Path

import dpkt
import pytest

from tests.support.live import Live, shown
from tests.support.programs import Program, find_program
from tests.support.recipes import recipe
from tests.support.sender import payload
from tests.support.wire import sip_messages

MESSAGES = 300
FIRST = {"sngrep": 0, "sipgrep": MESSAGES}
"""Numbers of the messages, so that neither finds the calls of the other."""
CAPTURE_ID = {"sngrep": "131203072", "sipgrep": "6619136"}
"""As they send them: 2002 with its bytes swapped, and 101 in the upper half."""
CALLER = (bytes((192, 0, 2, 1)), 5060)
CALLEE = (bytes((198, 51, 100, 2)), 5080)


def write_capture(path: Path, first: int) -> None:
    """Numbered SIP of the last minute, as tcpdump would have written it."""
    began = time.time() - 60
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_EN10MB)
        for number in range(first, first + MESSAGES):
            text = payload(number)
            ends = (CALLEE, CALLER) if text.startswith(b"SIP/2.0") else (CALLER, CALLEE)
            writer.writepkt(frame(*ends, text), began + number / 100)


def frame(source: tuple[bytes, int], destination: tuple[bytes, int], text: bytes) -> bytes:
    datagram = dpkt.udp.UDP(sport=source[1], dport=destination[1], data=text)
    datagram.ulen = len(datagram)
    packet = dpkt.ip.IP(src=source[0], dst=destination[0], p=dpkt.ip.IP_PROTO_UDP, data=datagram)
    packet.len = len(packet)
    return bytes(dpkt.ethernet.Ethernet(data=packet))


@pytest.mark.parametrize("program", ["sngrep", "sipgrep"])
def test_every_message_of_a_replayed_capture_is_found_as_it_is_there(
    live: Live, tmp_path: Path, program: str
) -> None:
    find_program("tshark")
    capture = tmp_path / "FILE.pcap"
    write_capture(capture, FIRST[program])
    in_capture = list(sip_messages(capture, [5060, 5080]))
    before = live.outcomes()
    line = recipe("docs/senders.md", program, live.hep)

    with Program(program, line.split()[1:], tmp_path) as replaying:
        replaying.finish()
        after = live.wait_for(before.received + MESSAGES)

    assert len(in_capture) == MESSAGES
    assert after.received - before.received == after.written - before.written == MESSAGES
    rows = live.transaction(*{message.call_id for message in in_capture})
    assert Counter(shown(row) for row in rows) == Counter(in_capture)
    assert {row["captureId"] for row in rows} == {CAPTURE_ID[program]}
