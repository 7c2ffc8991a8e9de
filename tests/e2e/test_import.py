"""`rhapsode import` and its routes beside a real `rhapsode up`: real captures, and a real database."""

import os
import pty
import pwd
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.captures import hep_packets
from tests.support.importing import HOUR_US, NOW_US, a_file, sip_frames
from tests.support.rhapsode import (
    KEEP_ALL,
    Rhapsode,
    command,
    environment,
    metrics,
    rhapsode_up,
    run,
    wait_for_outcomes,
)

CORPUS = Path(__file__).parents[1] / "corpus" / "data"
CAPTURES = [
    "kamailio-hep3-basic",
    "kamailio-hep1",
    "sngrep-hep3-ipv6",
    "kamailio-hep3-over-tcp",
    "hepgen-b2bcall-rtcp",
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rhapsode]:
    with rhapsode_up(tmp_path_factory.mktemp("import"), extra=KEEP_ALL) as up:
        yield up


@pytest.fixture
def client(running: Rhapsode) -> Iterator[httpx.Client]:
    with running.login() as logged_in:
        yield logged_in


def import_by_command(running: Rhapsode, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert running.data_dir is not None
    return run("import", *arguments, "--data-dir", running.data_dir, extra=KEEP_ALL)


def labelled(client: httpx.Client, label: str, profile: str = "1_call") -> list[dict[str, Any]]:
    elements = [
        {"name": "data_header.import_label", "value": label, "type": "string"},
        {"name": "limit", "value": "1000", "type": "string"},
    ]
    body = {
        "timestamp": {"from": 0, "to": NOW_US // 1000 + 86_400_000},
        "param": {"search": {profile: elements}},
    }
    answer = client.post("/api/v3/search/call/data", json=body)
    assert answer.status_code == 201, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def noted(client: httpx.Client, label: str) -> list[tuple[str, Any]]:
    """What the audit says of an import by whoever runs these tests, the newest first."""
    by = f"{pwd.getpwuid(os.getuid()).pw_name} (command line)"
    rows = client.get("/api/v3/rhapsode/audit", params={"username": by, "limit": 1000}).json()["data"]
    return [(row["action"], row["detail"]) for row in rows if row["object"] == label]


def test_file_is_imported_found_listed_and_deleted_by_the_command(
    running: Rhapsode, client: httpx.Client, tmp_path: Path
) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(5))

    done = import_by_command(running, path, "--label", "ticket-7")

    assert done.stdout.splitlines() == ["calls.pcap: 5 packets imported, label ticket-7"], done
    assert done.returncode == 0
    assert len(labelled(client, "ticket-7")) == 5
    listed = import_by_command(running, "--list").stdout
    assert "ticket-7  20" in listed
    assert "5 packets  calls.pcap  by " in listed

    deleted = import_by_command(running, "--delete", "ticket-7")

    assert deleted.stdout == "5 messages of ticket-7 deleted\n", deleted
    assert (done.stderr, deleted.stderr) == ("", "")
    assert noted(client, "ticket-7") == [
        ("delete import", {"removed": 5}),
        ("import pcap", {"file": "calls.pcap", "inserted": 5, "rejected": {}}),
    ]
    assert labelled(client, "ticket-7") == []
    assert "deleted by" in import_by_command(running, "--list").stdout
    again = import_by_command(running, "--delete", "ticket-7")
    assert (again.returncode, again.stderr) == (1, "rhapsode: there is no import with the label ticket-7\n")


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_packet_of_a_real_capture_is_stored_and_counted(
    running: Rhapsode, client: httpx.Client, capture: str
) -> None:
    path = CORPUS / f"{capture}.pcap"
    before = metrics(running)["rhapsode_packets_received_total"]

    with path.open("rb") as file:
        answer = client.post(
            "/api/v3/import/data/pcap", files={"fileKey": (path.name, file)}, data={"label": capture}
        )

    counts = answer.json()["data"]
    packets = list(hep_packets(path))
    keep_alives = counts["passed_over"].get("HEP keep-alives", 0)
    assert answer.status_code == 201, answer.text
    assert "x-rhapsode-warning" not in answer.headers, answer.headers
    assert counts["inserted"] + keep_alives == len(packets)
    figures = metrics(running)
    assert figures["rhapsode_packets_received_total"] - before == counts["inserted"]
    profiles = client.get("/api/v3/mapping/protocol").json()["data"]
    keys = {f"{row['hepid']}_{row['profile']}" for row in profiles}
    found = sum(len(labelled(client, capture, key)) for key in sorted(keys) if _is_stored(key))
    assert found == counts["inserted"]


def _is_stored(key: str) -> bool:
    return key in (
        "1_call",
        "1_registration",
        "1_default",
        "5_default",
        "35_default",
        "53_default",
        "54_default",
        "100_default",
    )


def test_import_is_deleted_over_http(running: Rhapsode, client: httpx.Client, tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(3))
    client.post("/api/v3/import/data/pcap", files={"fileKey": path.read_bytes()}, data={"label": "ticket-8"})
    assert len(labelled(client, "ticket-8")) == 3

    answer = client.delete("/api/v3/rhapsode/imports/ticket-8")

    assert answer.status_code == 200
    assert answer.json()["data"] == {"label": "ticket-8", "removed": 3}
    assert labelled(client, "ticket-8") == []
    listed = client.get("/api/v3/rhapsode/imports").json()["data"]
    assert "ticket-8" not in [row["label"] for row in listed]
    running.wait_for("3 messages of the import ticket-8 deleted by admin", 5)


def test_broken_file_ends_with_an_error_and_the_others_are_imported(
    running: Rhapsode, client: httpx.Client, tmp_path: Path
) -> None:
    cut = a_file(tmp_path / "cut.pcap", sip_frames(3))
    cut.write_bytes(cut.read_bytes()[:-5])
    text = tmp_path / "a.txt"
    text.write_text("no capture, but long enough to be one")
    whole = a_file(tmp_path / "whole.pcap", sip_frames(2))

    done = import_by_command(running, cut, text, whole, "--label", "mixed")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "cut.pcap: 2 packets imported, label mixed",
        "whole.pcap: 2 packets imported, label mixed",
    ]
    assert done.stderr.splitlines() == [
        "rhapsode: cut.pcap ends in the middle of packet 3; what was before is imported",
        "rhapsode: a.txt is not a packet capture: neither pcap nor pcapng",
    ]
    assert len(labelled(client, "mixed")) == 4


