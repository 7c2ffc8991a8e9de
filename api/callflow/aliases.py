"""Names that people give to addresses, networks and ports.

Source: homer-app's rules. The longest network that an address is in decides, and no shorter one is asked: of
its aliases the first with the very port, else the first with port 0.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from api.callflow.hosts import End

MOST_KNOWN = 10_000


class _Alias(NamedTuple):
    name: str
    port: int


_Networks = dict[tuple[int, int, int], list[_Alias]]
"""By IP version, bits of the network, and the network's number."""


class Aliases:
    """Those that are in use, in their order."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = (), *, by_capture_id: bool = False) -> None:
        """`rows` as `GET /alias` has them. `by_capture_id`: those of the message's capture id come first."""
        self._by_capture_id = by_capture_id
        self._networks: dict[str | None, _Networks] = {}
        """By capture id; None: whatever that is."""
        self._known: dict[tuple[End, str], str] = {}
        for row in rows:
            self._add(row)
        bits = {(version, length) for networks in self._networks.values() for version, length, _ in networks}
        self._bits = sorted(bits, reverse=True)

    def name(self, end: End, capture_id: str = "") -> str:
        """The name of an end of a message; `address:port` where it has none."""
        if not self._networks:
            return end.name
        key = end, capture_id if self._by_capture_id else ""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[key] = self._find(end, key[1]) or end.name
        return known

    def _add(self, row: Mapping[str, Any]) -> None:
        if not row["status"]:
            return
        try:
            address = ip_address(row["ip"])
            length = min(row["mask"], address.max_prefixlen)
            network = ip_network((address, length), strict=False)
        except ValueError:
            # Carried over from elsewhere, where anything could be an address: it is nobody's.
            return
        key = network.version, length, int(network.network_address) >> (address.max_prefixlen - length)
        alias = _Alias(row["alias"], row["port"])
        for capture_id in (None, str(row["captureID"])):
            self._networks.setdefault(capture_id, {}).setdefault(key, []).append(alias)

    def _find(self, end: End, capture_id: str) -> str | None:
        try:
            address = ip_address(end.address)
        except ValueError:
            return None
        asked = [self._networks.get(capture_id, {})] if self._by_capture_id else []
        names = (self._of_longest(networks, address, end.port) for networks in (*asked, self._networks[None]))
        return next((name for name in names if name is not None), None)

    def _of_longest(self, networks: _Networks, address: IPv4Address | IPv6Address, port: int) -> str | None:
        for version, length in self._bits:
            if version == address.version:
                number = int(address) >> (address.max_prefixlen - length)
                found = networks.get((version, length, number))
                if found is not None:
                    return _of_port(found, port)
        return None


def _of_port(aliases: list[_Alias], port: int) -> str | None:
    for wanted in (port, 0):
        for alias in aliases:
            if alias.port == wanted:
                return alias.name
    return None
