"""RTCP, protocol type 5: the JSON that capture agents make of it, or the packet itself.

Source: hep-protocol 12; RFC 3550 6.4. The JSON of one datagram is one object; keys may be missing or null and
numbers may be text. NTP values are as sent: Asterisk's are not in NTP's units.
"""

from struct import Struct

import msgspec

from capture.errors import MediaError
from capture.media.lenient import read_integer, read_object

SENDER_REPORT = 200
RECEIVER_REPORT = 201

_HEADER = Struct("!BBHI")  # version, padding and count; type; length in words - 1; SSRC
_SENDER = Struct("!IIIII")  # NTP seconds, NTP fraction, RTP time, packets, octets
_BLOCK = Struct("!IIIIII")  # SSRC; lost; highest sequence number; jitter; LSR; DLSR


class ReportBlock(msgspec.Struct, frozen=True, gc=False):
    """What a receiver says of one source. None: not sent."""

    source_ssrc: int | None = None
    fraction_lost: int | None = None
    """In 1/256, since the report before."""
    packets_lost: int | None = None
    """In all; signed (rtpengine and heplify send 2^24 - n for -n)."""
    highest_sequence: int | None = None
    jitter: int | None = None
    """In units of the RTP clock."""
    lsr: int | None = None
    dlsr: int | None = None
    """In 1/65536 s."""


class RtcpReport(msgspec.Struct, frozen=True, gc=False):
    """One datagram of RTCP. None: not sent."""

    packet_type: int | None = None
    """200 sender report, 201 receiver report, 202 SDES, 207 XR."""
    ssrc: int | None = None
    packets: int | None = None
    octets: int | None = None
    blocks: tuple[ReportBlock, ...] = ()
    is_binary: bool = False

    @property
    def session_id(self) -> str | None:
        """RTCP names no call."""
        return None


def is_binary_rtcp(payload: bytes) -> bool:
    """Version 2 and an RTCP packet type: old agents send the packet as it is."""
    return len(payload) > 1 and 0x80 <= payload[0] <= 0xBF and 200 <= payload[1] <= 207


def parse_rtcp(payload: bytes) -> RtcpReport:
    """MediaError when the payload is neither a JSON object nor RTCP."""
    if is_binary_rtcp(payload):
        return _parse_binary(payload)
    report = read_object(payload)
    sender = report.get("sender_information")
    if not isinstance(sender, dict):
        sender = {}
    blocks = report.get("report_blocks")
    return RtcpReport(
        packet_type=read_integer(report.get("type")),
        ssrc=read_integer(report.get("ssrc")),
        packets=read_integer(sender.get("packets")),
        octets=read_integer(sender.get("octets")),
        blocks=tuple(
            _parse_block(block)
            for block in (blocks if isinstance(blocks, list) else ())
            if isinstance(block, dict)
        ),
    )


def _parse_block(block: dict[str, object]) -> ReportBlock:
    lost = read_integer(block.get("packets_lost"))
    return ReportBlock(
        source_ssrc=read_integer(block.get("source_ssrc")),
        fraction_lost=read_integer(block.get("fraction_lost")),
        packets_lost=lost - 2**24 if lost is not None and 2**23 <= lost < 2**24 else lost,
        highest_sequence=read_integer(block.get("highest_seq_no")),
        jitter=read_integer(block.get("ia_jitter")),
        lsr=read_integer(block.get("lsr")),
        dlsr=read_integer(block.get("dlsr")),
    )


def _parse_binary(payload: bytes) -> RtcpReport:
    """The first packet of a compound; a cut one is read as far as it goes (captagent cuts at 256 bytes)."""
    if len(payload) < _HEADER.size:
        raise MediaError(
            "short", f"RTCP of {len(payload)} bytes, its header has {_HEADER.size}", len(payload)
        )
    first, packet_type, words, ssrc = _HEADER.unpack_from(payload)
    end = min(len(payload), 4 * (words + 1))
    offset = _HEADER.size
    packets = octets = None
    if packet_type == SENDER_REPORT and offset + _SENDER.size <= end:
        _, _, _, packets, octets = _SENDER.unpack_from(payload, offset)
        offset += _SENDER.size
    blocks = []
    if packet_type in (SENDER_REPORT, RECEIVER_REPORT):
        for _ in range(first & 0x1F):
            if offset + _BLOCK.size > end:
                break
            source, lost, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(payload, offset)
            signed = (lost & 0xFFFFFF) - (2**24 if lost & 0x800000 else 0)
            blocks.append(ReportBlock(source, lost >> 24, signed, highest, jitter, lsr, dlsr))
            offset += _BLOCK.size
    return RtcpReport(packet_type, ssrc, packets, octets, tuple(blocks), is_binary=True)
