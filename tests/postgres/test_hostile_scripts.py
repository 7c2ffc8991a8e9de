"""Random hostile scripts in a real worker, which is started again whenever they end it.

Whatever stands in the folder, capture goes on: each packet has its outcome, and a good script beside the bad
ones sees whatever is written.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from capture.journal.log import JournalWriter
from capture.route import MessageClass
from capture.script_report import WorkerReport
from capture.script_report_files import filters_directory, read_report
from capture.scripts.watchdog import EXIT_STATUS
from capture.settings import JournalSettings
from capture.stats import WORKER_OUTCOMES
from capture.store.columns import messages_table
from tests.support import sender
from tests.support.hostile_lua import BOMB, HostileScripts
from tests.support.working import append

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
PACKETS = 60
BAD_SCRIPTS = 6
SEEDS = range(8)
MOST_LIVES = 3 * BAD_SCRIPTS + 3
"""Each script ends at most two workers by the watchdog, or two by a crash and one before."""
MOST_KIB = 900 * 1024
"""Of a worker: its own 100 MiB, 4 MiB for each of seven states, 64 MiB in two memories, and what a single
call may take for a moment, which is 448 MiB."""
GOOD = "good.lua"
# Runs after all others, so that none may take its tag away.
GOOD_SCRIPT = "function on_packet(packet) tag('good', 'yes') end"
WORKER = """
import sys
from pathlib import Path
from capture.settings import FilterSettings, StorageSettings
from capture.worker import WorkerOptions, run

run(
    WorkerOptions(
        Path(sys.argv[1]),
        sys.argv[2],
        storage=StorageSettings(train_dictionary=False, batch_rows=20),
        lua_dir=Path(sys.argv[3]),
        filters=FilterSettings(instructions=20_000, memory_bytes=4 << 20, watchdog_s=0.2),
        until_drained=True,
    )
)
"""


class Life(NamedTuple):
    """A worker from its start to its end."""

    status: int
    most_kib: int
    said: str


class End(NamedTuple):
    """What has become of the packets of one folder's test."""

    lives: list[Life]
    outcomes: dict[str, int]
    written: int
    tagged: int
    report: WorkerReport


def live(journal: Path, url: str, scripts: Path, said: Path) -> Life:
    with said.open("wb") as log:
        process = subprocess.Popen(
            ["timeout", "60", sys.executable, "-c", WORKER, journal, url, scripts], cwd=ROOT, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Life(process.returncode, used.ru_maxrss, said.read_text("utf-8", "replace"))


async def ask(url: str) -> tuple[dict[str, int], int, int]:
    """Outcomes; messages written; those of them with the good script's tag."""
    tables = [messages_table(message_class) for message_class in MessageClass]
    each = " union all ".join(f"select extra from {table}" for table in tables)
    connection = await asyncpg.connect(url)
    try:
        position = await connection.fetchrow("select * from journal_position")
        counts = await connection.fetchrow(
            "select count(*), count(*) filter (where extra->'fields'->>'custom:good' = 'yes')"
            f" from ({each}) as messages"
        )
    finally:
        await connection.close()
    return {outcome.name: position[outcome.name.lower()] for outcome in WORKER_OUTCOMES}, *counts


async def capture(folder: Path, url: str, bad: Mapping[str, str]) -> End:
    """Let a worker, and its successors, deal with packets while these scripts stand in the folder."""
    journal, scripts = folder / "journal" / "0000", folder / "scripts"
    scripts.mkdir()
    for name, source in {**bad, GOOD: GOOD_SCRIPT}.items():
        (scripts / name).write_text(source)
    writer = JournalWriter.open(journal, JournalSettings())
    append(writer, [sender.packet(number) for number in range(PACKETS)])
    writer.close()
    lives: list[Life] = []
    while not lives or lives[-1].status != 0:
        assert len(lives) < MOST_LIVES, [life.said[-1000:] for life in lives]
        lives.append(live(journal, url, scripts, folder / "said"))
    report = read_report(filters_directory(journal), journal.name)
    assert report is not None
    return End(lives, *await ask(url), report)


def assert_captured(end: End) -> None:
    statuses = [life.status for life in end.lives]
    assert set(statuses) <= {0, EXIT_STATUS}, [life.said[-2000:] for life in end.lives]
    assert sum(end.outcomes.values()) == PACKETS
    assert end.outcomes["FAILED"] == 0
    assert end.outcomes["WRITTEN"] == end.written == end.tagged
    good = end.report.script(GOOD)
    assert good is not None
    assert (good.state, good.failed) == ("running", 0)
    assert max(life.most_kib for life in end.lives) < MOST_KIB
    assert "Traceback" not in "".join(life.said for life in end.lives)


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_packet_has_its_outcome_whatever_scripts_do(
    tmp_path: Path, database_url: str, seed: int
) -> None:
    end = await capture(tmp_path, database_url, HostileScripts(seed).folder(BAD_SCRIPTS))

    assert_captured(end)


async def test_scripts_that_always_fail_are_counted_or_switched_off(
    tmp_path: Path, database_url: str
) -> None:
    bad = {
        "a_bomb.lua": f"function on_sip() {BOMB} end",
        "b_loop.lua": "function on_sip() while true do pcall(error) end end",
        "c_memory.lua": "local t = {}\nfunction a() while true do t[#t + 1] = ('x'):rep(5e4) .. #t end end",
        "d_error.lua": "function on_packet() error({}) end",
        "e_coroutine.lua": "function on_sip() coroutine.wrap(function() while true do end end)() end",
        "f_old_bomb.lua": f"function b() pcall(function() {BOMB} end) end",
    }

    end = await capture(tmp_path, database_url, bad)

    assert_captured(end)
    assert [life.status for life in end.lives] == [EXIT_STATUS] * 4 + [0]
    states = {script.name: script.state for script in end.report.scripts}
    assert states == {
        **dict.fromkeys(bad, "switched off"),
        "d_error.lua": "running",
        GOOD: "running",
    }
    error = end.report.script("d_error.lua")
    assert error is not None
    assert error.failed == PACKETS


@pytest.mark.parametrize("point", ["on_sip", "old"])
async def test_script_that_takes_minutes_to_compile_is_switched_off(
    tmp_path: Path, database_url: str, point: str
) -> None:
    bad = {"a.lua": f"function {point}() return a{' and a' * 100_000} end"}

    end = await capture(tmp_path, database_url, bad)

    assert_captured(end)
    assert [life.status for life in end.lives] == [EXIT_STATUS] * 2 + [0]
    script = end.report.script("a.lua")
    assert script is not None
    assert script.state == "switched off"