def test_what_is_too_old_is_said_with_the_way_out(running: Rhapsode, tmp_path: Path) -> None:
    assert running.data_dir is not None
    path = a_file(tmp_path / "old.pcap", sip_frames(2), [NOW_US - 20 * 24 * HOUR_US] * 2)

    kept = run("import", path, "--data-dir", running.data_dir)
    moved = run("import", path, "--data-dir", running.data_dir, "--now", "--label", "moved")

    assert kept.stdout.splitlines() == [
        "old.pcap: 0 packets imported",
        "old.pcap: rejected: 2 older than `retention.call` keeps it",
    ]
    assert kept.stderr == "old.pcap: --now moves the times of packets to the present\n"
    assert moved.stdout == "old.pcap: 2 packets imported, label moved\n"


def test_progress_is_shown_on_a_terminal(running: Rhapsode, tmp_path: Path) -> None:
    path = a_file(tmp_path / "long.pcap", sip_frames(3000))
    arguments = command("import", path, "--data-dir", str(running.data_dir))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        arguments, stderr=theirs, stdout=subprocess.DEVNULL, env=environment(KEEP_ALL)
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:
            # What a terminal says whose other end has gone.
            pass
        os.close(ours)
    assert process.returncode == 0
    assert b"importing" in shown


def test_command_that_is_broken_off_says_what_it_brought(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    path = a_file(tmp_path / "long.pcap", sip_frames(9000))
    # Nothing stores, so that it waits in the middle.
    little = {"RHAPSODE_IMPORTS__JOURNAL_BYTES": "1048576", "RHAPSODE_JOURNAL__MIN_FREE_BYTES": "1"}

    with Rhapsode("import", path, path, "--data-dir", data_dir, "--label", "half", extra=little) as importing:
        reports = data_dir / "journal" / "import" / "reports"
        while not any(reports.glob("*.json")):
            assert importing.process.poll() is None, importing.output
            time.sleep(0.01)
        importing.process.send_signal(signal.SIGINT)
        assert importing.process.wait(30) == 130

    output = importing.output.splitlines()
    assert re.fullmatch(r"long\.pcap: [1-9][0-9]* packets imported, label half", output[0])
    assert output[-1] == "rhapsode: the import was stopped; what was before is imported"
    assert len(output) == 3
    listed = run("import", "--list", "--data-dir", data_dir).stdout
    assert listed.count("the import was stopped") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give FILES to import, or --list, or --delete LABEL"),
        (["a.pcap", "--list"], "give FILES to import, or --list, or --delete LABEL"),
        (["a.pcap", "--label", "a b"], "a label has 1 to 64 letters"),
        (["none.pcap"], "cannot read none.pcap: No such file or directory"),
    ],
)
def test_what_cannot_be_is_said(running: Rhapsode, arguments: list[str], words: str) -> None:
    done = import_by_command(running, *arguments)

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_imported_while_nothing_ran_is_stored_by_the_next_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with rhapsode_up(data_dir) as up:
        assert up.stop() == 0
    path = a_file(tmp_path / "calls.pcap", sip_frames(4))

    done = run("import", path, "--data-dir", data_dir, "--label", "offline")

    assert "they are safe in the journal" in done.stdout
    assert "`rhapsode up` stores them" in done.stdout
    with rhapsode_up(data_dir) as up, up.login() as client:
        wait_for_outcomes(up, 4)
        assert len(labelled(client, "offline")) == 4
        assert [action for action, _ in noted(client, "offline")] == ["import pcap"]


