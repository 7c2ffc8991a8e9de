"""Leaf tables of two hours, made and filled by a clock that stands still."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from capture.settings import StorageSettings
from capture.store.partitions import HOUR_US
from capture.store.writer import Writer

STEP_US = 2 * HOUR_US
NOW_US = 1_790_000_000_000_000 // STEP_US * STEP_US + HOUR_US
"""One hour into a step."""


@asynccontextmanager
async def a_writer(url: str) -> AsyncIterator[Writer]:
    """Connected."""
    writer = Writer(url, StorageSettings(partition_hours=2), clock_us=lambda: NOW_US)
    await writer.connect()
    try:
        yield writer
    finally:
        await writer.close()
