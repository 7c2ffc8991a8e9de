"""What is stored, read without the code under test: payloads as a multiset, and whether keys lead to them."""

import asyncio
from collections import Counter
from typing import NamedTuple

import asyncpg
import xxhash
import zstandard

from tests.support.sender import MESSAGES_PER_CALL, call_id, number_of

SIP_CLASSES = ("1_call", "1_registration", "1_default")


class Stored(NamedTuple):
    """A message row."""

    leaf: str
    """Class and number of its leaf tables."""
    payload: bytes


def stored_payloads(url: str) -> Counter[bytes]:
    """The payload of every stored SIP message."""
    return Counter(message.payload for message in asyncio.run(_stored(url)))


def lost_to_searches(url: str) -> list[int]:
    """Numbers of the sender's packets that are stored, but stand in no key row of their call and bucket.

    What must be there follows from the number: caller, user agent, and in a request other than REGISTER the
    callee.
    """
    messages, keys = asyncio.run(_stored_and_keys(url))
    return [
        number
        for message in messages
        for number in [number_of(message.payload)]
        if any((message.leaf, _call(number), *key) not in keys for key in _keys_of(number, message.payload))
    ]


def _keys_of(number: int, payload: bytes) -> list[tuple[str, str]]:
    call = number // MESSAGES_PER_CALL
    keys = [("from_user", f"1{call % 90000:05d}"), ("user_agent", f"Numbered/{call % 7}")]
    if payload.startswith((b"INVITE ", b"ACK ", b"BYE ", b"OPTIONS ")):
        keys.append(("ruri_user", f"2{call % 70000:05d}"))
    return keys


def _call(number: int) -> int:
    """`messages.call`: signed 64-bit xxh3 of the Call-ID."""
    return int.from_bytes(xxhash.xxh3_64_digest(call_id(number).encode()), "big", signed=True)


async def _stored(url: str) -> list[Stored]:
    connection = await asyncpg.connect(url)
    try:
        return await _read_messages(connection)
    finally:
        await connection.close()


async def _stored_and_keys(url: str) -> tuple[list[Stored], set[tuple[str, int, str, str]]]:
    connection = await asyncpg.connect(url)
    try:
        return await _read_messages(connection), await _read_keys(connection)
    finally:
        await connection.close()


async def _read_messages(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Stored]:
    rows = await connection.fetch("select id, content from payload_dictionary")
    readers = {
        row["id"]: zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(row["content"]))
        for row in rows
    }
    return [
        Stored(leaf.removeprefix("messages_"), readers[codec].decompress(raw) if codec else raw)
        for name in SIP_CLASSES
        for leaf, codec, raw in await connection.fetch(
            f"select tableoid::regclass::text, raw_codec, raw from messages_{name}"
        )
    ]


async def _read_keys(connection: "asyncpg.Connection[asyncpg.Record]") -> set[tuple[str, int, str, str]]:
    """(leaf, call, column, value)."""
    return {
        (leaf.removeprefix("keys_"), call, column, value)
        for name in SIP_CLASSES
        for column in ("from_user", "user_agent", "ruri_user")
        for leaf, call, value in await connection.fetch(
            f"select tableoid::regclass::text, call, {column} from keys_{name} where {column} is not null"
        )
    }
