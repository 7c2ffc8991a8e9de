"""Which packets are let in: by key and by sender's address.

A HEP key is a shared word in clear text, worth something on a private net only; several senders cannot send
one at all (hep-protocol, "Authentication"), so these are excepted by address. Knows nothing of sockets or
records.
"""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

from capture.settings import AcceptSettings

_MOST_PEERS = 65_536


def _mapped(network: IPv4Network | IPv6Network) -> IPv6Network:
    """The same network in IPv6, as peers are noted in the journal."""
    if isinstance(network, IPv6Network):
        return network
    return IPv6Network(f"::ffff:{network.network_address}/{96 + network.prefixlen}")


class Gate:
    """Admits packets; all of them when the settings name neither key nor network."""

    def __init__(self, accept: AcceptSettings) -> None:
        self._keys = frozenset(key.get_secret_value().encode() for key in accept.keys)
        self._networks = [_mapped(network) for network in accept.addresses]
        self._keyless = [_mapped(network) for network in accept.keyless_addresses]
        self._open = not self._keys and not self._networks
        self._peers: dict[bytes, tuple[bool, bool]] = {}

    def admits(self, key: bytes | None, peer: bytes) -> bool:
        """`key` as sent, None without one; `peer` packed to 16 bytes."""
        if self._open:
            return True
        known = self._peers.get(peer)
        if known is None:
            known = self._judge(peer)
        welcome, keyless = known
        return welcome and (not self._keys or keyless or key in self._keys)

    def _judge(self, peer: bytes) -> tuple[bool, bool]:
        address = IPv6Address(peer)
        welcome = not self._networks or any(address in network for network in self._networks)
        known = welcome, any(address in network for network in self._keyless)
        if len(self._peers) >= _MOST_PEERS:
            self._peers.clear()
        self._peers[peer] = known
        return known
