"""Which leaves have been kept long enough."""

from capture.route import MessageClass
from capture.settings import RetentionSettings
from capture.store.expiry import FOR_EVER, SLACK_US, expired_leaves, kept_since
from capture.store.partitions import DAY_US, HOUR_US, LOWEST_US, Leaf, PartitionMap

NOW_US = 1_790_000_000_000_000


def a_leaf(message_class: MessageClass, number: int, upper_us: int) -> Leaf:
    return Leaf(message_class, number, upper_us - 2 * HOUR_US, upper_us)


def test_each_class_keeps_what_its_own_setting_says() -> None:
    since = kept_since(RetentionSettings(call="6h", dns="0"), NOW_US)

    assert since[MessageClass.CALL] == NOW_US - 6 * HOUR_US
    assert since[MessageClass.LOG] == NOW_US - 14 * DAY_US
    assert since[MessageClass.DNS] == LOWEST_US


def test_leaf_expires_whole_and_the_slack_later_oldest_first() -> None:
    since = kept_since(RetentionSettings(call="6h", rtcp="6h"), NOW_US)
    edge_us = NOW_US - 6 * HOUR_US - SLACK_US
    calls = [a_leaf(MessageClass.CALL, number, edge_us - number) for number in (0, 1, 5)]
    young = a_leaf(MessageClass.CALL, 9, edge_us + 1)
    rtcp = a_leaf(MessageClass.RTCP, 3, edge_us - 3)

    expired = expired_leaves(PartitionMap([*calls, young, rtcp]), since)

    assert [leaf.number for leaf in expired] == [5, 3, 1, 0]


def test_what_is_kept_for_ever_never_expires() -> None:
    partitions = PartitionMap([Leaf(message_class, 1, LOWEST_US, 1) for message_class in MessageClass])

    assert expired_leaves(partitions, FOR_EVER) == []
    assert expired_leaves(partitions, kept_since(RetentionSettings(call="0"), NOW_US)) != []
