"""The modules that scripts may require."""

from pathlib import Path

import pytest

from capture.errors import ScriptError
from capture.scripts.folder import MOST_BYTES
from capture.scripts.modules import modules_below


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "filters"
    (folder / "lib").mkdir(parents=True)
    (folder / "numbers.lua").write_text("return 1")
    (folder / "lib" / "e-164.lua").write_text("return 2")
    (folder / "directory.lua").mkdir()
    (tmp_path / "outside.lua").write_text("return 3")
    (folder / "link.lua").symlink_to(tmp_path / "outside.lua")
    return folder


def test_modules_are_files_below_the_folder(folder: Path) -> None:
    find = modules_below(folder)

    assert find("numbers") == ("numbers.lua", b"return 1")
    assert find("lib.e-164") == ("lib/e-164.lua", b"return 2")


@pytest.mark.parametrize(
    "name",
    ["none", "", ".", "..outside", "../outside", "/numbers", "lib/e-164", "numbers\0", "directory", "link"],
)
def test_nothing_else_is_found(folder: Path, name: str) -> None:
    assert modules_below(folder)(name) is None


def test_folder_that_is_gone_has_no_modules(tmp_path: Path) -> None:
    assert modules_below(tmp_path / "none")("numbers") is None


def test_module_that_is_too_long_is_refused(folder: Path) -> None:
    (folder / "numbers.lua").write_bytes(b"-" * (MOST_BYTES + 1))

    with pytest.raises(ScriptError, match=r"numbers\.lua: is longer than 1048576 bytes"):
        modules_below(folder)("numbers")
