"""Which messages training sees."""

from collections import Counter

from capture.route import MessageClass
from capture.store.codec import PLAIN, PayloadCodec
from capture.store.partitions import DAY_US, HOUR_US, Leaf
from capture.store.sampling import BLOCKS, LEAST_BLOCKS, MOST_MESSAGES, StoredPayload, choose, shares

NOON_US = 1_790_000_000_000_000


def a_leaf(number: int, lower_us: int, message_class: MessageClass = MessageClass.CALL) -> Leaf:
    return Leaf(message_class, number, lower_us, lower_us + 2 * HOUR_US)


def rows(calls: int, messages: int) -> list[StoredPayload]:
    return [
        StoredPayload(call, PLAIN, b"%d/%d" % (call, n)) for call in range(calls) for n in range(messages)
    ]


def test_at_most_two_messages_of_a_call_are_taken() -> None:
    sample = choose(rows(50, 20), PayloadCodec())

    calls = Counter(payload.partition(b"/")[0] for payload in [*sample.training, *sample.judging])
    assert len(calls) == 50
    assert set(calls.values()) == {2}


def test_judging_is_by_other_calls_than_training() -> None:
    sample = choose(rows(500, 2), PayloadCodec())

    def calls(payloads: list[bytes]) -> set[bytes]:
        return {payload.partition(b"/")[0] for payload in payloads}

    assert calls(sample.training) & calls(sample.judging) == set()
    assert len(sample.judging) == 200


def test_sample_is_bounded_in_messages_and_bytes_and_begins_nowhere_in_particular() -> None:
    many = choose(rows(20_000, 1), PayloadCodec())
    large = choose([StoredPayload(n, PLAIN, bytes(100_000)) for n in range(200)], PayloadCodec())

    assert len(many.training) + len(many.judging) == MOST_MESSAGES
    assert max(int(payload.partition(b"/")[0]) for payload in many.training) > 19_000
    assert len(large.training) + len(large.judging) == 41


def test_payloads_that_cannot_be_read_are_passed_over() -> None:
    sample = choose([StoredPayload(1, 7, b"?"), StoredPayload(2, PLAIN, b"good")], PayloadCodec())

    assert [*sample.training, *sample.judging] == [b"good"]


def test_every_leaf_of_the_last_day_has_its_share_and_a_small_one_a_little_more() -> None:
    big = a_leaf(1, NOON_US)
    small = a_leaf(2, NOON_US - 20 * HOUR_US, MessageClass.RTCP)
    sizes = [
        (big, 60_000),
        (small, 100),
        (a_leaf(3, NOON_US - 25 * HOUR_US), 9),
        (a_leaf(4, NOON_US + DAY_US), 0),
    ]

    shared = dict(shares(sizes))

    assert set(shared) == {big, small}
    assert round(shared[big] / 100 * 60_000) in range(BLOCKS - 2, BLOCKS + 1)
    assert round(shared[small] / 100 * 100) == LEAST_BLOCKS


def test_few_blocks_are_all_read_and_nothing_stored_gives_nothing() -> None:
    assert shares([(a_leaf(1, NOON_US), 3)]) == [(a_leaf(1, NOON_US), 100.0)]
    assert shares([(a_leaf(1, NOON_US), 0)]) == []
    assert shares([]) == []
