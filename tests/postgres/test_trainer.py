"""Training on a real database: what it is trained on, who trains, and what is left by one that dies."""

import asyncio
import os
import subprocess
import sys

import msgspec
import psutil
import pytest

from capture.store.codec import PLAIN, PayloadCodec
from capture.store.connection import Connection
from capture.store.dictionaries import (
    Trained,
    all_dictionaries,
    dictionary_to_write_with,
    keep_trained,
    listed_dictionaries,
    shipped,
)
from capture.store.partitions import DAY_US
from capture.store.sampling import MOST_OF_CALL, read_sample
from capture.store.trainer import LOCK, Order, Report, start, train_once
from tests.support import sender
from tests.support.database import connected
from tests.support.rhapsode import environment
from tests.support.stored import a_packet, store

TIME_US = 1_790_000_000_000_000
MESSAGES = 1200
SIP = ("call", "registration", "default")


async def stored_messages(url: str, count: int = MESSAGES, since_us: int = TIME_US) -> list[bytes]:
    payloads = [sender.payload(number) for number in range(count)]
    await store(url, [a_packet(since_us + n * 1000, payload) for n, payload in enumerate(payloads)])
    return payloads


def an_order(url: str, newest: int | None = None) -> Order:
    return Order(url, 3, os.getpid(), newest)


def report_of(process: "subprocess.Popen[bytes]") -> Report:
    try:
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    return msgspec.json.decode(said, type=Report)


