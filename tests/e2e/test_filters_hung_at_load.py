"""A script that does not come back while it is loaded, in which nothing in the process can interrupt it."""

import subprocess
import sys
from pathlib import Path

import pytest

from capture.scripts.watchdog import EXIT_STATUS
from tests.support.rhapsode import environment

pytestmark = pytest.mark.slow

BOMB = 'string.find(string.rep("a", 3000), ".-.-.-.-.-b")\n'
WORKER = """
import sys
from pathlib import Path
from uuid import UUID

from capture.journal.figures import FigureFile, WorkerFigure
from capture.mark import PacketMark
from capture.scripts.worker_filters import WorkerFilters
from capture.settings import FilterSettings

folder = Path(sys.argv[1])
journal = folder / "journal" / "0000"
words = FigureFile.open(folder / "worker.figures", WorkerFigure, UUID(int=1)).words
filters = WorkerFilters(folder, FilterSettings(watchdog_s=0.2), journal, words)
filters.start(PacketMark(words).find_script_death(), lambda place: None)
filters.stop()
"""


@pytest.mark.parametrize(
    "bomb", [BOMB + "function on_sip() end", BOMB + "function a() end"], ids=["new", "old"]
)
def test_worker_is_ended_twice_and_then_does_without_the_script(tmp_path: Path, bomb: str) -> None:
    (tmp_path / "a.lua").write_text("function a() end")
    (tmp_path / "bomb.lua").write_text(bomb)

    lives = [
        subprocess.run(
            [sys.executable, "-c", WORKER, tmp_path],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        for _ in range(3)
    ]

    assert [life.returncode for life in lives] == [EXIT_STATUS, EXIT_STATUS, 0], lives
    assert "script bomb.lua does not come back" in lives[0].stderr
