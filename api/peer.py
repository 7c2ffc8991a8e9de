"""Where requests come from, also by way of proxies that are trusted to say so."""

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_address, ip_network

from starlette.requests import HTTPConnection

MAPPED = "::ffff:"


def peer_of(connection: HTTPConnection) -> str:
    """The address of the client; an IPv4 one as such, though a socket for both families says it otherwise."""
    host = connection.client.host if connection.client else ""
    try:
        mapped = getattr(ip_address(host), "ipv4_mapped", None)
    except ValueError:
        return host
    return str(mapped or host)


def in_both_forms(networks: Iterable[str]) -> list[str]:
    """Addresses and networks, those of IPv4 also as sockets for both families say them."""
    forms = []
    for text in networks:
        network = ip_network(text, strict=False)
        forms.append(str(network))
        if isinstance(network, IPv4Network):
            forms.append(f"{MAPPED}{network.network_address}/{96 + network.prefixlen}")
    return forms
