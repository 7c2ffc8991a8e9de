"""What can be seen without the database."""

from pathlib import Path

import pytest

from rhapsode.errors import SettingsError
from rhapsode.look.machine import look_at_machine
from rhapsode.settings import Settings


def test_directory_that_cannot_be_looked_into_does_not_pass_for_an_empty_one(tmp_path: Path) -> None:
    # No permission would show the same way, but not to root.
    (tmp_path / "journal").write_bytes(b"no directory")

    with pytest.raises(SettingsError, match=r"journal cannot be looked into \(Not a directory\)"):
        look_at_machine(Settings(data_dir=tmp_path), look_s=0)


def test_directory_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    machine = look_at_machine(Settings(data_dir=tmp_path / "later"), look_s=0)

    assert (machine.runs, machine.journals, machine.aside) == (False, [], 0)
    assert machine.disk.path == tmp_path
