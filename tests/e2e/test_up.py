"""`rhapsode up`: the real processes, stopped and killed in every way."""

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.figures import read_journals
from capture.journal.log import JournalWriter
from capture.journal.record import Carrier
from capture.settings import JournalSettings
from tests.support.database import execute, run_elsewhere
from tests.support.rhapsode import ADMIN_PASSWORD, Rhapsode, rhapsode_up, up_arguments


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rhapsode]:
    with rhapsode_up(tmp_path_factory.mktemp("up")) as up:
        yield up


def data_dir(up: Rhapsode) -> Path:
    assert up.data_dir is not None
    return up.data_dir


def test_ready_lines_are_plain_facts(running: Rhapsode) -> None:
    facts = [line for line in running.lines if line.startswith(("web ", "hep ", "receive ", "user "))]

    assert facts[0] == f"web {running.web}"
    assert facts[1].startswith("hep 127.0.0.1:")
    assert facts[2].split()[:2] == ["receive", "buffer"]
    assert facts[2].endswith(" bytes")
    assert len(facts) == 3, "a given password is not printed"


def test_health_is_good_once_the_ready_lines_are_out(running: Rhapsode) -> None:
    answer = httpx.get(f"{running.web}/health")

    assert answer.status_code == http.client.OK


def test_given_password_is_the_first_admins(running: Rhapsode) -> None:
    with running.login(ADMIN_PASSWORD) as client:
        assert client.get("/api/v3/users/profile").status_code == http.client.OK


def test_worker_gives_way_to_intake(running: Rhapsode) -> None:
    assert running.child("worker").nice() > running.child("intake").nice()


def test_every_child_names_its_role(running: Rhapsode) -> None:
    for role in ("intake", "worker", "api", "postgres"):
        assert running.child(role).is_running()


def test_no_child_shows_the_password(running: Rhapsode) -> None:
    for process in running.descendants():
        assert ADMIN_PASSWORD not in " ".join(process.cmdline())


@pytest.mark.parametrize("role", ["intake", "worker", "api", "postgres"])
def test_killed_child_is_started_again_within_a_second(running: Rhapsode, role: str) -> None:
    old = running.child(role)

    old.kill()
    began = time.monotonic()
    running.wait_for_child(role, other_than=old.pid)

    assert time.monotonic() - began < 2.0, "one second, and one for the machine"


def test_second_start_in_a_used_directory_is_refused_in_words(running: Rhapsode) -> None:
    with (
        Rhapsode(*up_arguments(data_dir(running))) as second,
        Rhapsode("intake", "--data-dir", data_dir(running), "--hep", "127.0.0.1:0") as intake,
    ):
        statuses = [refused.process.wait(30) for refused in (second, intake)]

        assert statuses == [1, 1]
        for refused in (second, intake):
            refused.wait_for(f"{data_dir(running)} is in use by process {running.process.pid}")
            assert "Traceback" not in refused.output


def test_first_start_prints_a_password_and_the_next_finds_it_even_after_kill_9(tmp_path: Path) -> None:
    arguments = up_arguments(tmp_path)[:-2]
    with Rhapsode(*arguments) as first:
        first.wait_until_ready()
        password = first.wait_for(r"^user admin password (\S+)$")[1]
        left = first.descendants()
        first.process.kill()

        with Rhapsode(*arguments) as second:
            second.wait_until_ready()
            assert not [process for process in left if process.is_running()], "they end with their parent"
            with second.login(password) as client:
                assert client.get("/api/v3/users/profile").status_code == http.client.OK
            assert second.stop() == 0
            assert "user admin" not in second.output


def test_stop_keeps_what_came_just_before_it_and_leaves_no_process(tmp_path: Path) -> None:
    with rhapsode_up(tmp_path) as up:
        children = up.descendants()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(500):
                sender.sendto(b"no HEP at all", up.hep)
        began = time.monotonic()

        status = up.stop(signal.SIGTERM)

        assert status == 0, up.output
        assert time.monotonic() - began < 10
        assert not [process for process in children if process.is_running()]
        assert "Traceback" not in up.output
    (journal,) = read_journals(tmp_path)
    assert journal.received == 500
    assert journal.worker["malformed"] == 500, "drained before the end"


def test_second_signal_stops_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    with rhapsode_up(tmp_path) as up:
        children = up.descendants()
        up.send_signal(signal.SIGTERM)
        began = time.monotonic()

        status = up.stop(signal.SIGTERM)

        assert status == 0
        assert time.monotonic() - began < 3
        assert not [process for process in children if process.is_running()]


def test_database_that_is_away_at_start_does_not_stop_intake(tmp_path: Path) -> None:
    nowhere = f"postgresql://nobody@/nothing?host={tmp_path}"
    with Rhapsode(*up_arguments(tmp_path / "data"), "--database-url", nowhere) as up:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"no HEP at all", up.hep)

        status = up.stop()

        assert status == 0
        assert not [line for line in up.lines if line.startswith("web ")], "it was never ready"
    (journal,) = read_journals(tmp_path / "data")
    assert journal.received == 1


def test_start_without_room_on_the_disk_says_so_and_tells_the_password(tmp_path: Path) -> None:
    no_room = {"RHAPSODE_JOURNAL__MIN_FREE_BYTES": str(10**18)}
    arguments = up_arguments(tmp_path)
    without_password = arguments[: arguments.index("--admin-password")]

    with Rhapsode(*without_password, extra=no_room) as up:
        up.wait_for("not ready: cannot receive: no room in journal 0000")
        up.wait_for(r"^hep ")
        up.wait_for(r"^user admin password \S+$")

        assert not any(line.startswith("web ") for line in up.lines), "that line says that all is ready"
        assert up.stop() == 0


def test_own_database_is_used_by_url_and_ctrl_c_stops(tmp_path: Path, empty_database_url: str) -> None:
    with rhapsode_up(tmp_path, "--database-url", empty_database_url) as up:
        assert httpx.get(f"{up.web}/health").status_code == http.client.OK
        assert not (tmp_path / "postgres").exists()
        assert up.stop(signal.SIGINT) == 0


def test_schema_of_a_later_version_ends_the_start_in_words(tmp_path: Path, database_url: str) -> None:
    statement = "update schema_level set level = 999, oldest_code = 999"
    run_elsewhere(execute(database_url, statement))

    with Rhapsode(*up_arguments(tmp_path), "--database-url", database_url) as up:
        assert up.process.wait(30) == 1
        up.wait_for("prepare", timeout_s=1)
        up.wait_for("999", timeout_s=1)
        assert "Traceback" not in up.output


def test_journal_without_an_intake_gets_a_worker_that_ends(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path / "journal" / "0007", JournalSettings())
    writer.append([(1_700_000_000_000_000, Carrier.UDP, bytes(16), 5060, b"no HEP at all")])
    writer.close()

    with rhapsode_up(tmp_path) as up:
        up.wait_for("worker 0007 has drained its journal", timeout_s=20)

        assert "0000" in up.child("worker").cmdline()
        metrics = httpx.get(f"{up.web}/metrics").text
        assert 'rhapsode_packets_total{outcome="malformed"} 1.0' in metrics
