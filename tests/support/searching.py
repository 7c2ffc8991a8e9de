"""A searcher of its own for a test that needs no HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.database import connect
from api.search.run import Searcher


@asynccontextmanager
async def a_searcher(database_url: str) -> AsyncIterator[Searcher]:
    engine = connect(database_url)
    searcher = Searcher(engine)
    try:
        yield searcher
    finally:
        await searcher.close()
        await engine.dispose()
