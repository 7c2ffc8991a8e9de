"""A worker's rounds of deleting, on a real server."""

import asyncio
from pathlib import Path

import pytest

from capture.journal.figures import RETENTION_ERROR, WorkerFigure
from capture.rounds import RetentionRounds
from capture.settings import RetentionSettings
from capture.steady_clock import SteadyClock
from capture.store.bridge import LoopThread
from tests.postgres.test_retention import NOW_US, filled, names, tables

pytestmark = pytest.mark.slow

HOUR_US = 3_600_000_000


async def test_clock_set_forward_by_a_month_deletes_nothing_and_is_named(
    database_url: str, tmp_path: Path
) -> None:
    kept, gone = names(await filled(database_url, [3])), names(await filled(database_url, [30]))
    set_forward_us = 0
    clock = SteadyClock(lambda: NOW_US + set_forward_us, lambda: HOUR_US)
    set_forward_us = 30 * 24 * HOUR_US
    words = [0] * len(WorkerFigure)
    with LoopThread("store") as loop:
        rounds = RetentionRounds(loop, database_url, RetentionSettings(call="6h"), words, tmp_path, clock)
        async with asyncio.timeout(30):
            while not words[WorkerFigure.RETENTION_FAILING_US]:
                rounds.turn()
                await asyncio.sleep(0.02)
        rounds.stop()

    left = await tables(database_url)
    assert kept <= left
    assert not gone & left
    assert "the clock was set forward by 720.0 hours" in (tmp_path / RETENTION_ERROR).read_text()
