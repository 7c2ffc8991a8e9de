"""The message row: its values, its column order, and its bytes in PostgreSQL's binary COPY format.

Source: PostgreSQL documentation, "COPY", "Binary Format". Knows nothing of where bytes came from.
"""

from enum import IntFlag


class Flag(IntFlag):
    """Facts about a stored message that no field says."""

    NONE = 0
    ARRIVAL_TIME = 1
    """The sender's time was missing or not sensible: stored under the arrival time (its own is in `extra`)."""
    SWAPPED_TIME = 2
    """The sender's time was byte-swapped (rtpengine 2025): stored under the swapped value."""
    NOT_INFLATED = 4
    """The compressed payload could not be inflated; its bytes are stored as they came."""
    LONGER_THAN_LENGTH = 8
    CUT_CHUNK = 16
    UNWRAPPED = 32
