"""IP addresses, packed and as text."""

import socket
from functools import lru_cache


@lru_cache(maxsize=65_536)
def address_text(packed: bytes | None) -> str | None:
    """The text form of a packed address, 4 or 16 bytes in network order; IPv6 as RFC 5952 has it."""
    if packed is None:
        return None
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def packed_address(text: str) -> bytes | None:
    """An IPv4 or IPv6 address packed, None for any other text."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return None