def a_parent(script: str, url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", script, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    )


async def test_trained_dictionary_is_stored_with_its_figures_and_does_better(database_url: str) -> None:
    payloads = await stored_messages(database_url)

    report = await asyncio.to_thread(report_of, start(an_order(database_url)))

    assert report.outcome == "trained"
    assert report.after_bytes < report.before_bytes * 0.7
    async with connected(database_url) as connection:
        in_use = await dictionary_to_write_with(connection)
        of_release = await shipped(connection)
        *_, listed = await listed_dictionaries(connection)
    assert in_use.id == report.dictionary == listed.id != of_release.id
    assert listed[1:4] == (report.messages, report.plain_bytes, report.after_bytes)
    codec = PayloadCodec(in_use)
    assert codec.decode(*codec.encode(payloads[0])) == payloads[0]


async def test_of_two_trainers_at_once_one_trains(database_url: str) -> None:
    await stored_messages(database_url)

    order = an_order(database_url)
    racing = [start(order) for _ in range(3)]
    outcomes = [(await asyncio.to_thread(report_of, process)).outcome for process in racing]

    assert outcomes.count("trained") == 1
    assert {outcome for outcome in outcomes if outcome != "trained"} <= {"busy", "changed"}
    async with connected(database_url) as connection:
        trained = [listed for listed in await listed_dictionaries(connection) if listed.trained_on]
    assert len(trained) == 1


async def test_trainer_does_nothing_while_another_holds_the_lock(database_url: str) -> None:
    await stored_messages(database_url, 300)

    async with connected(database_url) as other:
        await other.execute(f"select pg_advisory_lock({LOCK})")
        report = await train_once(an_order(database_url))

    assert report == Report("busy")


async def test_trainer_that_was_second_looks_again_under_the_lock(database_url: str) -> None:
    await stored_messages(database_url, 300)
    async with connected(database_url) as connection:
        await keep_trained(connection, b"by another", Trained(10, 1000, 200))

    report = await train_once(an_order(database_url, newest=None))

    assert report == Report("changed")


async def test_dictionary_that_would_be_no_better_is_not_kept(database_url: str) -> None:
    await stored_messages(database_url)
    first = await train_once(an_order(database_url))

    second = await train_once(an_order(database_url, newest=first.dictionary))

    assert (first.outcome, second.outcome) == ("trained", "kept")
    assert second.dictionary == first.dictionary
    async with connected(database_url) as connection:
        assert (await dictionary_to_write_with(connection)).id == first.dictionary


async def test_traffic_that_has_changed_brings_another_dictionary_and_the_old_rows_stay_readable(
    database_url: str,
) -> None:
    payloads = await stored_messages(database_url)
    first = await train_once(an_order(database_url))
    new = [
        b"OPTIONS sip:n%d@new.example SIP/2.0\r\nVia: SIP/2.0/TLS [2001:db8::%x];branch=z9hG4bKnew%d\r\n"
        b"X-Vendor-Cookie: %s\r\nCall-ID: new-%d\r\nCSeq: 1 OPTIONS\r\n\r\n"
        % (n, n % 9999, n, b"a constant that no other vendor sends, and rather a long one" * 4, n)
        for n in range(800)
    ]
    later_us = TIME_US + 2 * DAY_US
    await store(database_url, [a_packet(later_us + n, payload) for n, payload in enumerate(new)])

    second = await train_once(an_order(database_url, newest=first.dictionary))

    assert second.outcome == "trained"
    assert second.dictionary > first.dictionary
    async with connected(database_url) as connection:
        codec = PayloadCodec()
        for number, content in (await all_dictionaries(connection)).items():
            codec.add(number, content)
        rows = await connection.fetch(
            tuple[int, bytes],
            " union all ".join(f"select raw_codec, raw from messages_1_{name}" for name in SIP),
        )
    assert sorted(codec.decode(*row) for row in rows) == sorted([*payloads, *new])


async def test_few_messages_are_nothing_to_learn_from(database_url: str) -> None:
    await stored_messages(database_url, 30)

    report = await train_once(an_order(database_url))

    assert report.outcome == "few"
    assert report.messages == 30 // sender.MESSAGES_PER_CALL * MOST_OF_CALL


async def test_sample_is_of_the_last_day_of_every_class_and_of_few_messages_a_call(database_url: str) -> None:
    await store(database_url, [a_packet(TIME_US - 3 * DAY_US, b"old " + sender.payload(1))])
    await stored_messages(database_url)
    report = b'{"ssrc":%d,"type":200,"report_count":1}'
    await store(
        database_url,
        [a_packet(TIME_US + n, report % n, protocol_type=5, correlation_id=b"%d" % n) for n in range(200)],
    )

    async with connected(database_url) as connection:
        sample = await read_sample(connection)

    taken = [*sample.training, *sample.judging]
    sip = [payload for payload in taken if b"SIP/2.0" in payload]
    calls = [sender.number_of(payload) // sender.MESSAGES_PER_CALL for payload in sip]
    assert len(sip) == MESSAGES // sender.MESSAGES_PER_CALL * MOST_OF_CALL
    assert max(map(calls.count, set(calls))) == MOST_OF_CALL
    assert len(taken) - len(sip) == 200
    assert not any(payload.startswith(b"old ") for payload in taken)
    assert not set(sample.training) & set(sample.judging)
    assert len(sample.judging) > len(taken) / 10


async def test_payload_that_cannot_be_read_is_left_out(database_url: str) -> None:
    await stored_messages(database_url, 60)
    async with connected(database_url) as connection:
        await connection.execute(
            "update messages_1_call set raw_codec = 99 where call in (select min(call) from messages_1_call)"
        )

        sample = await read_sample(connection)

    readable = 60 // sender.MESSAGES_PER_CALL - 1
    assert len(sample.training) + len(sample.judging) == readable * MOST_OF_CALL


async def test_killed_trainer_leaves_nothing_and_the_next_one_trains(database_url: str) -> None:
    await stored_messages(database_url)
    async with connected(database_url) as held:
        # Where it reads its sample, it waits for us: so that it is killed amid its work, lock in hand.
        await held.execute("begin")
        await held.execute("lock table messages_1_call in access exclusive mode")
        victim = start(an_order(database_url))
        await _until_waiting(held)
        victim.kill()
        victim.communicate()
        await held.execute("rollback")

    async with connected(database_url) as connection:
        assert not [listed for listed in await listed_dictionaries(connection) if listed.trained_on]
        await _until_free(connection)
    assert (await train_once(an_order(database_url))).outcome == "trained"


async def test_trainer_has_a_low_priority_and_ends_with_its_parent(database_url: str) -> None:
    await stored_messages(database_url, 300)
    script = (
        "import os, sys; from capture.store.trainer import Order, start;"
        "print(start(Order(sys.argv[1], 3, os.getpid(), None)).pid, flush=True); sys.stdin.read()"
    )
    async with connected(database_url) as held:
        await held.execute("begin")
        await held.execute("lock table messages_1_call in access exclusive mode")
        parent = a_parent(script, database_url)
        assert parent.stdout is not None
        trainer = psutil.Process(int(await asyncio.to_thread(parent.stdout.readline)))
        await _until_waiting(held)
        priority = trainer.nice()
        parent.kill()
        parent.communicate()
        await asyncio.to_thread(psutil.wait_procs, [trainer], 10)

        assert priority >= 10
        assert not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE
        await held.execute("rollback")


async def test_trainer_without_a_database_says_so(database_url: str) -> None:
    order = Order("postgresql://nobody@127.0.0.1:1/none", 3, os.getpid(), None)

    report = await asyncio.to_thread(report_of, start(order))

    assert report.outcome == "failed"
    assert "connection" in report.words


@pytest.mark.parametrize("level", [1, 19])
async def test_dictionary_serves_the_level_that_is_set(database_url: str, level: int) -> None:
    await stored_messages(database_url, 600)

    report = await train_once(Order(database_url, level, os.getpid(), None))

    assert report.outcome == "trained"
    assert report.dictionary > PLAIN


async def _until_waiting(connection: Connection) -> None:
    """Until somebody waits for a lock that this connection holds; the server tells no other way."""
    query = (
        "select count(*) from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    )
    async with asyncio.timeout(30):
        while (await connection.fetch(tuple[int], query))[0][0] == 0:  # noqa: ASYNC110 # see above
            await asyncio.sleep(0.01)


async def _until_free(connection: Connection) -> None:
    """Until the server has noticed the death of who held the trainer's lock."""
    query = "select count(*) from pg_locks where locktype = 'advisory'"
    async with asyncio.timeout(30):
        while (await connection.fetch(tuple[int], query))[0][0]:  # noqa: ASYNC110 # the same
            await asyncio.sleep(0.01)
