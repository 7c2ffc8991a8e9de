"""`rhapsode filter check`, `test` and `try`, run for real, and their exit statuses."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from capture.hep.encode import encode_packet
from rhapsode.commands.testing import HUNG_S
from tests.support.frames import ipv4, udp, write_pcap
from tests.support.rhapsode import command, environment, run
from tests.support.stored import a_packet

pytestmark = pytest.mark.slow

MASK = """
function on_sip(message)
    if message.user_agent == "scanner" then
        drop("scanner")
    end
    tag("agent", message.user_agent)
    if message.from_user == "broken" then
        local nothing = nil
        nothing.field = 1
    end
end
"""
OLD = """
function clean()
    os.execute("true")
    SetSIPHeader("from_user", "x")
end
"""
SIP = (
    b"OPTIONS sip:bob@example.com SIP/2.0\r\nFrom: <sip:%s@example.com>;tag=1\r\nCall-ID: 1\r\n"
    b"CSeq: 1 OPTIONS\r\nUser-Agent: %s\r\n\r\n"
)
TIME_US = 1_795_000_000_000_000
PATTERN_BOMB = 'string.find(string.rep("a", 3000), ".-.-.-.-.-b")'


def folder(tmp_path: Path, **files: str) -> Path:
    directory = tmp_path / "filters"
    directory.mkdir()
    for name, text in files.items():
        (directory / f"{name}.lua").write_text(text)
    return directory


# ---- check ----


def test_folder_that_is_well_is_shown_with_what_its_scripts_reach(tmp_path: Path) -> None:
    done = run("filter", "check", folder(tmp_path, mask=MASK, old=OLD))

    assert (done.returncode, done.stderr) == (0, "")
    assert "mask.lua  new API\n  on_sip: SIP\n" in done.stdout
    assert "old.lua  heplify-server API\n  clean: HEP types 1, 5, 100\n" in done.stdout
    assert "  warning: line 3: os.execute is not there" in done.stdout
    assert "2 scripts, 0 errors, " in done.stdout


def test_script_that_does_not_load_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    done = run("filter", "check", folder(tmp_path, mask=MASK, bad="\nfunction on_sip(message"))

    assert done.returncode == 1
    assert "  error: bad.lua:2: " in done.stdout
    assert "2 scripts, 1 error, 0 warnings" in done.stdout


def test_check_of_twenty_scripts_is_quick(tmp_path: Path) -> None:
    directory = folder(tmp_path, **{f"script_{number}": MASK for number in range(20)})

    done = run("filter", "check", directory)

    assert done.returncode == 0
    seconds = re.search(r"20 scripts, 0 errors, 0 warnings, in ([0-9.]+) s", done.stdout)
    assert seconds is not None
    # 0.2 s on a machine with nothing else to do.
    assert float(seconds[1]) < 3


# ---- test ----


def test_outcomes_are_listed_and_written_for_ci(tmp_path: Path) -> None:
    directory = folder(
        tmp_path,
        mask=MASK,
        mask_test="""
