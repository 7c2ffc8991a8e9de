"""The number that joins a call's messages and keys.

Knows nothing of where a session id comes from.
"""

import xxhash


def call_hash(session_id: str) -> int:
    """xxh3-64 of the UTF-8 text, signed as PostgreSQL's bigint is.

    A collision may cost time, never a wrong answer.
    """
    value = xxhash.xxh3_64_intdigest(session_id.encode())
    return value - (1 << 64) if value >> 63 else value
