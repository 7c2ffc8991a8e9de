"""What `rhapsode filter check`, `test` and `try` refuse, in words, before anything runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from capture.errors import CaptureError
from rhapsode.cli import app
from rhapsode.commands.trying import duration_us
from rhapsode.errors import RhapsodeError
from tests.support.frames import write_pcap

EMPTY = "function on_sip() end"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["try", "some.lua"], "give packets to try the script on: --pcap FILE or --last 10m"),
        (["try", "some.lua", "--pcap", "a.pcap", "--last", "10m"], "give packets to try the script on"),
        (["try", "none.lua", "--pcap", "a.pcap"], "there is no none.lua: name a filter script"),
        (["try", "some_test.lua", "--pcap", "a.pcap"], "some_test.lua is no script that can be run"),
        (["try", "empty", "--pcap", "a.pcap"], "empty has no scripts: they are files named *.lua"),
        (["try", "bad.lua", "--pcap", "a.pcap"], "bad.lua:1: "),
        (["try", "some.lua", "--pcap", "none.pcap"], "cannot read none.pcap"),
        (["try", "some.lua", "--pcap", "some.lua"], "some.lua is not a packet capture"),
        (["try", "some.lua", "--last", "10"], "--last 10: a time is 90s, 10m, 6h or 2d"),
        (["try", "some.lua", "--last", "10m", "--data-dir", "none"], "no database runs under "),
        (["test", "none"], "none cannot be read: No such file or directory"),
        (["test", "empty"], "empty has no tests: they are files named *_test.lua beside the scripts"),
        (["test", "some.lua"], "some.lua is no test: name its folder, or one of the files *_test.lua in it"),
        (["test", ".", "--junit", "none/report.xml"], "none/report.xml cannot be written: No such file"),
    ],
)
def test_what_cannot_be_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    (tmp_path / "some.lua").write_text(EMPTY)
    (tmp_path / "some_test.lua").write_text('test("x", function() end)')
    (tmp_path / "bad.lua").write_text("function on_sip(")
    (tmp_path / "empty").mkdir()
    write_pcap(tmp_path / "a.pcap", [])
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, ["filter", *arguments])

    assert isinstance(done.exception, RhapsodeError | CaptureError)
    assert words in str(done.exception)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("6h", 21_600), ("2d", 172_800), ("1s", 1)]
)
def test_times_are_read_in_all_their_units(text: str, seconds: int) -> None:
    assert duration_us(text) == seconds * 1_000_000


@pytest.mark.parametrize("text", ["", "m", "10", "0m", "-1m", "1.5h", "10 m", "1w", "1000000s", "١m"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(RhapsodeError, match=f"--last {text}: a time is 90s, 10m, 6h or 2d"):
        duration_us(text)
