"""The stock web UI (homer-ui 7.11) in a browser, in front of one `rhapsode up` with some calls."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.browser import Browser, a_browser
from tests.support.rhapsode import ROOT, Rhapsode, command, environment, rhapsode_up, wait_for_outcomes
from tests.support.ui_pages import Ui

VARIABLE = "RHAPSODE_TEST_HOMER_UI"
CAPTURES = {
    "mixed-kamailio-rtpengine.pcap": 72,
    "hepgen-b2bcall-rtcp.pcap": 43,
    "kamailio-hep3-hlog.pcap": 27,
}
"""Calls with RTCP, and their logs; how many packets each has."""


@pytest.fixture(scope="session")
def homer_ui() -> Path:
    """A build of the stock web UI, unpacked or packed; nothing of it belongs to this project."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip(f"{VARIABLE} names no build of the stock web UI")
    return Path(given)


@pytest.fixture(scope="session")
def running(homer_ui: Path) -> Iterator[Rhapsode]:
    with TemporaryDirectory(prefix="rhapsode-ui-") as directory:
        Path(directory).chmod(0o711)
        with rhapsode_up(Path(directory) / "data", "--ui-dir", homer_ui) as up:
            host, port = up.hep
            for name in CAPTURES:
                arguments = ("send", ROOT / "tests/corpus/data" / name, "--to", f"{host}:{port}", "--now")
                subprocess.run(command(*arguments), env=environment(), check=True, capture_output=True)
            wait_for_outcomes(up, sum(CAPTURES.values()))
            yield up


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept; pytest names the folder with `--basetemp`."""
    return tmp_path_factory.mktemp("shots")


@pytest.fixture
def browser(running: Rhapsode, shots: Path) -> Iterator[Browser]:
    """A browser that is new here. At the end nothing may have gone wrong in it."""
    with a_browser(running.web, shots, accept_downloads=True) as browser:
        yield browser
        assert browser.trouble == []


@pytest.fixture
def ui(browser: Browser) -> Ui:
    """The dashboard of the administrator."""
    return Ui(browser).log_in()
