"""What the roles share: where journals are, and that no filter script is passed over."""

from pathlib import Path

import pytest

from rhapsode.errors import SettingsError
from rhapsode.roles import existing_journals, journal_directories, make_data_directory, refuse_scripts
from rhapsode.settings import Settings


def test_each_worker_has_a_journal_of_its_own() -> None:
    settings = Settings(data_dir=Path("/d"), workers=2)

    assert journal_directories(settings) == [Path("/d/journal/0000"), Path("/d/journal/0001")]


def test_packets_set_aside_are_no_journal(tmp_path: Path) -> None:
    for name in ("0000", "replay-1", "aside"):
        (tmp_path / "journal" / name).mkdir(parents=True)
    for name in ("0000", "replay-1"):
        (tmp_path / "journal" / name / "journal.id").touch()

    found = existing_journals(Settings(data_dir=tmp_path))

    assert [path.name for path in found] == ["0000", "replay-1"]


def test_scripts_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "anonymise.lua").touch()

    with pytest.raises(SettingsError, match=r"anonymise\.lua.* cannot run"):
        refuse_scripts(Settings(lua_dir=tmp_path))


def test_empty_directory_of_scripts_is_fine(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()

    refuse_scripts(Settings(lua_dir=tmp_path))
    refuse_scripts(Settings(lua_dir=None))


def test_directory_of_scripts_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no directory"):
        refuse_scripts(Settings(lua_dir=tmp_path / "none"))


def test_data_directory_can_be_read_by_nobody_else(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a" / "data")

    make_data_directory(settings)

    assert settings.data_dir.stat().st_mode & 0o066 == 0
