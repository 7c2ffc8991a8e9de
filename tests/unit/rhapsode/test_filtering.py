"""`rhapsode filter list | disable | enable`, as far as they go without a worker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from capture.script_report import FolderProblem, MemoryReport
from capture.script_switches import Switches
from rhapsode.cli import app
from rhapsode.errors import SettingsError
from tests.support.filter_reports import SHA, a_report, a_script, kept


@pytest.fixture
def filters(tmp_path: Path) -> Iterator[Path]:
    """Where a worker runs `mask.lua` and `b.lua`."""
    mask = a_script(calls=1234, is_new_kind=True)
    mask.count_drop("scanner", 7)
    for _ in range(12):
        mask.count_error(3, "error", "a nil value", 5)
    report = a_report(
        mask,
        a_script("b.lua", load_error="line 9: '=' expected"),
        problems=[FolderProblem("x.lua", "is empty", is_left_out=False)],
        cache=MemoryReport(5, 2048, 1_000_000, 3),
    )
    with kept(tmp_path, report) as directory:
        yield directory


def run(data_dir: Path, *arguments: str, **environment: str) -> Result:
    environment |= {"COLUMNS": "80"}
    return CliRunner().invoke(
        app, ["filter", *arguments, "--data-dir", str(data_dir)], env=environment, catch_exceptions=True
    )


def test_list_shows_what_each_script_does_within_80_columns(filters: Path, tmp_path: Path) -> None:
    Switches(filters).disable("b.lua", "alice")

    shown = run(tmp_path, "list").output

    lines = [line.split() for line in shown.splitlines()]
    assert ["mask.lua", "new", "running", "1,234", "7", "12", "1.5", "µs", "2.0", "µs"] in lines
    assert ["b.lua", "old", "disabled", "0", "0", "0", "–", "–"] in lines
    assert "not loaded: b.lua: line 9: '=' expected" in shown
    assert "filter scripts: x.lua: is empty" in shown
    assert "disabled: b.lua: disabled by alice" in shown
    assert "12 × line 3: a nil value" in shown
    assert "5 entries, 2.05 kB of 1.00 MB, 3 went out for want of room" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_list_for_machines_is_that_of_the_api(filters: Path, tmp_path: Path) -> None:
    found = json.loads(run(tmp_path, "list", "--json").stdout)

    assert found["count"] == 2
    assert found["data"][0]["drops"] == {"scanner": 7}
    assert found["problems"] == ["x.lua: is empty"]


def test_list_without_scripts_says_how_to_have_some(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()

    assert "--lua-dir" in run(tmp_path, "list").output


@pytest.mark.parametrize("arguments", [["list"], ["disable", "mask"], ["enable", "mask"]])
def test_directory_that_nothing_runs_on_is_named_and_left_alone(tmp_path: Path, arguments: list[str]) -> None:
    result = run(tmp_path / "none", *arguments)

    assert isinstance(result.exception, SettingsError)
    assert "journal cannot be looked into" in str(result.exception)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["mask.lua", "mask"])
def test_person_disables_and_enables_a_script(filters: Path, tmp_path: Path, name: str) -> None:
    disabled = run(tmp_path, "disable", name)
    off = Switches(filters).read()
    enabled = run(tmp_path, "enable", name)

    assert disabled.output.startswith("mask.lua is disabled")
    assert list(off) == ["mask.lua"]
    assert off["mask.lua"].by
    assert enabled.output.startswith("mask.lua is enabled")
    assert f"It was off: disabled by {off['mask.lua'].by}" in enabled.output
    assert Switches(filters).read() == {}


@pytest.mark.parametrize("path", ["scripts/new.lua", "../scripts/new", "./new.lua"])
def test_script_that_is_named_by_a_path_is_the_one_that_is_switched(
    filters: Path, tmp_path: Path, path: str
) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "new.lua").touch()

    disabled = run(tmp_path, "disable", path, RHAPSODE_LUA_DIR=str(scripts))

    assert disabled.output.startswith("new.lua is disabled")
    assert list(Switches(filters).read()) == ["new.lua"]


def test_who_is_behind_sudo_is_named(filters: Path, tmp_path: Path) -> None:
    run(tmp_path, "disable", "mask", SUDO_USER="alice-behind-sudo")

    assert Switches(filters).read()["mask.lua"].by.startswith("alice-behind-sudo as ")


def test_script_that_switched_itself_off_is_enabled_and_the_reason_named(
    filters: Path, tmp_path: Path
) -> None:
    Switches(filters).switch_off("mask.lua", SHA, "loops")

    assert "It was off: loops" in run(tmp_path, "enable", "mask").output


def test_script_that_runs_need_not_be_enabled(filters: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "enable", "mask").output == "mask.lua was not switched off\n"


def test_script_that_a_setting_disables_stays_so(filters: Path, tmp_path: Path) -> None:
    result = run(tmp_path, "enable", "mask", RHAPSODE_FILTERS__DISABLED='["mask"]')

    assert result.output == "mask.lua stays disabled: the setting filters.disabled names it\n"


def test_script_that_nobody_knows_is_refused(filters: Path, tmp_path: Path) -> None:
    result = run(tmp_path, "disable", "none")

    assert isinstance(result.exception, SettingsError)
    assert str(result.exception) == ("there is no filter script none.lua: `rhapsode filter list` names them")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 300, f"{'x' * 300}.lua"),
        ("new_test.lua", "new_test.lua"),
        (".hidden", ".hidden.lua"),
        ("..", "...lua"),
        ("a\x1b[2J\nb", "a·[2J·b.lua"),
    ],
)
def test_name_that_is_no_scripts_is_refused_whatever_files_there_are(
    filters: Path, tmp_path: Path, name: str, shown: str
) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for file in ("new.lua", "new_test.lua", ".hidden.lua"):
        (scripts / file).touch()

    result = run(tmp_path, "disable", name, RHAPSODE_LUA_DIR=str(scripts))

    assert isinstance(result.exception, SettingsError)
    assert str(result.exception) == f"there is no filter script {shown}: `rhapsode filter list` names them"
    assert Switches(filters).read() == {}


def test_script_can_be_disabled_before_the_first_worker_has_it(filters: Path, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "new.lua").touch()

    of_folder = run(tmp_path, "disable", "new", RHAPSODE_LUA_DIR=str(scripts))
    example = run(tmp_path, "disable", "scanners", RHAPSODE_FILTERS__EXAMPLES='["scanners"]')

    assert (of_folder.exit_code, example.exit_code) == (0, 0)
    assert sorted(Switches(filters).read()) == ["new.lua", "scanners.lua"]
