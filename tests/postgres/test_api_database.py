"""The engine: its settings, its limits, and every failure told as ours."""

import asyncio
import logging
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text

from api.database import connect
from api.errors import DatabaseError, DatabaseMismatch, DatabaseTimeout
from api.health import judge_searching
from api.settings import SearchSettings
from tests.support.api import AWAY, add_user, an_api
from tests.support.database import Server
from tests.support.postgres_server import PostgresServer


async def test_connections_have_the_settings_of_a_reader(database_url: str) -> None:
    engine = connect(database_url, SearchSettings(statement_timeout_s=7.5))

    async with engine.connect() as connection:
        names = ("plan_cache_mode", "jit", "statement_timeout", "application_name")
        values = [(await connection.execute(text(f"show {name}"))).scalar_one() for name in names]

    assert values == ["force_custom_plan", "off", "7500ms", "rhapsode-api"]
    await engine.dispose()


async def test_statement_that_takes_too_long_is_a_timeout(database_url: str) -> None:
    engine = connect(database_url, SearchSettings(statement_timeout_s=0.05))

    async with engine.connect() as connection:
        with pytest.raises(DatabaseTimeout):
            await connection.execute(text("select pg_sleep(5)"))

    await engine.dispose()


@pytest.mark.parametrize("statement", ["select nothing", "select 1/0", "selec"])
async def test_statement_that_is_refused_is_a_database_error_with_its_cause_logged(
    database_url: str, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = connect(database_url)

    async with engine.connect() as connection:
        with pytest.raises(DatabaseError) as refusal:
            await connection.execute(text(statement))

    assert not isinstance(refusal.value, DatabaseTimeout)
    assert [record.levelno for record in caplog.records if record.name == "api.database"] == [logging.ERROR]
    await engine.dispose()


@pytest.mark.parametrize("url", [AWAY, "postgresql://127.0.0.1:1/x", "postgresql://[", "mysql://x"])
async def test_database_that_cannot_be_reached_is_a_database_error(url: str) -> None:
    engine = connect(url)

    with pytest.raises(DatabaseError):
        async with engine.connect():
            pass

    await engine.dispose()


async def test_schema_that_is_not_there_is_said_in_words_once(
    empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = connect(empty_database_url)

    with pytest.raises(DatabaseMismatch, match="rhapsode migrate") as refusal:
        async with engine.connect():
            pass
    said = [record.getMessage() for record in caplog.records if record.name == "api.database"]
    assert said == [str(refusal.value)]
    part = await judge_searching(engine, timeout_s=5)

    assert not part.ok
    assert "rhapsode migrate" in part.message
    await engine.dispose()


async def test_connection_that_the_server_ended_is_replaced_unnoticed(database_url: str) -> None:
    engine = connect(database_url, SearchSettings(pool_size=1))
    other = connect(database_url)
    async with engine.connect() as connection:
        pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    async with other.connect() as connection:
        ended = text("select pg_terminate_backend(:pid, 5000)")
        assert (await connection.execute(ended, {"pid": pid})).scalar_one()

    async with engine.connect() as connection:
        assert (await connection.execute(text("select pg_backend_pid()"))).scalar_one() != pid

    await engine.dispose()
    await other.dispose()


async def test_connection_lost_within_a_statement_is_a_database_error(database_url: str) -> None:
    engine = connect(database_url)
    other = connect(database_url)

    async with engine.connect() as connection, other.connect() as killer:
        pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
        sleeping = asyncio.create_task(connection.execute(text("select pg_sleep(20)")))
        await killer.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DatabaseError):
            await sleeping

    await engine.dispose()
    await other.dispose()


async def test_health_does_not_wait_for_a_pool_full_of_searches(database_url: str) -> None:
    async with (
        an_api(database_url, search=SearchSettings(pool_size=1)) as api,
        api.context.engine.connect(),
    ):
        answer = await api.client.get("/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


async def test_pool_without_a_free_connection_is_a_database_error(database_url: str) -> None:
    settings = SearchSettings(pool_size=1, statement_timeout_s=0.2)
    async with an_api(database_url, search=settings) as api, api.context.engine.connect():
        answer = await api.client.post("/api/v3/auth", json={"username": "a", "password": "b"})

    assert (answer.status_code, answer.json()) == (503, {"data": {}, "message": "db data retrieve error"})


async def test_database_that_comes_back_is_used_again() -> None:
    from migrations.run import upgrade

    server = await asyncio.to_thread(lambda: PostgresServer().start())
    try:
        await asyncio.to_thread(upgrade, server.url)
        async with an_api(server.url) as api:
            await add_user(api.context.engine)
            headers = await api.log_in()

            await asyncio.to_thread(server.kill)
            while_away = await api.client.get("/api/v3/users/profile", headers=headers)
            await asyncio.to_thread(server.start)
            afterwards = await api.client.get("/api/v3/users/profile", headers=headers)
    finally:
        await asyncio.to_thread(server.stop)

    assert while_away.status_code == 503
    assert while_away.json() == {"data": {}, "message": "db data retrieve error"}
    assert afterwards.status_code == 200


async def test_connection_that_is_given_up_while_it_begins_is_closed(
    database_url: str, server: Server
) -> None:
    engine = connect(database_url)
    watching = await asyncpg.connect(server.url)
    blocker = await asyncpg.connect(database_url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("lock table schema_level in access exclusive mode")
    ours = "select count(*) from pg_stat_activity where datname = $1 and application_name = 'rhapsode-api'"
    name = urlsplit(database_url).path.removeprefix("/")

    async def until(count: int, query: str) -> None:
        async with asyncio.timeout(10):
            while await watching.fetchval(query, name) != count:  # noqa: ASYNC110 (nothing else tells)
                await asyncio.sleep(0.01)

    opening = asyncio.create_task(engine.connect().start())
    await until(1, f"{ours} and wait_event_type = 'Lock'")
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)

    # Not only its statement.
    await until(0, ours)
    await transaction.rollback()
    await blocker.close()
    await watching.close()
    await engine.dispose()


async def test_long_searches_keep_nobody_from_logging_in(database_url: str) -> None:
    search = SearchSettings(pool_size=1, statement_timeout_s=3)
    async with an_api(database_url, search=search) as api, api.context.health_engine.connect() as other:
        await add_user(api.context.engine)
        headers = await api.log_in()
        await other.execute(text("lock table messages_1_call in access exclusive mode"))
        body = {"timestamp": {"from": 0, "to": 4_000_000_000_000}, "param": {"search": {"1_call": []}}}
        searches = [
            asyncio.create_task(api.client.post("/api/v3/search/call/data", headers=headers, json=body))
            for _ in range(2)
        ]
        waiting = text(
            "select count(*) from pg_locks join pg_database d on d.oid = database"
            " where not granted and datname = current_database()"
        )
        async with asyncio.timeout(20):
            while not (await other.execute(waiting)).scalar_one():  # noqa: ASYNC110 (nothing else tells)
                await asyncio.sleep(0.01)

        another = await api.log_in()
        shown = await api.client.get("/api/v3/users", headers=another)
        assert not searches[0].done()
        await other.rollback()
        for each in searches:
            each.cancel()
        await asyncio.gather(*searches, return_exceptions=True)

    assert shown.status_code == 201
