"""The commands beside `up`, each run for real: the roles alone, passwd, send, packets set aside."""

import http.client
import os
import pwd
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from capture.journal.aside import set_aside
from capture.journal.record import Carrier, Record
from tests.support.captures import hep_packets
from tests.support.frames import ipv4, udp, write_pcap
from tests.support.hep_bytes import a_hep3
from tests.support.rhapsode import ADMIN_PASSWORD, KEEP_ALL, Rhapsode, rhapsode_up, run, wait_for_outcomes

CORPUS = Path(__file__).parents[1] / "corpus" / "data"
CAPTURE = CORPUS / "hepgen-b2bcall.pcap"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rhapsode]:
    with rhapsode_up(tmp_path_factory.mktemp("cli")) as up:
        yield up


def data_dir(up: Rhapsode) -> Path:
    assert up.data_dir is not None
    return up.data_dir


@pytest.mark.parametrize("carrier", [[], ["--tcp"]], ids=["udp", "tcp"])
def test_send_plays_a_capture(carrier: list[str]) -> None:
    packets = list(hep_packets(CAPTURE))
    kind = socket.SOCK_STREAM if carrier else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        if carrier:
            receiver.listen()

        done = run("send", CAPTURE, "--to", f"127.0.0.1:{receiver.getsockname()[1]}", *carrier)

        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"sent {len(packets)} packets, ")
        if carrier:
            connection, _ = receiver.accept()
            with connection, connection.makefile("rb") as stream:
                assert stream.read() == b"".join(packets)
        else:
            assert [receiver.recv(65535) for _ in packets] == packets


def test_send_shows_no_bar_where_there_is_no_terminal() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))

        done = run("send", CAPTURE, "--to", f"127.0.0.1:{receiver.getsockname()[1]}", "--now", "--loop", "2")

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_sent_call_is_found_in_the_present(running: Rhapsode) -> None:
    host, port = running.hep

    sent = run("send", CAPTURE, "--to", f"{host}:{port}", "--now")

    assert sent.returncode == 0, sent.stderr
    wait_for_outcomes(running, len(list(hep_packets(CAPTURE))))
    now_ms = time.time_ns() // 1_000_000
    question = {
        "timestamp": {"from": now_ms - 600_000, "to": now_ms + 1000},
        "param": {"search": {"1_call": []}},
    }
    with running.login() as client:
        found = client.post("/api/v3/search/call/data", json=question)
    assert found.json()["total"] > 0, found.text


def test_password_is_set_while_everything_runs(running: Rhapsode) -> None:
    done = run("passwd", "admin", "--data-dir", data_dir(running), text="another long password\n")

    assert (done.returncode, done.stdout) == (0, "user admin has a new password\n"), done.stderr
    with running.login("another long password") as client:
        assert client.get("/api/v3/users/profile").status_code == http.client.OK
        audit = client.get("/api/v3/rhapsode/audit?action=change user").json()["data"]
    assert [(row["username"], row["address"], row["object"], row["detail"]) for row in audit] == [
        (f"{pwd.getpwuid(os.getuid()).pw_name} (command line)", "", "admin", {"has_new_password": True})
    ]
    run("passwd", "admin", "--data-dir", data_dir(running), text=f"{ADMIN_PASSWORD}\n")


def test_password_of_nobody_is_refused_in_words(running: Rhapsode) -> None:
    done = run("passwd", "nobody", "--data-dir", data_dir(running), text="another long password\n")

    assert done.returncode == 1
    assert done.stderr == "rhapsode: there is no user 'nobody'\n"


