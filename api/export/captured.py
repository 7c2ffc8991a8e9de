"""A stored message as it was on the wire, for files that other programs read.

Fields are those that the message shows: what a filter script has masked stays masked.
"""

from typing import NamedTuple

from api.callflow.hosts import End, ends_of
from api.search.decide import Found

TLS, WS = 22, 50
"""Senders that have no number for TLS and WebSocket take those of IDP and ESP."""
TCP, UDP, SCTP = 6, 17, 132

_NAMES = {TCP: "TCP", UDP: "UDP", SCTP: "SCTP", TLS: "TLS", WS: "WS"}


class Captured(NamedTuple):
    """One message."""

    time_us: int
    source: End
    destination: End
    ip_protocol: int
    payload: bytes
    """Byte for byte as it is stored."""
    is_sip: bool
    via: str = ""
    """The topmost Via of SIP."""
    vlan: int | None = None
    tos: int | None = None

    @property
    def transport(self) -> str:
        """By its name; TLS and WebSocket, which share their numbers, as the message itself says."""
        if self.ip_protocol in (TLS, WS):
            said = self.via.partition(" ")[0].rpartition("/")[2].upper()
            if said in ("TLS", "WS", "WSS"):
                return said
        return _NAMES.get(self.ip_protocol, "UDP")


def captured(found: Found) -> Captured:
    """The message as it was captured."""
    stored, get = found.stored, found.fields.get
    source, destination = ends_of(found.fields)
    ip_protocol = get("ip_protocol")
    facts = (stored.extra or {}).get("hep")
    facts = facts if isinstance(facts, dict) else {}
    return Captured(
        stored.time_us,
        source,
        destination,
        ip_protocol if isinstance(ip_protocol, int) else UDP,
        # One that a script took away is not shown, wherever it still stands.
        stored.payload if "raw" in found.fields else b"",
        stored.message_class.is_sip,
        str(get("via") or ""),
        _small(facts.get("vlan"), 0xFFFF),
        _small(facts.get("tos"), 0xFF),
    )


def _small(value: object, most: int) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= most else None
