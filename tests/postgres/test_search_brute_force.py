"""Narrowing held to its word: answers and pages equal to what a look at every message finds."""

from collections.abc import AsyncIterator
from random import Random
from socket import AF_INET, AF_INET6, inet_pton

import asyncpg
import pytest

from api.schemas.search import elements_of
from api.search.fields import class_fields
from api.search.query import Position, Query, window
from api.search.snapshot import open_snapshot
from api.search.syntax import Limits, read_elements
from capture.hep.packet import Packet
from capture.route import MessageClass
from capture.settings import StorageSettings
from tests.support.api import Api, add_user, an_api
from tests.support.search_oracle import (
    BUCKET_US,
    BUCKETS,
    START_US,
    Question,
    Sent,
    make_messages,
    make_question,
)
from tests.support.stored import a_packet, store

SEED = 20_261_124
MESSAGES, QUESTIONS, PAGED = 640, 300, 80
CUSTOM = ("X-CID",)


def _packet(sent: Sent) -> Packet:
    family = AF_INET6 if ":" in sent.source else AF_INET
    return a_packet(
        sent.time_us,
        sent.payload,
        protocol_type=sent.protocol_type,
        family=family,
        source=_packed(sent.source),
        destination=_packed(sent.destination),
        source_port=sent.source_port,
        destination_port=sent.destination_port,
        capture_id=sent.capture_id,
        node_name=sent.node_name.encode() if sent.node_name else None,
        correlation_id=sent.correlation_id.encode() if sent.correlation_id else None,
    )


def _packed(address: str) -> bytes:
    return inet_pton(AF_INET6 if ":" in address else AF_INET, address)


@pytest.fixture
async def searched(database_url: str) -> AsyncIterator[tuple[Api, list[Sent]]]:
    """Everything stored, the older half by a worker that keyed less, and `to_user` by another rule."""
    messages = make_messages(Random(SEED), MESSAGES)
    shuffled = Random(SEED).sample(messages, len(messages))
    middle_us = START_US + 2 * BUCKET_US
    storage = StorageSettings(partition_hours=1)
    older = [_packet(sent) for sent in shuffled if sent.time_us < middle_us]
    newer = [_packet(sent) for sent in shuffled if sent.time_us >= middle_us]
    await store(database_url, older, storage=storage)
    await _forget_a_rule(database_url)
    await store(database_url, newer, storage=storage, custom_headers=CUSTOM)
    async with an_api(database_url, custom_headers=CUSTOM) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())
        assert await _buckets(api) == BUCKETS
        yield api, messages


async def _forget_a_rule(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("update keying set rules = rules || '{\"to_user\": 0}'")
    for key in ("1_call", "1_registration", "1_default"):
        await connection.execute(f"update keys_{key} set to_user = null")
    await connection.close()


async def _buckets(api: Api) -> int:
    async with open_snapshot(api.context.engine, CUSTOM, 30) as snapshot:
        groups = (await snapshot.buckets([MessageClass.CALL], *window(0, 2**50)))[MessageClass.CALL]
    return sum(len(group.lowers) for group in groups)


async def test_answers_and_pages_equal_a_look_at_every_message(searched: tuple[Api, list[Sent]]):
    api, messages = searched
    random = Random(SEED + 1)
    answered = 0

    for number in range(QUESTIONS):
        question = make_question(random, messages)
        expected = question.answer(messages)

        answer = await api.client.post("/api/v3/search/call/data", json=question.body())

        assert answer.status_code == 201, (question, answer.text)
        assert "X-Rhapsode-Warning" not in answer.headers, (question, answer.headers)
        rows = answer.json()["data"]
        found = [row["timeSeconds"] * 1_000_000 + row["timeUseconds"] for row in rows]
        assert found == expected[-question.limit :], question
        cut = answer.headers.get("X-Rhapsode-Incomplete")
        assert cut == ("limit" if len(expected) > question.limit else None), question
        answered += bool(expected)
        if number < PAGED:
            limit = max(random.choice([1, 3, 40]), len(expected) // 8)
            assert await _pages(api, question, limit) == expected[::-1], question

    # Questions that nothing answers prove little.
    assert answered > QUESTIONS * 0.6


async def _pages(api: Api, question: Question, limit: int) -> list[int]:
    """All matches, newest first, page by page."""
    message_class = MessageClass(question.key)
    fields = class_fields(message_class, CUSTOM)
    elements = elements_of(question.elements)
    reading = read_elements(elements, fields, Limits(200, 10_000), any_of=question.any_of)
    query = Query(message_class, *window(question.from_ms, question.to_ms), limit, reading.where)
    times: list[int] = []
    after: Position | None = None
    while True:
        page = await api.context.searcher.page(query, after)
        assert len(page.rows) <= limit
        times += [found.stored.time_us for found in page.rows]
        if page.incomplete is None:
            return times
        assert page.incomplete == "limit"
        assert page.next is not None
        after = page.next
