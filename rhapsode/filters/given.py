"""A packet from the fields that a test gives, one by one; and the same fields of a packet that was captured.

Names are those of `sip{…}` and its like in `lua_filters/runtime/testing.lua`; text is bytes, as from Lua.
"""

from collections.abc import Callable
from typing import Final

from capture.addresses import address_text, packed_address
from capture.hep.packet import Packet
from capture.scripts.lua import Value

Refused = str
"""Why a value cannot be, in words."""

_TRANSPORTS: Final = {"udp": 17, "tcp": 6, "tls": 22, "sctp": 132}
LATEST_S: Final = 2**32
"""HEP has 32 bits for the seconds."""


class GivenPacket:
    """A packet in the making."""

    def __init__(self, time_s: float) -> None:
        self._fields: dict[str, object] = {}
        self.time_us = round(time_s * 1_000_000)

    def give(self, name: str, value: Value) -> Refused | None:
        """Set one field."""
        reader = _READERS.get(name)
        if reader is None:
            return f"a message has no field {name}"
        read = reader(name, value)
        if isinstance(read, str):
            return read
        field = _FIELDS.get(name, name)
        if field == "time_us":
            assert isinstance(read, int)  # noqa: S101 - for the type checker
            self.time_us = read
        else:
            self._fields[field] = read
        return None

    def packet(self) -> Packet:
        """As an agent would have sent it."""
        seconds, microseconds = divmod(self.time_us, 1_000_000)
        given = {"payload": b"", **self._fields}
        source = given.get("source") or given.get("destination")
        family = 10 if isinstance(source, bytes) and len(source) == 16 else 2
        return Packet(version=3, family=family, seconds=seconds, microseconds=microseconds, **given)  # type: ignore[arg-type]


def given_field(packet: Packet, name: str) -> Value:
    """A field of a packet as a test would give it; None: it is not there."""
    match name:
        case "source" | "destination":
            text = address_text(getattr(packet, name))
            return None if text is None else text.encode()
        case "transport":
            name_of = transport_name(packet.ip_protocol)
            return None if name_of is None else name_of.encode()
        case "time":
            return None if packet.seconds is None else packet.seconds + (packet.microseconds or 0) / 1_000_000
    found: Value = getattr(packet, _FIELDS.get(name, name))
    return found


def transport_name(ip_protocol: object) -> str | None:
    """`udp` and the like; None for a number that has no name here."""
    return next((name for name, number in _TRANSPORTS.items() if number == ip_protocol), None)


def _text(name: str, value: Value) -> bytes | Refused:
    if isinstance(value, bool) or not isinstance(value, bytes | int | float):
        return f"{name} is text"
    return value if isinstance(value, bytes) else f"{value:g}".encode()


def _address(name: str, value: Value) -> bytes | Refused:
    packed = packed_address(value.decode("utf-8", "replace")) if isinstance(value, bytes) else None
    return f"{name} is an IPv4 or IPv6 address, with :PORT or without" if packed is None else packed


def _transport(name: str, value: Value) -> int | Refused:
    number = _TRANSPORTS.get(value.decode("utf-8", "replace").lower()) if isinstance(value, bytes) else None
    return f"{name} is one of {', '.join(_TRANSPORTS)}" if number is None else number


def _time(name: str, value: Value) -> int | Refused:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST_S:
        return f"{name} is seconds since 1970"
    return round(value * 1_000_000)


def _whole(most: int) -> "Callable[[str, Value], int | Refused]":
    def read(name: str, value: Value) -> int | Refused:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            return f"{name} is a number from 0 to {most}"
        return int(value) if value == int(value) else f"{name} is a whole number"

    return read


_READERS: Final[dict[str, Callable[[str, Value], bytes | int | Refused]]] = {
    "source": _address,
    "destination": _address,
    "source_port": _whole(65535),
    "destination_port": _whole(65535),
    "transport": _transport,
    "time": _time,
    "node": _text,
    "capture_id": _whole(2**32 - 1),
    "correlation_id": _text,
    "protocol_type": _whole(255),
    "vlan": _whole(65535),
    "hep_key": _text,
    "payload": _text,
}
_FIELDS: Final = {
    "transport": "ip_protocol",
    "time": "time_us",
    "node": "node_name",
    "hep_key": "auth_key",
}
