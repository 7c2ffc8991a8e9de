"""A database that is restarted, away, read-only, or has no room: for connections, or on its disk."""

import asyncio
import threading
from collections.abc import Callable

import asyncpg
import httpx

from tests.chaos.fault import Fault, Scene, System
from tests.chaos.private_disk import cannot_mount, fill
from tests.support.database import execute

REFUSING_S = 5.0
SERVER = System(
    "server",
    # Batches as they are by default, so that a backlog drains as fast as it would.
    settings=(("RHAPSODE_STORAGE__BATCH_ROWS", "2000"),),
    postgres=(("max_connections", "25"), ("max_wal_size", "64MB"), ("wal_recycle", "off")),
)
SMALL_DISK = System(SERVER.database, settings=SERVER.settings, postgres=SERVER.postgres, disk_bytes=400 << 20)


def restart(scene: Scene) -> None:
    scene.trial.wait_for_more()
    scene.at_server().shut_down()
    scene.at_server().start()
    scene.trial.wait_for_more()


def be_away(scene: Scene) -> None:
    server = scene.at_server()
    scene.trial.wait_for_more()
    server.shut_down()
    threading.Event().wait(scene.away_s)
    assert _is_refused(scene)
    server.start()
    scene.trial.wait_for_more()


def be_read_only(scene: Scene) -> None:
    scene.trial.wait_for_more()
    _execute(scene, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")
    _wait_until_refused(scene)
    threading.Event().wait(REFUSING_S)
    _execute(
        scene,
        "set default_transaction_read_only = off",
        "alter system reset default_transaction_read_only",
        "select pg_reload_conf()",
    )
    scene.trial.wait_for_more()


def refuse_connections(scene: Scene) -> None:
    """All connections are other people's; ours are ended, so that new ones are asked for in vain."""
    scene.trial.wait_for_more()
    asyncio.run(_take_all_connections(scene.trial.database_url, lambda: _is_refused(scene)))
    scene.trial.wait_for_more()


async def _take_all_connections(url: str, rhapsode_is_refused: Callable[[], bool]) -> None:
    held: list[asyncpg.Connection[asyncpg.Record]] = [await asyncpg.connect(url)]
    others = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'rhapsode%'"
    loop = asyncio.get_running_loop()
    refused = 0
    end = loop.time() + REFUSING_S
    try:
        while loop.time() < end:
            await held[0].execute(others)
            try:
                held.append(await asyncpg.connect(url))
            except asyncpg.TooManyConnectionsError:
                refused += 1
                await asyncio.sleep(0.1)
        assert await asyncio.to_thread(rhapsode_is_refused), "Rhapsode has a connection"
    finally:
        for connection in held:
            await connection.close()
    assert refused, "there was always room"


def fill_disk(scene: Scene) -> None:
    """PostgreSQL cannot extend a table, or cannot write its log, and then it ends."""
    server = scene.at_server()
    scene.trial.wait_for_more()
    with fill(server.place):
        _wait_until_refused(scene)
        threading.Event().wait(REFUSING_S)
    if not server.runs:
        server.start()
    scene.trial.wait_for_more()


def _wait_until_refused(scene: Scene) -> None:
    """Until the database's refusal shows: a fault that nobody met would prove nothing."""
    scene.wait_until(lambda: _is_refused(scene), "storing is refused")


def _is_refused(scene: Scene) -> bool:
    answer = scene.trial.witness.health()
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and not answer.json()["store"]["ok"]


def _execute(scene: Scene, *statements: str) -> None:
    asyncio.run(execute(scene.trial.database_url, *statements))


FAULTS = (
    Fault("PostgreSQL restarted", restart, times=3, short=1, system=SERVER),
    Fault("PostgreSQL away", be_away, short=1, system=SERVER),
    Fault("PostgreSQL read-only", be_read_only, times=2, system=SERVER),
    Fault("PostgreSQL out of connections", refuse_connections, times=2, short=1, system=SERVER),
    Fault("PostgreSQL's disk full", fill_disk, times=2, system=SMALL_DISK, impossible=cannot_mount),
)
