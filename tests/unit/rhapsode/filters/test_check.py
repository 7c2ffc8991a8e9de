"""A folder looked over before a worker gets it: what is well, and every way in which it may not be."""

from pathlib import Path

import pytest

from capture.settings import FilterSettings
from rhapsode.filters.check import Checked, Finding, check_folder

NEW = "function on_sip(message) end\nfunction on_packet(packet) end\n"
OLD = "function first() end\nlocal function helper() end\n"


def check(directory: Path, **filters: object) -> dict[str, Checked]:
    found = check_folder(directory, FilterSettings.model_validate(filters))
    assert [each.name for each in found] == sorted(each.name for each in found)
    return {each.name: each for each in found}


def findings(directory: Path, name: str) -> tuple[Finding, ...]:
    return check(directory)[name].findings


def test_scripts_are_shown_with_their_kind_and_what_their_functions_reach(tmp_path: Path) -> None:
    (tmp_path / "new.lua").write_text(NEW)
    (tmp_path / "old.lua").write_text(OLD)
    (tmp_path / "new_test.lua").write_text("no Lua at all")

    assert check(tmp_path, hep_types=(1, 34)) == {
        "new.lua": Checked("new.lua", "new API", ("on_sip: SIP", "on_packet: every packet"), ()),
        "old.lua": Checked("old.lua", "heplify-server API", ("first: HEP types 1, 34",), ()),
    }


def test_folder_without_scripts_has_nothing_to_show(tmp_path: Path) -> None:
    assert check(tmp_path) == {}


@pytest.mark.parametrize("kind", ["function on_sip(message) end\n", ""], ids=["new", "old"])
@pytest.mark.parametrize(
    ("last_line", "words"),
    [
        ("function broken(", "bad.lua:{line}: "),
        ("error('no')", "bad.lua:{line}: no"),
        ("while true do end", "bad.lua:{line}: more than 1000000 instructions"),
        ('require "nothing"', "bad.lua:{line}: "),
    ],
)
def test_script_that_does_not_load_is_an_error_with_file_and_line(
    tmp_path: Path, kind: str, last_line: str, words: str
) -> None:
    text = f"{kind}local a = 1\n{last_line}"
    (tmp_path / "bad.lua").write_text(text)
    (tmp_path / "good.lua").write_text(NEW)

    (finding,) = (each for each in findings(tmp_path, "bad.lua") if not each.words.startswith("line "))

    assert finding.is_error
    assert finding.words.startswith(words.format(line=text.count("\n") + 1))
    assert findings(tmp_path, "good.lua") == ()


def test_examples_of_the_settings_are_looked_over_too(tmp_path: Path) -> None:
    (tmp_path / "own.lua").write_text(NEW)

    found = check(tmp_path, examples=["mask_numbers", "sample_options.lua"])

    assert [*found] == ["mask_numbers.lua", "own.lua", "sample_options.lua"]
    assert found["mask_numbers.lua"] == Checked("mask_numbers.lua", "new API", ("on_sip: SIP",), ())


def test_example_that_does_not_load_with_its_settings_is_an_error(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, examples=["drop_scanners"], drop_scanners={"agents": 5})[
        "drop_scanners.lua"
    ].findings

    assert finding.is_error
    assert finding.words.startswith("drop_scanners.lua:")


def test_scripts_of_the_settings_that_there_are_none_of_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.lua").write_text(NEW)
    (tmp_path / "other.lua").write_text(NEW)

    found = check(
        tmp_path,
        examples=["mask_numbers"],
        disabled=["own", "other.lua", "gone"],
        own={"a": 1},
        mask_numbers={"keep_last": 3},
        mask_number={"keep_last": 3},
    )

    assert found[""].findings == (
        Finding(False, "the settings have a table [filters.mask_number], and there is no mask_number.lua"),
        Finding(False, "the setting filters.disabled names gone, and there is no gone.lua"),
    )


def test_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path / "none", "")

    assert finding == Finding(
        True, f"the folder {tmp_path / 'none'} cannot be read: no such file or directory"
    )


def test_directory_named_like_a_script_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.lua").mkdir()

    assert findings(tmp_path, "x.lua") == (Finding(True, "cannot be read: not a file"),)


def test_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    # As nobody keeps root from reading, links that lead to each other.
    (tmp_path / "x.lua").symlink_to(tmp_path / "x.lua")

    (finding,) = findings(tmp_path, "x.lua")

    assert finding.is_error
    assert finding.words.startswith("cannot be read: ")


def test_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.lua").symlink_to(tmp_path / "gone")

    assert findings(tmp_path, "x.lua") == (Finding(True, "cannot be read: no such file or directory"),)


def test_two_scripts_of_one_name_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "Mask.lua").write_text(NEW)
    (tmp_path / "mask.lua").write_text(NEW)

    (finding,) = findings(tmp_path, "mask.lua")

    assert finding == Finding(True, "has the name of Mask.lua but for its spelling")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"local a = 1", "has no function that is run for packets"),
        (b"-- \xe9\nfunction a() end", "line 1 is not UTF-8: "),
    ],
)
def test_script_that_may_not_be_what_was_meant_is_a_warning(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.lua").write_bytes(data)

    (finding,) = findings(tmp_path, "x.lua")

    assert not finding.is_error
    assert finding.words.startswith(words)


def test_traps_and_removed_names_of_old_scripts_are_warnings_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "x.lua").write_text('function a()\n    SetSIPHeader("x", "y")\n    os.execute("true")\nend')

    first, second = findings(tmp_path, "x.lua")

    assert first.words.startswith("line 2: SetSIPHeader does nothing but write to the log")
    assert second.words.startswith("line 3: os.execute is not there")
    assert not first.is_error
    assert not second.is_error


def test_removed_names_are_seen_in_scripts_of_the_new_kind(tmp_path: Path) -> None:
    (tmp_path / "x.lua").write_text('function on_sip(message)\n    io.open("x")\nend')

    (finding,) = findings(tmp_path, "x.lua")

    assert finding.words.startswith("line 2: io is not there")
    assert not finding.is_error


def test_table_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "x.lua").write_text('function on_sip(m)\n    lookup.file("a.json", m.from_user)\nend')
    (tmp_path / "a.json").write_text("[]")

    assert findings(tmp_path, "a.json") == (Finding(False, "is not a JSON object"),)


def test_table_that_a_script_looks_up_and_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "x.lua").write_text('function on_sip(m)\n    lookup.file("none.csv", m.from_user)\nend')

    (finding,) = findings(tmp_path, "none.csv")

    assert not finding.is_error
    assert finding.words.startswith("cannot be read: ")


def test_tag_that_a_field_of_sip_hides_is_a_warning_at_its_line(tmp_path: Path) -> None:
    text = """-- tag("from_user", 1)
function on_sip(message)
  tag("method", 'tag("via", 1)') tag ( 'callid', 2)
  tag("status", 3) tag("protocol", 4) other.tag("via", 5)
end
"""
    (tmp_path / "a.lua").write_text(text)
    (tmp_path / "b.lua").write_text('function on_rtcp(report) tag("method", 1) end\n')

    found = check(tmp_path)

    assert [(finding.is_error, finding.words[:27]) for finding in found["a.lua"].findings] == [
        (False, "line 3: a tag method of SIP"),
        (False, "line 3: a tag callid of SIP"),
    ]
    assert found["b.lua"].findings == ()
