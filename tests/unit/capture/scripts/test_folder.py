"""The scripts of a folder."""

import hashlib
import os
from pathlib import Path

from capture.scripts.folder import MOST_BYTES, Folder, read_folder

CLEAN = "function clean()\nend\n"


def folder(directory: Path, **files: str | bytes) -> Folder:
    for stem, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (directory / f"{stem}.lua").write_bytes(data)
    return read_folder(directory)


def said(found: Folder) -> list[str]:
    return [str(problem) for problem in found.problems]


def used(found: Folder) -> list[str]:
    return [script.name for script in found.scripts]


def test_scripts_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    found = folder(tmp_path, b=CLEAN, a=CLEAN, B2=CLEAN)

    assert used(found) == ["B2.lua", "a.lua", "b.lua"]
    assert found.problems == ()


def test_script_is_read_with_its_entry_points_and_its_hash(tmp_path: Path) -> None:
    (script,) = folder(tmp_path, a=CLEAN).scripts

    assert [point.name for point in script.entry_points] == ["clean"]
    assert not script.is_new_kind
    assert script.source == CLEAN.encode()
    assert script.sha256 == hashlib.sha256(CLEAN.encode()).hexdigest()


def test_tests_and_hidden_and_other_files_are_no_scripts(tmp_path: Path) -> None:
    (tmp_path / ".a.lua").write_text(CLEAN)
    (tmp_path / "a.lua~").write_text(CLEAN)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.lua").write_text(CLEAN)

    assert folder(tmp_path, a_test=CLEAN) == Folder((), ())


def test_missing_folder_is_named(tmp_path: Path) -> None:
    found = read_folder(tmp_path / "none")

    assert said(found) == [f"the folder {tmp_path / 'none'} cannot be read: no such file or directory"]


def test_script_whose_name_is_not_utf8_is_left_out_and_named_as_far_as_it_can_be(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"m\xe4sk.lua")).write_text(CLEAN)

    found = folder(tmp_path, a=CLEAN)

    assert used(found) == ["a.lua"]
    assert said(found) == ["m\ufffdsk.lua: has a name that is not UTF-8"]


def test_script_whose_name_a_terminal_would_obey_is_left_out_and_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a\033[2J\nb.lua").write_text(CLEAN)

    found = folder(tmp_path, a=CLEAN)

    assert used(found) == ["a.lua"]
    assert said(found) == [r"a\x1b[2J\nb.lua: has a name with characters that cannot be shown"]


def test_directory_named_like_a_script_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.lua").mkdir()

    found = folder(tmp_path, a=CLEAN)

    assert (used(found), said(found)) == (["a.lua"], ["x.lua: cannot be read: not a file"])


def test_fifo_does_not_hold_up_the_others(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.lua")

    assert used(folder(tmp_path, a=CLEAN)) == ["a.lua"]


def test_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.lua").symlink_to(tmp_path / "gone")

    assert said(folder(tmp_path)) == ["x.lua: cannot be read: no such file or directory"]


def test_script_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    found = folder(tmp_path, a=b" " * (MOST_BYTES + 1))

    assert (used(found), said(found)) == ([], [f"a.lua: is longer than {MOST_BYTES} bytes"])


def test_empty_script_is_named(tmp_path: Path) -> None:
    assert said(folder(tmp_path, a=" \n")) == ["a.lua: is empty"]


def test_script_without_entry_points_is_named_and_used(tmp_path: Path) -> None:
    found = folder(tmp_path, a="local shared = 1")

    assert (used(found), said(found)) == (["a.lua"], ["a.lua: has no function that is run for packets"])


def test_script_that_is_not_utf8_is_named_and_used_byte_by_byte(tmp_path: Path) -> None:
    found = folder(tmp_path, a=b"-- fine\n-- gr\xfc\xdfe\n" + CLEAN.encode())

    assert "a.lua: line 2 is not UTF-8" in said(found)[0]
    assert found.scripts[0].source.startswith(b"-- fine\n-- gr\xfc\xdfe\n")


def test_byte_order_mark_is_taken_off(tmp_path: Path) -> None:
    (script,) = folder(tmp_path, a=b"\xef\xbb\xbf" + CLEAN.encode()).scripts

    assert script.source == CLEAN.encode()


def test_second_script_of_one_name_is_left_out(tmp_path: Path) -> None:
    found = folder(tmp_path, a=CLEAN, A=CLEAN)

    assert (used(found), said(found)) == (["A.lua"], ["a.lua: has the name of A.lua but for its spelling"])


def test_function_that_another_old_script_calls_is_none_of_the_functions_to_run(tmp_path: Path) -> None:
    found = folder(
        tmp_path,
        a="function trim(s)\nend\nfunction other(s)\nend\n",
        b="function clean()\n trim(1)\nend\n",
        c="function on_sip(message)\n other(1)\nend\n",
    )

    points = {script.name: [point.name for point in script.entry_points] for script in found.scripts}
    assert points == {"a.lua": ["other"], "b.lua": ["clean"], "c.lua": ["on_sip"]}
