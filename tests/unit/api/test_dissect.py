"""Taking messages apart: what tshark is told, and what a program may do that stands in its place."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvloop

from api.callflow.hosts import End
from api.dissect import Tshark, Undissected, arguments_for, protocol_of
from api.export.captured import Captured
from api.settings import TsharkSettings
from tests.support.importing import INVITE

RECEIVER_REPORT = bytes.fromhex("81c90007") + bytes(28)


def a_message(
    payload: bytes = INVITE, ip_protocol: int = 17, source: int = 5062, destination: int = 5080
) -> Captured:
    ends = End("192.0.2.10", source), End("192.0.2.20", destination)
    return Captured(1_795_408_344_000_000, *ends, ip_protocol, payload, payload is INVITE)


def decode_as(message: Captured) -> list[str]:
    arguments = arguments_for(message)
    return [value for option, value in pairwise(arguments) if option == "-d"]


@pytest.mark.parametrize(
    ("ip_protocol", "expected"),
    [
        (17, ["udp.port==5062,sip", "udp.port==5080,sip"]),
        (6, ["tcp.port==5062,sip", "tcp.port==5080,sip"]),
        (22, ["tcp.port==5062,sip", "tcp.port==5080,sip"]),
        (132, []),
    ],
)
def test_tshark_is_told_what_stands_on_the_ports(ip_protocol: int, expected: list[str]) -> None:
    assert decode_as(a_message(ip_protocol=ip_protocol)) == expected


def test_port_that_is_none_is_not_named_and_one_only_once() -> None:
    assert decode_as(a_message(source=0, destination=5060)) == ["udp.port==5060,sip"]
    assert decode_as(a_message(source=5060, destination=5060)) == ["udp.port==5060,sip"]


def test_payload_that_no_datagram_holds_is_told_as_the_stream_that_it_becomes() -> None:
    assert decode_as(a_message(b"{" + b" " * 70_000))[0] == "tcp.port==5062,json"


@pytest.mark.parametrize(
    ("payload", "protocol"),
    [
        (INVITE, "sip"),
        (RECEIVER_REPORT, "rtcp"),
        (b' {"type": 200}', "json"),
        (b"[1]", "json"),
        (b"a line of a log", "data"),
        (b"", "data"),
    ],
)
def test_payload_says_what_it_is(payload: bytes, protocol: str) -> None:
    assert protocol_of(a_message(payload)) == protocol


def test_tshark_asks_no_name_server_and_reads_standard_input() -> None:
    arguments = arguments_for(a_message())

    assert "-n" in arguments
    assert arguments[arguments.index("-r") + 1] == "-"


# ---- programs in its place ----


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where the account of the program may look; it may not in pytest's own directories."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def a_program(directory: Path, script: str, **given: Any) -> Tshark:
    path = directory / "tshark"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Tshark(TsharkSettings(path=path, **given))


async def test_answer_is_given_as_it_is(directory: Path) -> None:
    tshark = a_program(directory, """cat > /dev/null; echo '[{"_source": {"layers": {}}}]'""")

    assert await tshark.dissect(a_message()) == [{"_source": {"layers": {}}}]


async def test_program_has_no_home_no_rights_and_little_of_everything(directory: Path) -> None:
    asked = ["$HOME", "$(id -u)", "$(ulimit -v)", "$(ulimit -f)", "$(ulimit -n)", "$(pwd)", "$SECRET"]
    script = "cat > /dev/null; echo '['" + "','".join(f'"\\"{each}\\""' for each in asked) + "']'"
    os.environ["SECRET"] = "of the API"  # noqa: S105 - none
    try:
        # Of several packets the last is shown first.
        said = reversed(await a_program(directory, script).dissect(a_message()))
        home, uid, memory, files, descriptors, where, secret = said
    finally:
        del os.environ["SECRET"]

    assert home == "/nonexistent"
    assert uid != "0"
    assert (memory, files, descriptors) == (str(1024 * 1024), "0", "64")
    assert (where, secret) == ("/", "")


async def test_program_gets_a_capture_of_the_message(directory: Path) -> None:
    tshark = a_program(directory, """printf '["'; od -A n -t x1 -v | tr -d ' \\n'; printf '"]'""")

    ((sent,),) = [await tshark.dissect(a_message())]

    data = bytes.fromhex(sent)
    assert data[:4] == b"\xd4\xc3\xb2\xa1"
    assert data.endswith(INVITE)


def test_program_is_given_no_socket_by_the_loop_that_serves(directory: Path) -> None:
    tshark = a_program(directory, "[ -S /dev/stdin ] || printf '[%s]' $(wc -c)")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        (read,) = runner.run(tshark.dissect(a_message()))

    assert read > len(INVITE)


@pytest.mark.parametrize("before", [":", "head -c 9000000 /dev/zero", "sleep 60 &"])
async def test_program_that_takes_too_long_is_ended(directory: Path, before: str) -> None:
    tshark = a_program(directory, f"{before}\nsleep 60 # {directory.name}", timeout_s=0.5)
    begun = time.monotonic()

    with pytest.raises(Undissected, match=r"tshark took longer than 0\.5 s"):
        await tshark.dissect(a_message())

    assert time.monotonic() - begun < 10
    assert not [process for process in _command_lines() if directory.name in process]


async def test_message_that_has_not_had_its_turn_says_so(directory: Path) -> None:
    tshark = a_program(directory, "sleep 60", timeout_s=0.5, at_once=1)

    outcomes = await asyncio.gather(*(tshark.dissect(a_message()) for _ in range(3)), return_exceptions=True)

    assert str(outcomes[0]) == "tshark took longer than 0.5 s"
    # Before the third one there are two.
    assert str(outcomes[2]) == "tshark was busy with other messages for 0.5 s"


def _command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue
    return lines


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 1", "gave no answer"),
        ("exec 0<&-; echo 'not JSON'", "gave no answer"),
        ("echo 'some words' >&2; kill -9 $$", "gave no answer"),
        ("echo '{}'", "gave no packets"),
        ("yes '[[[[[[[[[['", "longer than 16777216 bytes"),
        ("yes words >&2", "longer than 16777216 bytes"),
    ],
)
async def test_program_that_answers_nonsense_is_no_answer(directory: Path, script: str, words: str) -> None:
    with pytest.raises(Undissected, match=words):
        await a_program(directory, script, timeout_s=60).dissect(a_message(INVITE + b"x" * 60_000))


async def test_what_a_failing_program_says_is_in_the_log_in_one_line(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Undissected):
        await a_program(directory, "printf 'no\\033[31m such\\nthing' >&2; exit 2").dissect(a_message())

    (line,) = [record.getMessage() for record in caplog.records if "tshark ended" in record.getMessage()]
    assert line == "tshark ended with 2: no·[31m such"


async def test_program_that_is_not_there_is_said(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    tshark = Tshark(TsharkSettings(path=directory / "none"))

    with pytest.raises(Undissected, match="gave no answer"):
        await tshark.dissect(a_message())

    assert f"{directory / 'none'} cannot be started: No such file or directory" in caplog.text


async def test_dissection_can_be_switched_off() -> None:
    with pytest.raises(Undissected, match="switched off"):
        await Tshark(TsharkSettings(enabled=False)).dissect(a_message())


async def test_machine_without_tshark_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(Undissected, match="apt install tshark"):
        await Tshark(TsharkSettings()).dissect(a_message())


async def test_no_more_run_at_once_than_the_settings_say(directory: Path) -> None:
    look = "read {} _ < /proc/uptime"
    script = f"cat > /dev/null; {look.format('now')}; sleep 0.3; {look.format('then')}; echo [$now, $then]"
    tshark = a_program(directory, script, at_once=2)

    spans = await asyncio.gather(*(tshark.dissect(a_message()) for _ in range(6)))

    begins = [begin for begin, _ in spans]
    at_once = [sum(begin <= moment < end for begin, end in spans) for moment in begins]
    assert max(at_once) <= 2
