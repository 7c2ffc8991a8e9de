"""A log that is slow while scripts write to it, or fail, is not their fault."""

import subprocess
import sys
from pathlib import Path

import pytest

from capture.scripts.watchdog import EXIT_STATUS
from tests.support.rhapsode import environment

pytestmark = pytest.mark.slow

LOGS = 'function on_sip(message) log.warn("seen") log.warn("again") end\n'
FAILS = "function on_sip(message) while true do end end\n"
HANGS = 'function on_sip(message) log.warn("seen") string.find(("a"):rep(3000), ".-.-.-.-.-b") end\n'
WORKER = """
import logging
import sys
import time
from pathlib import Path

from capture.journal.figures import WorkerFigure
from capture.scripts.worker_filters import WorkerFilters
from capture.settings import FilterSettings
from tests.support.drafts import a_draft

class SlowHandler(logging.StreamHandler):
    def emit(self, record):
        time.sleep(1)
        super().emit(record)

folder = Path(sys.argv[1])
logging.basicConfig(handlers=[SlowHandler()])
words = [0] * len(WorkerFigure)
filters = WorkerFilters(folder, FilterSettings(watchdog_s=0.3), folder / "journal" / "0000", words)
filters.start(None, lambda place: None)
filters.engine.run(a_draft())
filters.stop()
"""


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        (LOGS, 0, "a.lua:1: again"),
        (FAILS, 0, "a.lua:1: more than 1000000 instructions"),
        (HANGS, EXIT_STATUS, "script a.lua does not come back"),
    ],
    ids=["logs", "fails", "hangs"],
)
def test_script_answers_for_its_own_time_alone(tmp_path: Path, source: str, status: int, said: str) -> None:
    (tmp_path / "a.lua").write_text(source)

    ended = subprocess.run(
        [sys.executable, "-c", WORKER, tmp_path],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == status, ended.stderr
    assert said in ended.stderr
