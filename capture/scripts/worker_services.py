"""What scripts of our own API ask of their worker: what it keeps between packets, counts, logs and looks up.

Services of `lua_filters/runtime/services.lua`: plain values in and out, and None and words for what cannot
be, which becomes an error at the script's line. Knows no message.
"""

import hashlib

from capture.scripts.lua import Value
from capture.scripts.saying import MOST_BYTES
from capture.scripts.services import Services
from capture.text import to_text

Outcome = Value | tuple[Value, ...]

_HASHES = {b"md5": hashlib.md5, b"sha1": hashlib.sha1, b"sha256": hashlib.sha256}


class WorkerServices:
    """For one script."""

    def __init__(self, script: str, services: Services) -> None:
        self._script = script
        self._services = services

    def count(self, name: bytes, amount: float, *labels: bytes) -> Outcome:
        """`labels` are names and values in turn."""
        return _refused(self._services.metrics.count(self._script, name, amount, labels))

    def observe(self, name: bytes, value: float, *labels: bytes) -> Outcome:
        return _refused(self._services.metrics.observe(self._script, name, value, labels))

    def say(self, level: bytes, words: bytes, line: int) -> Outcome:
        self._services.sayings.say(level.decode(), to_text(words[:MOST_BYTES]), self._script, line)
        return None

    def cache_get(self, key: bytes) -> Outcome:
        return self._services.cache.get(key)

    def cache_set(self, key: bytes, value: bytes | float | bool, ttl_s: float | None = None) -> Outcome:
        return _refused(self._services.cache.set(key, value, ttl_s))

    def cache_delete(self, key: bytes) -> Outcome:
        self._services.cache.delete(key)
        return None

    def lookup(self, file: bytes, key: bytes) -> Outcome:
        """One value, or a row as names and values in turn; nothing where the table has no such key."""
        return self._services.tables.lookup(file, key)


def hash_of(name: bytes, text: bytes) -> Outcome:
    """Hexadecimal digits."""
    return _HASHES[name](text, usedforsecurity=False).hexdigest().encode()


def _refused(words: str | None) -> Outcome:
    return None if words is None else (None, words.encode())
