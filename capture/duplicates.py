"""Which messages are the same message seen again: equal payload and equal ends within a window of capture
time.

Off unless a setting asks for it: the same message seen at two hops is two facts, and those differ in their
ends.
"""

import xxhash

from capture.hep.packet import Packet

_TURN_US = 1_000_000
"""A copy may arrive so much later than its original, whatever the window of capture time."""
_MOST = 200_000
"""Messages in one of the two generations: some 30 MB."""


class DuplicateWindow:
    """The messages of the last moments, as 128-bit digests.

    Provisional: `forget` it when a batch did not commit.
    """

    def __init__(self, window_us: int) -> None:
        self._window_us = window_us
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}
        self._turned_us = 0

    def forget(self) -> None:
        self._young.clear()
        self._old.clear()

    def is_duplicate(self, packet: Packet, time_us: int, arrival_us: int) -> bool:
        """Whether this message was shown within the window; remembers it if not."""
        ends = b"%b\0%b\0%d\0%d\0" % (
            packet.source or b"",
            packet.destination or b"",
            -1 if packet.source_port is None else packet.source_port,
            -1 if packet.destination_port is None else packet.destination_port,
        )
        digest = xxhash.xxh3_128_digest(ends + packet.payload)
        if abs(arrival_us - self._turned_us) > max(self._window_us, _TURN_US) or len(self._young) >= _MOST:
            # By arrival: two senders with clocks far apart would turn the generations with every packet.
            self._old, self._young, self._turned_us = self._young, {}, arrival_us
        shown_us = self._young.get(digest)
        if shown_us is None:
            shown_us = self._old.get(digest)
        if shown_us is not None and abs(time_us - shown_us) <= self._window_us:
            return True
        self._young[digest] = time_us
        return False
