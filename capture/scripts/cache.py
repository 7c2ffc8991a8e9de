"""What scripts remember between packets: keys and values, bounded in bytes.

Of `cache` in our own API, and of heplify-server's `HashTable`. When it is full, what was used least recently
goes first. Every operation takes the same time, however much is remembered. For one thread. Knows no Lua.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

Kept = bytes | float | bool
"""What can be remembered; an int is a float that is whole."""

OVERHEAD_BYTES = 320
"""What an entry takes besides the bytes of its key and its value: 260 to 300 by tracemalloc (CPython 3.11),
for the objects, the dictionary's places and the list's links."""
LARGEST_SHARE = 8
"""An entry larger than such a part of the whole would drive out everything else, and is refused."""

_NEVER = float("inf")


class Cache:
    """Keys are bytes. Entries that have expired count until somebody asks for them or makes room."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, and is asked only where an entry has a time to live."""
        self.max_bytes = max_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self.evicted = 0
        """Taken out for want of room, though nobody had asked for that."""
        self.expired = 0
        """Taken out because their time was over."""
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[Kept, float, int]] = OrderedDict()
        """Value, the time when it expires, size; what was used last stands last."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Kept | None:
        entry = self._entries.get(key)
        if entry is not None:
            if entry[1] == _NEVER or self._clock() < entry[1]:
                self.hits += 1
                self._entries.move_to_end(key)
                return entry[0]
            self._take_out(key)
            self.expired += 1
        self.misses += 1
        return None

    def set(self, key: bytes, value: Kept, ttl_s: float | None = None) -> str | None:
        """Remember a value, for so many seconds or without end; why not, in words, when that cannot be.

        What the key had before is forgotten in any case.
        """
        entries = self._entries
        before = entries.pop(key, None)
        if before is not None:
            self.bytes -= before[2]
        size = len(key) + OVERHEAD_BYTES
        if isinstance(value, bytes):
            size += len(value)
        if size > self.max_bytes // LARGEST_SHARE:
            return f"{size} bytes are too many for one value: at most {self.max_bytes // LARGEST_SHARE}"
        expires_s = _NEVER
        if ttl_s is not None:
            if not ttl_s > 0:
                return "the seconds that a value is kept are a number above 0"
            expires_s = self._clock() + ttl_s
            self._drop_oldest_if_expired(expires_s - ttl_s)
        entries[key] = (value, expires_s, size)
        self.bytes += size
        while self.bytes > self.max_bytes:
            _, (_, _, freed) = entries.popitem(last=False)
            self.bytes -= freed
            self.evicted += 1
        return None

    def delete(self, key: bytes) -> None:
        if key in self._entries:
            self._take_out(key)

    def _take_out(self, key: bytes) -> None:
        self.bytes -= self._entries.pop(key)[2]

    def _drop_oldest_if_expired(self, now_s: float) -> None:
        """One for each that comes, so that what nobody asks for again does not stay until it is full."""
        if self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest][1] <= now_s:
                self._take_out(oldest)
                self.expired += 1
