"""The embedded PostgreSQL's configuration and socket, without a server."""

import os
from pathlib import Path

import pytest

from rhapsode.postgres.files import (
    SOCKET_NAME,
    SOCKET_PATH_BYTES,
    clear_stale_files,
    render_configuration,
    socket_directory,
)

GB = 1024**3


def configuration(memory: int, disk: int) -> dict[str, str]:
    lines = render_configuration(memory, disk).splitlines()
    return {name: value.strip("'") for name, _, value in (line.partition(" = ") for line in lines)}


@pytest.mark.parametrize(("memory", "buffers"), [(GB // 4, "32MB"), (4 * GB, "512MB"), (256 * GB, "2048MB")])
def test_buffers_follow_the_memory(memory: int, buffers: str) -> None:
    assert configuration(memory, 100 * GB)["shared_buffers"] == buffers


@pytest.mark.parametrize(("disk", "wal"), [(2 * GB, "128MB"), (40 * GB, "1024MB"), (4000 * GB, "1280MB")])
def test_wal_follows_the_disk_up_to_what_recovery_replays_in_seconds(disk: int, wal: str) -> None:
    assert configuration(4 * GB, disk)["max_wal_size"] == wal


def test_rows_do_not_get_into_the_log() -> None:
    values = configuration(4 * GB, 100 * GB)

    assert values["log_error_verbosity"] == "terse"
    assert values["log_min_error_statement"] == "panic"


def test_socket_is_inside_the_directory() -> None:
    assert socket_directory(Path("/var/lib/rhapsode/postgres")) == Path("/var/lib/rhapsode/postgres/run")


def test_socket_path_that_is_too_long_is_replaced_by_a_short_one() -> None:
    longest = Path("/" + "d" * (SOCKET_PATH_BYTES - len(f"//run/{SOCKET_NAME}")))
    too_long = Path(f"{longest}d")

    assert socket_directory(longest) == longest / "run"
    short = socket_directory(too_long)
    assert len(os.fsencode(short / SOCKET_NAME)) <= SOCKET_PATH_BYTES
    assert short == socket_directory(too_long), "the same at each start"
    assert short != socket_directory(Path(f"{too_long}d"))


def test_files_of_a_dead_server_are_removed(tmp_path: Path) -> None:
    cluster, run = tmp_path / "cluster", tmp_path / "run"
    for path in (
        cluster / "postmaster.pid",
        run / SOCKET_NAME,
        run / f"{SOCKET_NAME}.lock",
        cluster / "PG_VERSION",
    ):
        path.parent.mkdir(exist_ok=True)
        path.touch()

    clear_stale_files(cluster, run)

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["PG_VERSION"]