test("phones are tagged", function() assert_equal(run(sip{user_agent = "x"}).tags.agent, "x") end)
test("phones are dropped", function()
    assert_dropped(run(sip{user_agent = "phone"}))
end)
""",
        empty_test="",
    )
    report = tmp_path / "report.xml"

    done = run("filter", "test", directory, "--junit", report)

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(
        "empty_test.lua\n"
        '  FAILED  empty_test.lua has no tests: write test("what it shows", function() … end)\n'
        "mask_test.lua\n"
        "  ok      phones are tagged\n"
        "  FAILED  phones are dropped\n"
        "            mask_test.lua:4: kept, and not dropped\n"
        "\n1 passed, 2 failed, in "
    )
    suites = ElementTree.parse(report).getroot()  # noqa: S314 # made here
    assert [suite.attrib["name"] for suite in suites] == ["empty_test.lua", "mask_test.lua"]
    assert [case.attrib["name"] for case in suites[1]] == ["phones are tagged", "phones are dropped"]


def test_run_without_a_failure_ends_well(tmp_path: Path) -> None:
    directory = folder(tmp_path, mask=MASK, mask_test='test("x", function() run(sip{}) end)')

    done = run("filter", "test", directory)

    assert (done.returncode, done.stderr) == (0, "")
    assert "1 passed, 0 failed, in " in done.stdout


def test_folder_without_tests_is_a_failure(tmp_path: Path) -> None:
    done = run("filter", "test", folder(tmp_path, mask=MASK))

    assert done.returncode == 1
    assert "has no tests: they are files named *_test.lua beside the scripts" in done.stderr


def test_test_that_does_not_come_back_is_ended_and_reported(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    directory = folder(
        tmp_path,
        bomb=f"function on_sip() {PATTERN_BOMB} end",
        bomb_test='test("hangs", function() run(sip{}) end)',
    )

    done = run("filter", "test", directory, "--junit", report)

    assert done.returncode == 1
    assert "FAILED  bomb_test.lua: hangs does not come back: ended after 3 s" in done.stdout
    assert ElementTree.parse(report).getroot()[0].attrib["errors"] == "1"  # noqa: S314 # made here


def test_run_waits_for_who_reads_slowly_what_it_shows(tmp_path: Path) -> None:
    tests = 'for number = 1, 100 do test("fails " .. number, function() error(("x"):rep(1900)) end) end'
    given = command("filter", "test", folder(tmp_path, mask=MASK, mask_test=tests))
    with subprocess.Popen(given, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(HUNG_S + 2)
        shown, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "0 passed, 100 failed" in shown


# ---- try ----


def capture(tmp_path: Path) -> Path:
    frames = [
        ipv4(udp(SIP % (b"alice", b"phone"))),
        ipv4(udp(encode_packet(a_packet(TIME_US, SIP % (b"bob", b"scanner"))))),
        ipv4(udp(SIP % (b"broken", b"phone"))),
        ipv4(udp(encode_packet(a_packet(TIME_US, b"{}", protocol_type=5)))),
    ]
    return write_pcap(tmp_path / "some.pcap", frames)


def test_each_packet_of_a_capture_is_shown_as_the_script_would_leave_it(tmp_path: Path) -> None:
    script = folder(tmp_path, mask=MASK) / "mask.lua"

    done = run("filter", "try", script, "--pcap", capture(tmp_path))

    assert (done.returncode, done.stderr) == (1, "")
    assert "#1  2026-11-23 04:32:24.000000  OPTIONS  192.0.2.10:5060 → 192.0.2.20:9060  1\n" in done.stdout
    assert "    tag agent  – → phone\n" in done.stdout
    assert "    dropped: scanner\n" in done.stdout
    assert "    error: mask.lua:9: " in done.stdout
    assert "#4" not in done.stdout
    assert "4 packets: 1 changed, 1 dropped, 1 failed, 1 unchanged; 3 calls, " in done.stdout
    assert "\x1b" not in done.stdout


def test_limit_and_all_choose_what_is_shown_with_colours_on_a_terminal(tmp_path: Path) -> None:
    script = folder(tmp_path, mask=MASK) / "mask.lua"

    done = run("filter", "try", script, "--pcap", capture(tmp_path), "--limit", "2")
    shown = run("filter", "try", script, "--pcap", capture(tmp_path), "--all", extra={"FORCE_COLOR": "1"})

    assert done.returncode == 0
    assert "2 packets: 1 changed, 1 dropped, 0 failed, 0 unchanged" in done.stdout
    assert "#4" in shown.stdout
    assert "    unchanged" in shown.stdout
    assert "\x1b[" in shown.stdout


def test_script_that_hangs_is_ended_and_the_packet_named(tmp_path: Path) -> None:
    script = folder(tmp_path, bomb=f"function on_sip() {PATTERN_BOMB} end") / "bomb.lua"

    done = run("filter", "try", script, "--pcap", capture(tmp_path))

    assert done.returncode == 1
    assert "packet #1: a script does not come back within 1 s" in done.stdout


@pytest.mark.parametrize("arguments", [["check", "."], ["try", "bomb.lua", "--pcap", "../some.pcap"]])
def test_script_that_hangs_while_it_is_loaded_is_named(tmp_path: Path, arguments: list[str]) -> None:
    capture(tmp_path)
    directory = folder(tmp_path, bomb=f"{PATTERN_BOMB}\nfunction on_sip() end")

    done = run("filter", *arguments, cwd=directory)

    assert done.returncode == 1
    assert "bomb.lua: does not come back within 1 s while it is loaded" in done.stdout
