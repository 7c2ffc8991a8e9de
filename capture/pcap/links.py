"""The IP packet in a captured frame, behind the header of whatever link it went over.

Source: tcpdump's list of link types; IEEE 802.1Q for tags.
"""

import struct
from typing import Final

LINK_ETHERNET: Final = 1
LINK_LINUX_COOKED: Final = 113
LINK_LINUX_COOKED_2: Final = 276
_RAW_IP: Final = frozenset([12, 14, 101, 228, 229])
"""Raw IP has been 12 and 14 on some systems; 228 and 229 say which version."""
_LOOPBACK: Final = frozenset([0, 108])
"""Four bytes of address family, in host order and in network order, stand before the IP packet."""

LINK_TYPES: Final = _RAW_IP | _LOOPBACK | {LINK_ETHERNET, LINK_LINUX_COOKED, LINK_LINUX_COOKED_2}
"""What `network_packet` can read."""

_TYPES_OF_IP: Final = frozenset([0x0800, 0x86DD])
_VLAN_TAGS: Final = frozenset([0x8100, 0x88A8, 0x9100])
_LEAST_TYPE: Final = 0x0600
"""Below it stands the length of a frame of IEEE 802.3."""


def network_packet(link_type: int, frame: bytes) -> bytes | str:
    """The IP packet in a frame; in words what else it is.

    struct.error when the frame ends before that is told.
    """
    if link_type in _RAW_IP:
        return frame
    if link_type in _LOOPBACK:
        return frame[4:]
    if link_type == LINK_ETHERNET:
        type_at, offset = 12, 14
    elif link_type == LINK_LINUX_COOKED:
        type_at, offset = 14, 16
    else:
        type_at, offset = 0, 20
    (ether_type,) = struct.unpack_from(">H", frame, type_at)
    while ether_type in _VLAN_TAGS:
        (ether_type,) = struct.unpack_from(">H", frame, offset + 2)
        offset += 4
    if ether_type in _TYPES_OF_IP:
        return frame[offset:]
    return f"frames of Ethernet type 0x{ether_type:04x}" if ether_type >= _LEAST_TYPE else "frames of 802.3"
