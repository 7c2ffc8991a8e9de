"""The revisions: up, down, up again, twice at once, and what they add up to."""

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.models import TARGETS, is_described
from migrations.run import downgrade, upgrade
from tests.support.database import run_elsewhere


def _differences(url: str) -> list[object]:
    async def compare() -> list[object]:
        engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
        async with engine.connect() as connection:
            differences = await connection.run_sync(_compare)
        await engine.dispose()
        return differences

    return run_elsewhere(compare())


def _compare(connection: Connection) -> list[object]:
    options = {"compare_server_default": True, "include_object": is_described, "target_metadata": TARGETS}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, TARGETS))  # type: ignore[arg-type]  # it takes a list too


def test_revisions_add_up_to_what_the_models_describe(database_url: str) -> None:
    assert _differences(database_url) == []


def test_schema_comes_back_the_same_after_it_was_taken_down(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url)
    upgrade(empty_database_url)

    assert _differences(empty_database_url) == []
