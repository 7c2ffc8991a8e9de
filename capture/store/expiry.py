"""What has been kept long enough: the oldest time that each class keeps, the leaves that are past it.

A packet older than its class's retention is not stored, and a leaf goes some minutes after the last moment
in which one could have been: so a leaf never goes while a worker holds rows for it. Pure: no connection, no
clock.
"""

from collections.abc import Mapping

from capture.route import MessageClass
from capture.settings import RetentionSettings
from capture.store.partitions import LOWEST_US, Leaf, PartitionMap

SLACK_US = 300_000_000
"""How much longer than its retention a leaf stays. A worker looks at the clock every minute, and what it then
takes for young enough is in the database within 90 s, or the batch has failed."""

KeptSince = Mapping[MessageClass, int]
"""The oldest capture time that each class keeps, microseconds since the Unix epoch."""

FOR_EVER: KeptSince = dict.fromkeys(MessageClass, LOWEST_US)


def kept_since(retention: RetentionSettings, now_us: int) -> KeptSince:
    """What each class keeps at this moment."""
    kept = {message_class: retention.kept_us(message_class.retention_key) for message_class in MessageClass}
    return {
        message_class: LOWEST_US if length_us is None else now_us - length_us
        for message_class, length_us in kept.items()
    }


def expired_leaves(partitions: PartitionMap, since: KeptSince) -> list[Leaf]:
    """The leaves in which nothing is young enough, oldest first."""
    expired = [
        leaf
        for message_class in MessageClass
        for leaf in partitions.leaves(message_class)
        if leaf.upper_us <= since[message_class] - SLACK_US
    ]
    return sorted(expired, key=lambda leaf: leaf.upper_us)
