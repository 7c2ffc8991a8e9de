"""Files, folders and modules that cannot be read while scripts of them run: what runs stays in place."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.script_worker import OLD_TAG, TAG, Scripts, Worker

COUNTING = 'local n = 0\nfunction on_sip(message) n = n + 1 tag("version", n) end\n'
MODULE = 'return { version = "one" }\n'
REQUIRING = 'local words = require("words")\nfunction on_sip(m) tag("version", words.version) end\n'
OLD_REQUIRING = 'local words = require("words")\nfunction mark() SetSIPHeader("version", words.version) end\n'


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


def to_a_link_that_leads_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def to_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def to_something_too_long(path: Path) -> None:
    path.write_bytes(b"-" * 2_000_000)


def to_an_empty_file(path: Path) -> None:
    path.write_bytes(b"\n")


UNREADABLE = [to_a_link_that_leads_nowhere, to_a_directory, to_something_too_long, to_an_empty_file]


@pytest.mark.parametrize("turn", UNREADABLE)
def test_file_that_can_no_longer_be_read_leaves_the_running_version_in_place(
    scripts: Scripts, turn: Callable[[Path], None]
) -> None:
    scripts.save("a.lua", COUNTING)
    with scripts.worker() as worker:
        worker.run()
        turn(scripts.folder / "a.lua")
        worker.turn()

        report = worker.report("a.lua")
        assert worker.version() == "2"
        assert report.state == "running"
        assert report.load_error


@pytest.mark.parametrize("turn", [to_a_directory, to_an_empty_file])
@pytest.mark.parametrize("text", [TAG, OLD_TAG])
def test_worker_that_starts_while_a_file_cannot_be_read_goes_on_with_the_last_good_version(
    scripts: Scripts, text: str, turn: Callable[[Path], None]
) -> None:
    scripts.save("a.lua", text % "one")
    with scripts.worker() as worker:
        before = worker.run().changes
    turn(scripts.folder / "a.lua")

    for _ in range(2):
        with scripts.worker() as worker:
            assert worker.run().changes == before


def test_file_that_was_always_empty_bars_nothing(scripts: Scripts) -> None:
    scripts.save("a.lua", "")
    with scripts.worker(on_error="drop") as worker:
        assert worker.run().dropped is None


def test_folder_that_goes_away_leaves_all_scripts_and_what_they_remember_in_place(scripts: Scripts) -> None:
    scripts.save("a.lua", COUNTING)
    scripts.save("b.lua", OLD_TAG % "one")
    with scripts.worker() as worker:
        worker.run()
        scripts.folder.rename(scripts.folder.with_name("away"))
        worker.turn()
        meanwhile = worker.run().changes
        states = [(each.state, each.load_error) for each in worker.whole_report().scripts]
        scripts.folder.with_name("away").rename(scripts.folder)
        worker.turn()

        assert meanwhile == {"custom:version": "2", "custom:old": "one"}
        assert [state for state, _ in states] == ["running", "running"]
        assert all("no such file or directory" in words for _, words in states)
        assert worker.version() == "3"
        assert worker.report("a.lua").load_error == ""


def test_worker_that_starts_without_the_folder_goes_on_with_the_last_good_versions(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker():
        pass
    scripts.folder.rename(scripts.folder.with_name("away"))

    for _ in range(2):
        with scripts.worker() as worker:
            assert worker.version() == "one"


def test_file_that_is_deleted_is_gone_and_its_kept_version_too(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker() as worker:
        (scripts.folder / "a.lua").unlink()
        worker.turn()
        meanwhile = worker.version()
    scripts.save("a.lua", "function on_sip(\n")

    with scripts.worker() as worker:
        assert (meanwhile, worker.version()) == (None, None)


def test_script_that_cannot_be_read_can_be_disabled(scripts: Scripts) -> None:
    scripts.save("a.lua", TAG % "one")
    with scripts.worker() as worker:
        to_a_directory(scripts.folder / "a.lua")
        worker.turn()
        scripts.switches.disable("a.lua", "alice")
        worker.turn()

        assert worker.version() is None
        assert worker.report("a.lua").state == "disabled"


@pytest.mark.parametrize("name", ["a.lua", "b.lua"])
def test_nothing_passes_a_file_that_was_never_read_where_the_setting_says_so(
    scripts: Scripts, name: str
) -> None:
    scripts.save("a.lua", TAG % "one")
    (scripts.folder / name).unlink(missing_ok=True)
    (scripts.folder / name).mkdir()

    with scripts.worker(on_error="drop") as worker:
        assert worker.run().dropped is not None
        assert worker.report(name).state == "not loaded"
        assert worker.report(name).dropped == 1


def test_nothing_passes_a_folder_of_which_nothing_is_known_where_the_setting_says_so(
    scripts: Scripts,
) -> None:
    shutil.rmtree(scripts.folder)

    with scripts.worker(on_error="drop") as worker:
        dropped = worker.run().dropped
        scripts.folder.mkdir()
        worker.turn()

        assert dropped is not None
        assert worker.run().dropped is None


def test_nothing_passes_an_example_that_does_not_exist_where_the_setting_says_so(scripts: Scripts) -> None:
    with scripts.worker(on_error="drop", examples=["mask_numbrs"]) as worker:
        assert worker.run().dropped is not None


@pytest.mark.parametrize("text", [REQUIRING, OLD_REQUIRING])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("return {")])
def test_module_that_can_no_longer_be_loaded_leaves_the_scripts_that_require_it_in_place(
    scripts: Scripts, text: str, damage: Callable[[Path], object]
) -> None:
    scripts.save("words.lua", MODULE)
    scripts.save("a.lua", text)
    with scripts.worker() as worker:
        damage(scripts.folder / "words.lua")
        worker.turn()
        meanwhile = worker.version(), worker.report("a.lua").state, worker.report("a.lua").load_error
        scripts.save("words.lua", MODULE.replace("one", "two"))
        worker.turn()

        assert meanwhile[:2] == ("one", "running")
        assert "words" in meanwhile[2]
        assert (worker.version(), worker.report("a.lua").load_error) == ("two", "")


def test_old_script_edited_beside_one_whose_module_is_broken_waits_and_says_so(scripts: Scripts) -> None:
    scripts.save("words.lua", MODULE)
    scripts.save("a.lua", OLD_REQUIRING)
    scripts.save("b.lua", OLD_TAG % "one")
    with scripts.worker() as worker:
        scripts.save("words.lua", "return {")
        scripts.save("b.lua", OLD_TAG % "two")
        worker.turn()
        meanwhile = worker.run().changes["custom:old"], worker.report("b.lua").load_error
        scripts.save("words.lua", MODULE)
        worker.turn()

        assert meanwhile[0] == "one"
        assert "a.lua" in meanwhile[1]
        assert worker.run().changes["custom:old"] == "two"
        assert worker.report("b.lua").load_error == ""


def test_saving_a_test_loads_no_script_anew(scripts: Scripts) -> None:
    scripts.save("a.lua", COUNTING)
    with scripts.worker() as worker:
        worker.run()
        scripts.save("a_test.lua", "-- saved")
        scripts.save(".#a.lua", "-- an editor's")
        worker.turn()

        assert worker.version() == "2"


def states_of(worker: Worker) -> list[str]:
    return [each.state for each in worker.whole_report().scripts]


def test_old_script_that_is_deleted_is_gone_also_where_another_needs_something_of_it(
    scripts: Scripts,
) -> None:
    scripts.save(
        "a.lua", 'local words = { version = "one" }\nfunction first() SetSIPHeader("first", "x") end\n'
    )
    scripts.save("b.lua", 'local version = words.version\nfunction mark() SetSIPHeader("old", version) end\n')
    with scripts.worker() as worker:
        before = worker.run().changes
        (scripts.folder / "a.lua").unlink()
        worker.turn()

        assert before == {"custom:first": "x", "custom:old": "one"}
        assert worker.run().changes == {"custom:old": "one"}
        assert states_of(worker) == ["running"]
        assert "words" in worker.report("b.lua").load_error


def test_module_that_is_too_long_is_named(scripts: Scripts) -> None:
    scripts.save("words.lua", "-" * 2_000_000)
    scripts.save("a.lua", REQUIRING)
    with scripts.worker() as worker:
        assert worker.report("a.lua").load_error == "words.lua: is longer than 1048576 bytes"
