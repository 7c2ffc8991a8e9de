"""What the route answers where a message cannot be taken apart, or is none."""

from typing import Any

import pytest

from api.settings import TsharkSettings
from tests.support.api import add_user, an_api
from tests.support.database import fetch
from tests.support.importing import NOW_US, a_message
from tests.support.stored import a_packet, store

ROUTE = "/api/v3/search/call/decode/message"
OFF = TsharkSettings(enabled=False)


def body(*numbers: int, profile: str = "1_call") -> dict[str, Any]:
    return {
        "timestamp": {"from": NOW_US // 1000 - 5000, "to": NOW_US // 1000 + 5000},
        "param": {"search": {profile: {"uuid": list(numbers)}}},
    }


async def test_message_is_an_empty_object_with_words_where_there_is_no_tshark(database_url: str) -> None:
    await store(database_url, [a_packet(NOW_US, a_message())])
    ((number,),) = await fetch(database_url, "select id from messages_1_call")

    async with an_api(database_url, tshark=OFF) as api:
        await add_user(api.context.engine)
        answer = await api.client.post(ROUTE, json=body(number), headers=await api.log_in())
        await api.context.audit.flush()

    # As Homer 7 answered where it had no decoder.
    assert (answer.status_code, answer.json()) == (201, {"data": [{}], "total": 1})
    assert "dissection is switched off" in answer.headers["X-Rhapsode-Warning"]
    assert await fetch(database_url, "select object from audit where action = 'view payload'") == [
        (f"1_call {number}",)
    ]


async def test_message_without_its_payload_is_not_taken_apart_as_an_empty_one(database_url: str) -> None:
    await store(database_url, [a_packet(NOW_US, a_message())])
    ((number,),) = await fetch(
        database_url, "update messages_1_call set raw_codec = 1, raw = '\\xdeadbeef' returning id"
    )

    async with an_api(database_url) as api:
        await add_user(api.context.engine)
        answer = await api.client.post(ROUTE, json=body(number), headers=await api.log_in())

    assert answer.json() == {"data": [{}], "total": 1}
    assert answer.headers["X-Rhapsode-Warning"].startswith("stored payload cannot be read: ")


async def test_only_the_first_of_many_messages_are_taken_apart(database_url: str) -> None:
    await store(database_url, [a_packet(NOW_US + number, a_message(number)) for number in range(12)])
    numbers = [number for (number,) in await fetch(database_url, "select id from messages_1_call")]

    async with an_api(database_url, tshark=OFF) as api:
        await add_user(api.context.engine)
        answer = await api.client.post(ROUTE, json=body(*numbers), headers=await api.log_in())

    assert answer.json()["total"] == 10
    assert answer.headers["X-Rhapsode-Warning"].startswith("only the first 10 of 12 messages")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (body(), "no ID or UUID has been provided"),
        (body(1, profile="9_call"), 'invalid search profile key: "9_call"'),
    ],
)
async def test_question_without_a_message_is_refused(
    database_url: str, asked: dict[str, Any], words: str
) -> None:
    async with an_api(database_url, tshark=OFF) as api:
        await add_user(api.context.engine)
        headers = await api.log_in()
        answer = await api.client.post(ROUTE, json=asked, headers=headers)
        without = await api.client.post(ROUTE, json=asked)

    assert (answer.status_code, answer.json()["message"]) == (400, words)
    assert without.status_code == 401


async def test_words_in_place_of_an_id_are_of_no_message(database_url: str) -> None:
    """The web UI sends them when a log line of a ladder is clicked on, and shows an error where it is one."""
    asked = body(1, profile="100_default")
    asked["param"]["search"] = {"100_default": {"uuid": ["(HEP-LOG) request INVITE from alice"]}}
    async with an_api(database_url, tshark=OFF) as api:
        await add_user(api.context.engine)
        answer = await api.client.post(ROUTE, json=asked, headers=await api.log_in())

    assert (answer.status_code, answer.json()) == (201, {"total": 0, "data": []})
    assert answer.headers["X-Rhapsode-Warning"] == "an id is no number"
