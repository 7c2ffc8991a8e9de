"""Texts that break what believes its input, in messages and in what is searched for.

Each finds itself alone; `%` and `_` stand for others only where they are said to.
"""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support.api import Api, add_user, an_api
from tests.support.hostile_values import TEXTS
from tests.support.stored import a_packet, store

START_US = 1_765_000_000_000_000
WINDOW = {"from": START_US // 1000, "to": START_US // 1000 + 60_000}
SYNTAX = re.compile(r"[%;]|!=|\|\||[<>]|isEmpty|isNull")
"""What makes of a value more than a text."""
LONG = "é" * 2000
"""More than a pattern may have."""
AGENTS = [
    *(text for name, text in TEXTS.items() if name not in ("lines", "megabyte", "empty", "blank")),
    *(
        "a_b",
        "aXb",
        "a%b",
        "aXXb",
        "a_%b",
        "A_B",
        "a\\_b",
        "a\\%b",
        "ab",
        "a''b",
        "a&#39;b",
        "a&b",
        "a?b",
        "[ab]",
    ),
    *("a,b", "a*b", "{a}", "$1", "(a", "a)", "a--b", "a/*b*/", "\u00e4", "a\u0308", LONG),
]
"""A message each says one of these."""


def literal(text: str) -> bool:
    return SYNTAX.search(text) is None


def shown(text: str) -> str:
    """As stored text is: without what PostgreSQL's cannot hold."""
    return text.replace("\0", "\ufffd").strip(" \t")


def like(pattern: str, text: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> bool:
    """As SQL has it, without an escape."""
    parts = [{"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern]
    return re.fullmatch("".join(parts), text, flags | re.DOTALL) is not None


def sip(agent: str, number: int) -> bytes:
    return (
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n"
        "From: <sip:alice@example.com>;tag=9f\r\nTo: <sip:bob@example.org>\r\n"
        f"Call-ID: call-{number}\r\nCSeq: 1 INVITE\r\nUser-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    packets = [a_packet(START_US + number, sip(agent, number)) for number, agent in enumerate(AGENTS)]
    await store(database_url, packets)
    async with an_api(database_url) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())
        yield api


async def found(api: Api, name: str, value: str) -> list[str]:
    """The agents of the messages."""
    element = {"name": name, "value": value, "type": "string"}
    body = {"param": {"search": {"1_call": [element]}}, "timestamp": WINDOW}
    answer = await api.client.post("/api/v3/search/call/data", json=body)
    assert answer.status_code == 201, answer.text
    return sorted(row["user_agent"] for row in answer.json()["data"])


def those(which: Callable[[str], bool]) -> list[str]:
    return sorted(shown(agent) for agent in AGENTS if which(shown(agent)))


async def test_text_finds_itself_alone(api: Api) -> None:
    texts = [agent for agent in AGENTS if literal(agent)]

    wrong = {
        text: rows
        for text in texts
        if (rows := await found(api, "data_header.user_agent", text)) != [shown(text)]
    }

    assert wrong == {}
    assert len(texts) > 30


async def test_percent_and_underscore_stand_for_others_as_soon_as_there_is_a_percent(api: Api) -> None:
    for pattern in (
        "%",
        "a%b",
        "a_%b",
        "%_b",
        "%\\%",
        "%'%",
        '%"%',
        "%?%",
        "%😀%",
        "%\u202e%",
        "%a\0%",
        "a%%b",
    ):
        expected = those(lambda agent, pattern=pattern: like(shown(pattern), agent))
        assert await found(api, "data_header.user_agent", pattern) == expected, pattern
        assert expected, pattern


async def test_text_is_found_within_payloads(api: Api) -> None:
    for text in AGENTS:
        if re.search(r"[%\0]|\|\||!=", text) is None and text != LONG:
            payloads = [(agent, sip(agent, number).decode()) for number, agent in enumerate(AGENTS)]
            expected = [
                shown(agent) for agent, payload in payloads if like(f"%{text}%", payload, re.IGNORECASE)
            ]
            assert shown(text) in expected
            assert await found(api, "raw", f"%{text}%") == sorted(expected), text


async def test_text_in_quotes_finds_itself_by_smart_input(api: Api) -> None:
    for text in AGENTS:
        if literal(text) and "'" not in text:
            rows = await found(api, "smartinput", f"data_header.user_agent = '{text}'")
            assert rows == [shown(text)], text


async def test_call_id_is_never_a_pattern(api: Api, database_url: str) -> None:
    calls = ["a%b", "aXb", "a_b", "%", "_", "'\"", "a;b", "!=a", "||a", "isEmpty", "😀", "\\", "a\u202eb"]
    packets = [
        a_packet(START_US + 1000 + n, sip("x", 0).replace(b"call-0", call.encode()))
        for n, call in enumerate(calls)
    ]
    await store(database_url, packets)

    for call in calls:
        body: dict[str, Any] = {"param": {"search": {"1_call": {"callid": [call]}}}, "timestamp": WINDOW}
        answer = (await api.client.post("/api/v3/call/transaction", json=body)).json()
        assert [row["callid"] for row in answer["data"]["messages"]] == [call]
