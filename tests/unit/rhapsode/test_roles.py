"""What the roles share: where journals are."""

from pathlib import Path

from rhapsode.roles import existing_journals, journal_directories, make_data_directory
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


def test_data_directory_can_be_read_by_nobody_else(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a" / "data")

    make_data_directory(settings)

    assert settings.data_dir.stat().st_mode & 0o066 == 0