def test_packets_set_aside_are_listed_shown_and_tried_again(running: Rhapsode) -> None:
    directory = data_dir(running) / "journal" / "aside"
    packet = next(iter(hep_packets(CAPTURE)))
    record = Record(
        number=1, segment=1, offset=8192, arrival_us=1_795_408_344_000_000, carrier=Carrier.UDP,
        peer=bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7]), peer_port=5060, packet=packet,
    )  # fmt: skip
    name = set_aside(directory, UUID(int=7), record, "for a test").stem
    arguments = ("--data-dir", data_dir(running))

    listed = run("journal", "aside", "list", *arguments)
    shown = run("journal", "aside", "show", name, *arguments)
    replayed = run("journal", "aside", "replay", *arguments)

    assert listed.stdout.split() == [
        name, "2026-11-23T04:32:24Z", "192.0.2.7:5060", f"{len(packet)}", "bytes", "for", "a", "test",
    ]  # fmt: skip
    assert shown.stdout.startswith("HEP3")
    assert replayed.stdout.startswith("1 packets to be tried again")
    running.wait_for("worker replay-.* has drained its journal", timeout_s=20)
    assert run("journal", "aside", "list", *arguments).stdout == ""


def test_send_warns_of_old_packets_beforehand_and_names_now(tmp_path: Path) -> None:
    old = tmp_path / "old.pcap"
    write_pcap(old, [ipv4(udp(a_hep3(seconds=1_000_000_000)))])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        to = f"127.0.0.1:{receiver.getsockname()[1]}"

        plain = run("send", old, "--to", to)
        kept = run("send", old, "--to", to, extra=KEEP_ALL)
        moved = run("send", old, "--to", to, "--now")

    assert plain.stderr == (
        "warning: 1 of 1 packets are older than they are kept, and will not be stored: 1 of other"
        " (kept 14d). --now moves their times to the present\n"
    )
    assert kept.stderr == ""
    assert moved.stderr == ""


def test_roles_run_alone_and_together_do_what_up_does(tmp_path: Path, empty_database_url: str) -> None:
    data, database = ("--data-dir", tmp_path), ("--database-url", empty_database_url)
    packets = len(list(hep_packets(CAPTURE)))
    (tmp_path / "journal" / "0000").mkdir(parents=True)

    early = run("worker", *data, *database)
    migrated = run("migrate", *database)

    assert early.returncode == 1, "there is no schema yet"
    assert early.stderr.splitlines()[-1].startswith("rhapsode: ")
    assert migrated.returncode == 0, migrated.stderr
    password = migrated.stdout.splitlines()[-1].removeprefix("user admin password ")
    assert "user admin" not in run("migrate", *database).stdout
    with (
        Rhapsode("intake", *data, "--hep", "127.0.0.1:0", "--metrics", "127.0.0.1:0") as intake,
        Rhapsode("worker", *data, *database, extra=KEEP_ALL) as worker,
        Rhapsode("api", *data, *database, "--http", "127.0.0.1:0") as api,
    ):
        host, port = intake.hep
        sent = run("send", CAPTURE, "--to", f"{host}:{port}")
        assert sent.returncode == 0, sent.stderr
        figures = wait_for_outcomes(api, packets)

        assert figures['rhapsode_packets_total{outcome="written"}'] == packets
        address = intake.wait_for(r"^metrics (\S+)$")[1]
        served = httpx.get(f"http://{address}/metrics").text
        assert f"rhapsode_packets_received_total {packets}.0" in served
        login = {"username": "admin", "password": password}
        assert httpx.post(f"{api.web}/api/v3/auth", json=login).status_code == 201
        assert intake.stop() == 0
        assert worker.stop(signal.SIGINT) == 0
        assert api.stop() == 0


def test_api_away_from_intake_judges_only_itself(tmp_path: Path, empty_database_url: str) -> None:
    database = ("--database-url", empty_database_url)
    run("migrate", *database)

    with Rhapsode("api", "--data-dir", tmp_path, *database, "--http", "127.0.0.1:0") as api:
        answer = httpx.get(f"{api.web}/health", timeout=30)

    assert answer.status_code == 200
    assert answer.json()["receive"] is None
    assert answer.json()["store"] is None


def test_role_beside_up_in_one_directory_is_refused_in_words(running: Rhapsode) -> None:
    done = run("intake", "--data-dir", data_dir(running), "--hep", "127.0.0.1:0")

    assert done.returncode == 1
    assert f"{data_dir(running)} is in use by process {running.process.pid}" in done.stderr
