"""Captures with anything changed in them: what is taken can be stored, the rest is counted."""

import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from capture.capture_time import DAY_US, EARLIEST_US, capture_time
from capture.errors import PcapError
from capture.hep.decode import decode_packet
from capture.imports.traffic import MOST_KINDS, Traffic
from capture.journal.record import MAX_PACKET_BYTES
from capture.store.expiry import FOR_EVER
from tests.support.frames import (
    TCP,
    ethernet,
    ipv4,
    ipv6,
    pcapng_block,
    pcapng_packet,
    pcapng_section,
    tcp,
    udp,
)
from tests.support.importing import NOW_US, a_message

CORPUS = Path(__file__).parents[1] / "corpus" / "data"
MOST_PAYLOAD = 1024 * 1024


def plain_traffic() -> bytes:
    """SIP over both carriers, in fragments and segments, under tags, behind links of two kinds."""
    first, second = a_message(1), a_message(2)
    frames = [
        ethernet(ipv4(udp(first)), 0x88A8, 0x8100),
        ethernet(ipv6(udp(second))),
        ethernet(ipv4(udp(first)[:96], more=True)),
        ethernet(ipv4(udp(first)[96:], offset=96)),
        ethernet(ipv4(tcp(b"", 0, flags=2), TCP)),
        ethernet(ipv4(tcp(second[100:], 101), TCP)),
        ethernet(ipv4(tcp(second[:130], 1), TCP)),
        ethernet(ipv4(udp(bytes.fromhex("81c9000700000001") + bytes(24), 40001, 40003))),
    ]
    interface = pcapng_block(1, b"\1\0\0\0" + bytes(4))
    return pcapng_section() + interface + b"".join(map(pcapng_packet, frames))


CAPTURES = [
    plain_traffic(),
    *(
        (CORPUS / f"{name}.pcap").read_bytes()[:6000]
        for name in ("kamailio-hep1", "sngrep-hep2", "kamailio-hep3-over-tcp")
    ),
    (CORPUS / "captagent-hep3-zlib.pcap").read_bytes()[:6000],
]


@given(
    st.sampled_from(CAPTURES),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=6),
    st.sampled_from([0, 400 * DAY_US, -400 * DAY_US]),
)
def test_what_is_taken_can_be_stored_and_the_rest_is_counted(
    capture: bytes, changes: list[tuple[float, bytes]], shift_us: int
) -> None:
    data = bytearray(capture)
    for place, change in changes:
        at = int(place * len(data))
        data[at : at + len(change)] = change
    traffic = Traffic(NOW_US, FOR_EVER, MOST_PAYLOAD, shift_us)
    taken = []
    try:
        for each in traffic.packets(io.BytesIO(bytes(data)), "a file"):
            taken.append(each)  # noqa: PERF402 - what came before an error counts
    except PcapError as error:
        assert str(error).startswith("a file")  # noqa: PT017 - may be raised or not

    for each in taken:
        assert len(each.packet) <= MAX_PACKET_BYTES
        packet = decode_packet(each.packet, MOST_PAYLOAD)
        # As the worker will find it.
        assert capture_time(packet.seconds, packet.microseconds, each.frame_us)[0] == each.time_us
        # What has no time of its own stays in the present.
        moved_us = 0 if each.time_us == NOW_US else shift_us
        assert EARLIEST_US <= each.frame_us - moved_us <= NOW_US + DAY_US
        assert EARLIEST_US - DAY_US <= each.time_us - moved_us <= NOW_US + 2 * DAY_US
    assert max(len(traffic.rejected), len(traffic.passed_over)) <= MOST_KINDS + 2


def test_captures_are_taken_as_they_are() -> None:
    for capture in CAPTURES:
        traffic = Traffic(NOW_US, FOR_EVER, MOST_PAYLOAD)
        taken = []
        try:
            for each in traffic.packets(io.BytesIO(capture), "a file"):
                taken.append(each)  # noqa: PERF402 - these are cut to their first bytes
        except PcapError as error:
            assert error.reason == "cut"  # noqa: PT017 - see above
        assert len(taken) >= 4
