"""The command line as far as it goes without starting anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from rhapsode.cli import app, main


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))


ALL = [(), *commands(typer.main.get_group(app))]


def test_every_command_of_the_issue_is_there() -> None:
    assert {" ".join(path) for path in ALL} >= {
        "up", "intake", "worker", "api", "migrate", "passwd", "send", "status", "doctor",
        "filter check", "filter test", "filter try",
        "journal aside list", "journal aside show", "journal aside replay",
        "filter list", "filter disable", "filter enable",
    }  # fmt: skip


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_an_example_of_this_very_command(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})

    assert shown.exit_code == 0
    assert f"Example: rhapsode {' '.join(path)}".strip() in shown.output


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_loses_no_word_to_markup(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})

    assert "``" not in shown.output


def test_version_is_told() -> None:
    shown = CliRunner().invoke(app, ["--version"])

    assert shown.exit_code == 0
    assert shown.output.startswith("rhapsode 0.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--config", "/none.toml"], "cannot read the settings file /none.toml"),
        (["up", "--workers", "0"], "setting workers"),
        (["up", "--hep", "nowhere"], "setting hep"),
        (["up", "--http-cert", "a.pem"], "belong together"),
        (["worker"], "no database runs under"),
        (["migrate"], "no database runs under"),
        (["send", "/none.pcap", "--to", "127.0.0.1:9"], "/none.pcap"),
        (["send", "/none.pcap", "--to", "9060"], "'9060' is not HOST:PORT"),
        (["send", "/none.pcap", "--to", ":9060"], "names no host"),
        (["journal", "aside", "show", "x"], "no packet x is set aside"),
    ],
    ids=" ".join,
)
def test_error_is_one_line_and_status_1(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["rhapsode", *arguments])

    status = main()

    written = capsys.readouterr()
    assert status == 1
    assert written.out == ""
    assert written.err.startswith("rhapsode: ")
    assert words in written.err
    assert written.err.count("\n") == 1
