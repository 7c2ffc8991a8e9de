"""The HEP packets of a capture file, read without `capture`: by dpkt, a TCP stream by its frames' lengths."""

from collections.abc import Iterator
from pathlib import Path

import dpkt

CORPUS = Path(__file__).parent.parent / "corpus" / "data"


def hep_packets(path: Path) -> Iterator[bytes]:
    """Every HEP packet of a raw-IP capture, in order."""
    stream = b""
    with path.open("rb") as file:
        for _, frame in dpkt.pcap.Reader(file):
            carried = (dpkt.ip.IP if frame[0] >> 4 == 4 else dpkt.ip6.IP6)(frame).data
            if isinstance(carried, dpkt.udp.UDP):
                yield bytes(carried.data)
            else:
                stream += bytes(carried.data)
    while stream:
        length = int.from_bytes(stream[4:6], "big")
        yield stream[:length]
        stream = stream[length:]
