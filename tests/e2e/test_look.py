"""`rhapsode status` and `rhapsode doctor` beside a real system: running, stopped, in trouble."""

import json
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.rhapsode import Rhapsode, rhapsode_up, run, wait_for_outcomes
from tests.support.sender import Sender


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rhapsode-look-") as made:
        Path(made).chmod(0o711)  # where PostgreSQL's account may enter
        yield Path(made)


def look(command: str, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = run(command, "--json", *arguments)
    assert done.stdout.startswith("{"), done.stderr
    return done.returncode, json.loads(done.stdout)


def wrong(report: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["words"] for each in report["findings"] if each["state"] == "problem"}


def words(report: dict[str, Any], check: str) -> str:
    return next(each["words"] for each in report["findings"] if each["check"] == check)


def send(running: Rhapsode, count: int) -> None:
    with Sender(running.hep, 2000, count=count) as sender:
        sender.join()
    wait_for_outcomes(running, count)


def test_system_that_runs_and_then_does_not(directory: Path) -> None:
    here = ("--data-dir", directory)
    with rhapsode_up(directory) as running:
        send(running, 600)

        status, shown = look("status", *here)
        well, report = look("doctor", *here)
        table = run("status", *here).stdout
        lines = run("doctor", *here).stdout

        assert (status, shown["runs"], shown["database"]["usable"]) == (0, True, True)
        assert shown["packets"]["received"]["total"] == shown["packets"]["written"]["total"] == 600
        calls = next(each for each in shown["classes"] if each["class"] == "call")
        assert calls["bytes"] > 0
        assert calls["age_seconds"] < 600
        assert calls["kept"] == "14d"
        assert shown["disk"]["free_bytes"] > 0
        assert shown["journals"][0]["waiting_packets"] == 0
        assert wrong(report) == {}
        assert (well, report["well"]) == (0, True)
        host, port = running.hep
        assert words(report, "receiving") == f"HEP is received on {host}:{port}"
        assert words(report, "api") == f"the API answers on {running.web.removeprefix('http://')}"
        assert "2001" in words(report, "senders")
        assert "is running" in table
        assert re.search(r"^calls .* 14d ", table, re.MULTILINE), table
        assert lines.rstrip().endswith("all is well")
        assert max(map(len, (table + lines).splitlines())) <= 100

        running.stop()

    ill, report = look("doctor", *here, "--hep", "127.0.0.1:0", "--http", "127.0.0.1:0")
    _, shown = look("status", *here)

    assert ill == 1
    assert set(wrong(report)) == {"running"}
    assert (shown["runs"], shown["packets"]["written"]["total"]) == (False, 600)
    assert "is not running" in run("status", *here).stdout


def test_process_that_has_the_port_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, report = look("doctor", "--data-dir", tmp_path, "--hep", address, "--http", "127.0.0.1:0")

    assert status == 1
    assert f"cannot bind {address}" in wrong(report)["receiving"]
    assert re.search(r"process \d+ \(.*\) has it", wrong(report)["receiving"])
    assert not (tmp_path / "journal").exists(), "a doctor changes nothing"


def test_worker_that_is_gone_and_packets_set_aside_are_wrong(directory: Path) -> None:
    with rhapsode_up(directory) as running:
        send(running, 12)
        aside = directory / "journal" / "aside"
        aside.mkdir()
        (aside / "one.packet").write_bytes(b"no packet")
        # Held still, the supervisor starts no other.
        running.send_signal(signal.SIGSTOP)
        running.child("worker").kill()

        status, report = look("doctor", "--data-dir", directory)

        running.send_signal(signal.SIGCONT)

    assert status == 1
    assert set(wrong(report)) == {"worker", "aside"}
    assert "journal 0000 has no worker" in wrong(report)["worker"]


def test_database_that_cannot_be_reached_is_wrong(tmp_path: Path) -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/x"
    status, report = look("doctor", "--data-dir", tmp_path, "--database-url", url)

    assert status == 1
    assert "127.0.0.1:1/x" in wrong(report)["database"]
    assert "hunter2" not in json.dumps(report)


def test_schema_that_is_missing_is_wrong(tmp_path: Path, empty_database_url: str) -> None:
    status, report = look("doctor", "--data-dir", tmp_path, "--database-url", empty_database_url)

    assert status == 1
    assert "rhapsode migrate" in wrong(report)["schema"]


def test_setting_that_is_none_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "rhapsode.toml"
    file.write_text("[retention]\ncall = '14 days'\n")
    status, report = look("doctor", "--data-dir", tmp_path, "--config", file)

    assert status == 1
    assert "retention.call" in wrong(report)["settings"]


def test_data_node_that_is_away_is_told_by_both(tmp_path: Path) -> None:
    config = tmp_path / "rhapsode.toml"
    config.write_text('[nodes.far]\nurl = "postgresql://u:hunter2@127.0.0.1:1/x"\n')
    given = ("--data-dir", tmp_path / "data", "--config", config)

    _, shown = look("status", *given)
    _, report = look("doctor", *given)

    ((name, error),) = [(node["name"], node["error"]) for node in shown["nodes"]]
    assert name == "far"
    assert "hunter2" not in error
    assert words(report, "nodes") == f"data node far cannot be searched: {error}"
