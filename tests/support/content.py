"""What is stored, read without the code under test: every payload of the SIP tables, as a multiset."""

import asyncio
from collections import Counter

import asyncpg
import zstandard

SIP_TABLES = ("messages_1_call", "messages_1_registration", "messages_1_default")


def stored_payloads(url: str) -> Counter[bytes]:
    """The payload of every stored SIP message."""
    return asyncio.run(_stored_payloads(url))


async def _stored_payloads(url: str) -> Counter[bytes]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select id, content from payload_dictionary")
        readers = {
            row["id"]: zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(row["content"]))
            for row in rows
        }
        payloads: Counter[bytes] = Counter()
        for table in SIP_TABLES:
            for codec, raw in await connection.fetch(f"select raw_codec, raw from {table}"):
                payloads[readers[codec].decompress(raw) if codec else raw] += 1
        return payloads
    finally:
        await connection.close()