def test_worker_that_would_store_it_is_named_where_the_roles_may_run_alone(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(4))
    data_dir = tmp_path / "data"
    data_dir.mkdir()

    done = run("import", path, "--data-dir", data_dir, "--database-url", "postgresql://127.0.0.1:1/x")

    assert done.returncode == 0
    assert "`rhapsode up`, or `rhapsode worker --journal import`, stores them" in done.stdout
    *_, unwritten, why = done.stderr.splitlines()
    assert re.fullmatch(
        r'audit, not in the database: \{.*"action":"import pcap".*"calls.pcap".*\}', unwritten
    )
    assert why == "rhapsode: the audit cannot be written: the database cannot be reached"


def test_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = run("import", a_file(tmp_path / "a.pcap", sip_frames(1)), "--data-dir", tmp_path / "none")

    assert done.returncode == 1
    assert f"there is no data directory {tmp_path / 'none'}" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another account")
def test_root_imports_files_of_its_own_for_the_account_of_the_service(tmp_path: Path) -> None:
    account = 12345
    path = a_file(tmp_path / "calls.pcap", sip_frames(2))
    path.chmod(0o600)
    with tempfile.TemporaryDirectory() as name:
        # That account may enter none of pytest's own directories.
        Path(name).chmod(0o755)
        data_dir = Path(name) / "data"
        data_dir.mkdir()
        os.chown(data_dir, account, account)

        done = run("import", path, "--data-dir", data_dir, "--label", "by-root")

        assert done.returncode == 0, done
        made = list(data_dir.rglob("*"))
        assert {file.stat().st_uid for file in made} == {account}
        assert any(file.name.endswith(".segment") for file in made)
