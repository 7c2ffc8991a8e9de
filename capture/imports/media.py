"""Whose RTCP it is: the ends of media that session descriptions named, by address and port.

Source: RFC 3264 (who is offered or answered an end receives there), RFC 3605 and RFC 5761 (where RTCP goes),
RFC 3711 (SAVP: its content is secret).
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from capture.addresses import packed_address
from capture.pcap.dissect import Carried
from capture.sip.parse import body, parse_message
from capture.sip.sdp import Media, find_sdp, parse_sdp

MOST_ENDS: Final = 200_000
"""Of calls that are long over it does not matter any more."""


class End(NamedTuple):
    """Of a medium, for its RTCP."""

    call_id: str
    is_secret: bool
    """SRTCP: nothing but who sends it can be read."""


class MediaEnds:
    """What the descriptions so far have said. The newest call that names an end has it."""

    def __init__(self) -> None:
        self._ends: OrderedDict[tuple[bytes, int], End] = OrderedDict()

    def note(self, payload: bytes) -> None:
        """A SIP message: what its body describes, if it does."""
        if b"v=0" not in payload:
            return
        message = parse_message(payload)
        found = find_sdp(message.content_type, body(payload))
        description = None if found is None else parse_sdp(found)
        if description is None or not message.call_id:
            return
        for media in description.media:
            for place in _rtcp_places(media):
                self._ends[place] = End(message.call_id, "SAVP" in media.protocol)
                self._ends.move_to_end(place)
        while len(self._ends) > MOST_ENDS:
            self._ends.popitem(last=False)

    def of(self, found: Carried) -> End | None:
        """The end that this datagram of RTCP goes to, else that it comes from."""
        return self._ends.get((found.destination, found.destination_port)) or self._ends.get(
            (found.source, found.source_port)
        )


def _rtcp_places(media: Media) -> list[tuple[bytes, int]]:
    if not media.port:
        return []
    address = packed_address(media.rtcp_address or media.connection)
    if address is None:
        return []
    ports = {media.rtcp_port or media.port + 1}
    if media.rtcp_mux:
        ports.add(media.port)
    return [(address, port) for port in ports]
