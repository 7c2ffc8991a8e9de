"""Commands that root gives write as the account of the service does."""

import codecs
import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from capture.errors import JournalError
from capture.journal.aside import set_aside
from capture.journal.record import Carrier, Record
from rhapsode.cli import app
from rhapsode.owner import as_owner_of
from tests.support.filter_reports import a_report, a_script, kept
from tests.support.rhapsode import command, environment

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for others")

SERVICE = 65534


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Of a service that is not root, and with a worker's report of `mask.lua`."""
    with tempfile.TemporaryDirectory(prefix="rhapsode-owner-") as made:
        Path(made).chmod(0o711)  # where any account may enter
        with kept(Path(made), a_report(a_script(), runs=False)):
            _give_away(Path(made) / "journal")
            yield Path(made)


def _give_away(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        os.chown(path, SERVICE, SERVICE)


def run(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(data_dir)])


def owners_below(directory: Path) -> set[tuple[int, int]]:
    return {(path.stat().st_uid, path.stat().st_gid) for path in (directory, *directory.rglob("*"))}


def accounts() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), os.getgroups()


def test_what_root_switches_belongs_to_the_service(data_dir: Path) -> None:
    disabled = run(data_dir, "filter", "disable", "mask")
    enabled = run(data_dir, "filter", "enable", "mask")

    assert (disabled.exit_code, enabled.exit_code) == (0, 0)
    assert "disabled by root" in enabled.output
    assert owners_below(data_dir / "journal") == {(SERVICE, SERVICE)}


@pytest.mark.parametrize("name", ["switched.log", "switches.lock"])
def test_link_that_the_service_left_does_not_lead_root_to_files_of_others(data_dir: Path, name: str) -> None:
    others = data_dir / "others"
    others.write_text("secret")
    (data_dir / "journal" / "filters" / name).symlink_to(others)

    result = run(data_dir, "filter", "disable", "mask")

    assert isinstance(result.exception, JournalError)
    assert (others.read_text(), others.stat().st_uid) == ("secret", 0)


def test_journal_that_root_makes_to_replay_belongs_to_the_service(data_dir: Path) -> None:
    # Read from the interpreter's folder, which may be closed to the account here.
    codecs.lookup("ascii")
    record = Record(1, 1, 4096, 1_700_000_000_000_000, Carrier.UDP, bytes(16), 5060, b"HEP3")
    set_aside(data_dir / "journal" / "aside", uuid4(), record, "cannot be processed")
    _give_away(data_dir / "journal")

    result = run(data_dir, "journal", "aside", "replay")

    assert result.output.startswith("1 packets to be tried again, in ")
    assert len(list((data_dir / "journal").glob("replay-*/*"))) > 1
    assert owners_below(data_dir / "journal") == {(SERVICE, SERVICE)}


def test_root_is_root_again_whatever_happens(data_dir: Path) -> None:
    before = accounts()
    within = []

    def fail() -> None:
        with as_owner_of(data_dir / "journal"):
            within.append(accounts())
            raise JournalError("no room")

    with pytest.raises(JournalError):
        fail()

    assert within == [(SERVICE, SERVICE, [SERVICE])]
    assert accounts() == before


def test_directory_that_is_not_there_has_no_owner(data_dir: Path) -> None:
    with as_owner_of(data_dir / "none"):
        assert os.geteuid() == 0


def test_root_that_may_not_act_for_others_is_told_so(data_dir: Path) -> None:
    arguments = command("filter", "disable", "mask", "--data-dir", data_dir)

    done = subprocess.run(
        arguments, preexec_fn=_drop_rights, env=environment(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"rhapsode: {data_dir}/journal belongs to the account {SERVICE}, and this")


def _drop_rights() -> None:
    """As in a container without them: what is started next is root and may not become another."""
    for capability in (6, 7):  # CAP_SETGID, CAP_SETUID
        ctypes.CDLL(None).prctl(24, capability)  # PR_CAPBSET_DROP
