"""What waits for one listener: in order, bounded, every gap in its place."""

import asyncio

import pytest

from api.feed import subscription as module
from api.feed.subscription import Gap, Subscription, Why
from api.search.decide import Found
from api.search.match import compile_match
from api.search.query import EVERYTHING, Condition, Operator
from capture.fields import StoredMessage
from capture.route import MessageClass


def a_found(number: int, message_class: MessageClass = MessageClass.CALL) -> Found:
    address = "192.0.2.1"
    stored = StoredMessage(
        message_class,
        number,
        1,
        0,
        1,
        address,
        1,
        address,
        2,
        0,
        1,
        17,
        "INVITE",
        None,
        None,
        "c",
        None,
        None,
        b"",
    )
    return Found(stored, {"id": number}, None)


def a_subscription(*classes: MessageClass) -> Subscription:
    subscription = Subscription()
    subscription.wanted = dict.fromkeys(classes or (MessageClass.CALL,), compile_match(EVERYTHING))
    return subscription


def offer(subscription: Subscription, *numbers: int) -> None:
    for number in numbers:
        subscription.offer(a_found(number), lambda _, number=number: str(number).encode())  # type: ignore[misc]


async def test_messages_come_in_their_order_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    subscription = a_subscription()
    offer(subscription, 1, 2, 3)

    assert await subscription.take() == [b"1", b"2"]
    assert await subscription.take() == [b"3"]


async def test_what_does_not_match_is_neither_rendered_nor_counted() -> None:
    def never(with_payload: bool) -> bytes:
        raise AssertionError("rendered in vain")

    subscription = Subscription()
    subscription.wanted = {MessageClass.CALL: compile_match(Condition("id", Operator.EQUAL, (7,)))}
    subscription.offer(a_found(6), never)
    subscription.offer(a_found(7, MessageClass.RTCP), never)
    offer(subscription, 7)

    assert await subscription.take() == [b"7"]


async def test_slow_listener_is_told_how_many_it_has_missed_and_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_MESSAGES", 3)
    subscription = a_subscription()
    offer(subscription, 1, 2, 3, 4, 5)

    assert await subscription.take() == [b"1", b"2", b"3"]
    offer(subscription, 6)
    assert await subscription.take() == Gap(Why.SLOW, 2)
    assert await subscription.take() == [b"6"]


async def test_what_waits_is_bounded_by_its_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    subscription = a_subscription()
    for number in range(5):
        subscription.offer(a_found(number), lambda _: b"eight by")

    assert await subscription.take() == [b"eight by"] * 2
    assert await subscription.take() == Gap(Why.SLOW, 3)
    subscription.offer(a_found(9), lambda _: b"again")
    assert await subscription.take() == [b"again"]


async def test_gaps_of_one_kind_become_one_and_others_stay_apart() -> None:
    subscription = a_subscription()
    for gap in (
        Gap(Why.UNREAD, 2),
        Gap(Why.UNREAD, 3),
        Gap(Why.GONE, 1),
        Gap(Why.DATABASE, None),
        Gap(Why.DATABASE, None),
    ):
        subscription.miss(gap)

    taken = [await subscription.take() for _ in range(3)]
    assert taken == [Gap(Why.UNREAD, 5), Gap(Why.GONE, 1), Gap(Why.DATABASE, None)]


async def test_who_waits_is_woken() -> None:
    subscription = a_subscription()
    waiting = asyncio.create_task(subscription.take())
    await asyncio.sleep(0)

    offer(subscription, 1)

    assert await asyncio.wait_for(waiting, 5) == [b"1"]


async def test_payload_is_rendered_for_who_asked() -> None:
    subscription = a_subscription()
    subscription.with_payload = True
    subscription.offer(a_found(1), lambda with_payload: b"whole" if with_payload else b"short")

    assert await subscription.take() == [b"whole"]
