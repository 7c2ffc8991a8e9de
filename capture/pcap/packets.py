"""Packets out of a capture file, pcap or pcapng: HEP, or HEP and SIP that stands by itself."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from capture.errors import HepError, PcapError
from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from capture.pcap.dissect import HEP, Carried, Dissector, Wanted, is_hep
from capture.pcap.files import NO_LINK, Frame, frames_of
from capture.pcap.links import LINK_TYPES
from capture.pcap.sip_framing import HepOrSipFramer, is_sip
from capture.route import SIP

_HEP_OR_SIP: Final = Wanted(lambda datagram: is_hep(datagram) or is_sip(datagram), HepOrSipFramer)


def read_hep(path: Path, warn: Callable[[str], None]) -> Iterator[bytes]:
    """Every HEP packet of a capture in the order captured: UDP datagrams to any port, and TCP streams cut up.

    `warn` is told, at the end, of frames that could not be used. PcapError when the file is no capture.
    """
    for found, _ in _carried(path, HEP, warn):
        yield found.body


def read_packets(path: Path, warn: Callable[[str], None]) -> Iterator[Packet]:
    """Every HEP packet, decoded, and every SIP message that was captured without HEP around it.

    The latter as an agent that captured it would send it. HEP that cannot be decoded is left out, and told.
    """
    broken = 0
    for found, time_us in _carried(path, _HEP_OR_SIP, warn):
        if is_hep(found.body):
            try:
                yield decode_packet(found.body)
            except HepError:
                broken += 1
        else:
            yield as_packet(found, time_us)
    if broken:
        warn(f"{broken} packets of HEP in {path} are malformed and were left out")


def as_packet(found: Carried, time_us: int, protocol_type: int = SIP) -> Packet:
    """What an agent that captured it would say of it."""
    seconds, microseconds = divmod(time_us, 1_000_000)
    return Packet(
        version=3,
        payload=found.body,
        family=2 if len(found.source) == 4 else 10,
        ip_protocol=found.ip_protocol,
        source=found.source,
        destination=found.destination,
        source_port=found.source_port,
        destination_port=found.destination_port,
        seconds=seconds,
        microseconds=microseconds,
        protocol_type=protocol_type,
    )


def _carried(path: Path, wanted: Wanted, warn: Callable[[str], None]) -> Iterator[tuple[Carried, int]]:
    """What is looked for, each with its time."""
    dissector = Dissector(wanted)
    unknown: Counter[int] = Counter()
    for _, link_type, time_us, data in _whole_frames(path, warn):
        if link_type in LINK_TYPES:
            for found in dissector.feed(link_type, data, time_us):
                yield found, found.time_us
        else:
            unknown[link_type] += 1
    for found in dissector.finish():
        yield found, found.time_us
    if dissector.cut:
        warn(f"{dissector.cut} frames are not whole in {path} and were left out")
    if dissector.unjoined:
        warn(f"{dissector.unjoined} packets of which fragments are missing in {path} were left out")
    for link_type, count in unknown.items():
        warn(f"{count} frames of {link_name(link_type)} cannot be read and were left out")


def link_name(link_type: int) -> str:
    """A link type for people."""
    return "an interface that is not described" if link_type == NO_LINK else f"link type {link_type}"


def _whole_frames(path: Path, warn: Callable[[str], None]) -> Iterator[Frame]:
    """As far as a file goes that was cut short."""
    try:
        yield from frames_of(path)
    except PcapError as error:
        if error.reason != "cut":
            raise
        warn(str(error))
