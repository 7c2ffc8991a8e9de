"""The embedded PostgreSQL, killed, abandoned, and in places where it is hard to get to."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from rhapsode.errors import PostgresError
from rhapsode.postgres import EmbeddedPostgres
from tests.support.rhapsode import environment


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    embedded = EmbeddedPostgres(tmp_path / "postgres")
    yield embedded
    embedded.stop()


def test_killed_server_recovers_what_was_committed(server: EmbeddedPostgres) -> None:
    server.start()
    asyncio.run(query(server.url, "create table t as select 42 as answer"))
    killed = server.process
    assert killed is not None
    killed.kill()
    killed.wait()

    server.start()

    assert asyncio.run(query(server.url, "select answer from t")) == 42
    assert server.pid != killed.pid


def test_stale_pid_file_whose_pid_is_another_process_does_not_matter(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    server.cluster.joinpath("postmaster.pid").write_text(
        f"{os.getpid()}\n{server.cluster}\n0\n5432\n\n\n0 0\nready\n"
    )

    server.start()

    assert server.pid != os.getpid()
    assert asyncio.run(query(server.url, "select 1")) == 1


def test_prefixes_use_an_index_and_case_is_known(server: EmbeddedPostgres) -> None:
    server.start()

    assert asyncio.run(query(server.url, "select 'MÜLLER' ilike 'müll%'")) is True
    assert (
        asyncio.run(query(server.url, "select datcollate from pg_database where datname = 'rhapsode'")) == "C"
    )
    assert asyncio.run(query(server.url, "show listen_addresses")) == ""


def test_cluster_of_another_version_is_refused_in_words(server: EmbeddedPostgres) -> None:
    server.cluster.mkdir(parents=True)
    (server.cluster / "PG_VERSION").write_text("15\n")

    with pytest.raises(PostgresError, match="was made by PostgreSQL 15, the installed one is 18"):
        server.start()


def test_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("d" * 100) / "postgres")
    try:
        server.start()
        assert asyncio.run(query(server.url, "select 1")) == 1
    finally:
        server.stop()
    assert not server.socket_directory.exists(), "it is outside of what an operator would remove"


def test_server_ends_with_its_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from rhapsode.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "postgres")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        family = [server, *server.children()]

        parent.send_signal(signal.SIGKILL)

        _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


def test_server_reaches_its_data_below_a_closed_directory(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data" / "postgres")
    try:
        server.start()

        assert asyncio.run(query(server.url, "select 1")) == 1
        assert psutil.Process(server.pid).uids().real != 0, "not as root, who has another account for it"
        assert closed.stat().st_mode & 0o777 == 0o700, "nothing was opened for it"
    finally:
        server.stop()
