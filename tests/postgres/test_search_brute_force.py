"""Narrowing held to its word: answers and pages equal to what a look at every message finds.

The answers expected come from how the messages were written (`tests.support.search_messages`) and from the
description of the value syntax (`tests.support.search_oracle`); they share nothing with the code under test.
Pages are asked of the searcher, with the condition that the API read: HTTP has no pages yet.

`SEARCH_QUESTIONS=5000 SEARCH_SEED=7 SEARCH_CALLS=1000` ask for more, and for others.
"""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from api.schemas.search import elements_of
from api.search.fields import class_fields
from api.search.query import Position, Query, window
from api.search.syntax import Limits, read_elements
from capture.route import MessageClass
from tests.support.api import Api, add_user, an_api
from tests.support.search_filters import TAGS
from tests.support.search_messages import Sent
from tests.support.search_oracle import Question, make_question, transaction
from tests.support.search_storing import CUSTOM, ROUNDS, store_traffic
from tests.support.search_traffic import HOUR_US, make_traffic

SEED = int(os.environ.get("SEARCH_SEED", "20261124"))
QUESTIONS = int(os.environ.get("SEARCH_QUESTIONS", "250"))
CALLS = int(os.environ.get("SEARCH_CALLS", "170"))
READ_OTHERWISE = ("id", "create_date", "time_seconds", "time_useconds")
PAGED = 4
"""One question in so many is asked page by page too."""

pytestmark = pytest.mark.timeout(120 + QUESTIONS // 4 + CALLS // 4)


@pytest.fixture
async def searched(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Api, list[Sent]]]:
    """Everything stored, and what is there of it."""
    day_us = 24 * HOUR_US
    base_us = (time.time_ns() // 1000 // day_us - 1) * day_us
    random = Random(SEED)
    traffic = make_traffic(random, base_us, CALLS, len(ROUNDS))
    messages = await store_traffic(database_url, tmp_path, traffic, base_us, random)
    async with an_api(database_url, custom_headers=CUSTOM) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())
        yield api, messages


async def test_answers_equal_a_look_at_every_message(searched: tuple[Api, list[Sent]]) -> None:
    api, messages = searched
    for message_class in MessageClass:
        known = {name for message in messages if message.key == message_class.key for name in message.fields}
        assert known == set(class_fields(message_class, CUSTOM, TAGS)), "every field can be asked for"
    await _fields_are_right(api, messages)
    await _searches_are_right(api, messages)
    await _transactions_are_right(api, messages)


async def _fields_are_right(api: Api, messages: list[Sent]) -> None:
    """Each message has the fields that it was sent with, or was given by a script."""
    whole = messages[0].time_us, messages[-1].time_us
    for message_class in MessageClass:
        page = await api.context.searcher.page(Query(message_class, *whole, len(messages)))
        known = class_fields(message_class, CUSTOM, TAGS).items()
        names = sorted(name for name, field in known if field.internal not in READ_OTHERWISE)
        internal = [class_fields(message_class, CUSTOM, TAGS)[name].internal for name in names]
        read = [[row.fields.get(name) for name in internal] for row in page.rows]
        mine = [message for message in messages if message.key == message_class.key]
        sent = [[message.fields[name] for name in names] for message in mine]
        assert sorted(read, key=repr) == sorted(sent, key=repr), f"{names} of seed {SEED}"


async def _searches_are_right(api: Api, messages: list[Sent]) -> None:
    random = Random(SEED + 1)
    answered = 0

    for number in range(QUESTIONS):
        question = make_question(random, messages)
        expected = question.answer(messages)

        answer = await api.client.post("/api/v3/search/call/data", json=question.body())

        said = f"question {number} of seed {SEED}: {question.body()}"
        assert answer.status_code == 201, (said, answer.text)
        assert "X-Rhapsode-Warning" not in answer.headers, (said, answer.headers)
        rows = answer.json()["data"]
        found = [row["timeSeconds"] * 1_000_000 + row["timeUseconds"] for row in rows]
        assert found == expected[-question.limit :], said
        assert len({row["id"] for row in rows}) == len(rows), said
        cut = answer.headers.get("X-Rhapsode-Incomplete")
        assert cut == ("limit" if len(expected) > question.limit else None), said
        answered += bool(expected)
        if number % PAGED == 0 and len(question.parts) == 1:
            limit = max(random.choice([1, 3, 40]), len(expected) // 8)
            assert await _pages(api, question, limit) == expected[::-1], said

    # Questions that nothing answers prove little.
    assert answered > QUESTIONS * 0.6


async def _transactions_are_right(api: Api, messages: list[Sent]) -> None:
    random = Random(SEED + 2)
    window = {"from": messages[0].time_us // 1000, "to": messages[-1].time_us // 1000}
    for _ in range(QUESTIONS // 10):
        call_ids = {str(random.choice(messages).fields["sid"]) for _ in range(random.choice([1, 1, 3]))}
        body = {"param": {"search": {"1_call": {"callid": sorted(call_ids)}}}, "timestamp": window}

        answer = await api.client.post("/api/v3/call/transaction", json=body)

        rows = answer.json()["data"]["messages"]
        found = [round(row["micro_ts"] * 1000) for row in rows]
        assert found == transaction(call_ids, messages), f"{call_ids} of seed {SEED}"
        assert len({row["id"] for row in rows}) == len(rows)


async def _pages(api: Api, question: Question, limit: int) -> list[int]:
    """All matches, newest first, page by page."""
    ((key, part),) = question.parts.items()
    message_class = MessageClass(key)
    fields = class_fields(message_class, CUSTOM, TAGS)
    elements = elements_of(part.elements)
    reading = read_elements(elements, fields, Limits(200, 10_000), any_of=question.any_of)
    query = Query(message_class, *window(question.from_ms, question.to_ms), limit, reading.where)
    found: list[tuple[int, int]] = []
    after: Position | None = None
    while True:
        page = await api.context.searcher.page(query, after)
        assert len(page.rows) <= limit
        found += [(row.stored.time_us, row.stored.id) for row in page.rows]
        if page.incomplete is None:
            assert found == sorted(set(found), reverse=True)
            return [time_us for time_us, _ in found]
        assert page.incomplete == "limit"
        assert page.next is not None
        after = page.next
