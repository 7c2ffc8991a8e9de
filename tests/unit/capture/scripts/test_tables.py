"""Tables of the script folder, as they come, change and go."""

import logging
import os
import time
from pathlib import Path

import pytest

from capture.errors import ConfigError
from capture.scripts import tables as module
from capture.scripts.folder import Problem
from capture.scripts.tables import AT_ONCE_BYTES, MOST_TABLES, Tables, names_in


class Folder:
    """Of scripts, with a clock that each look puts forward by a second."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_s = 0.0
        self.tables = Tables(path, lambda: self.now_s)

    def write(self, text: str, name: str = "a.csv") -> None:
        """As an editor saves: at once, and with another time of change."""
        temporary = self.path / ".saving"
        temporary.write_text(text)
        temporary.replace(self.path / name)

    def looks(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_s += 1.0
            self.tables.refresh()

    def find(self, key: str, name: str = "a.csv") -> object:
        return self.tables.lookup(name.encode(), key.encode())

    @property
    def words(self) -> list[str]:
        return [problem.words for problem in self.tables.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "scripts").mkdir()
    return Folder(tmp_path / "scripts")


def wrong(answer: object) -> str:
    assert isinstance(answer, tuple)
    assert answer[0] is None
    assert isinstance(answer[1], bytes)
    return answer[1].decode()


def test_table_is_found_by_its_name_below_the_folder(folder: Folder) -> None:
    folder.write("number,customer\n1,Smith\n")
    (folder.path / "tables").mkdir()
    folder.write('{"1": {"name": "Smith"}}', "tables/b.json")

    assert folder.find("1") == b"Smith"
    assert folder.find("2") is None
    assert folder.find("1", "tables/b.json") == (b"name", b"Smith")
    assert folder.tables.problems == ()


def test_table_that_a_script_names_is_read_before_it_is_looked_up(folder: Folder) -> None:
    folder.write("a,b\n" + "0,x\n" * (AT_ONCE_BYTES // 4) + "1,x\n")

    folder.tables.want([b"a.csv"])

    assert folder.find("1") == b"x"


def test_what_is_said_of_a_table_is_one_line_whatever_stands_in_it(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    name = "\033[2J.csv"
    column = "\033[31m" + "x" * 10_000
    folder.write(f"{column},{column}\n1,2\n", name)

    answer = wrong(folder.find("1", name))

    (problem,) = folder.tables.problems
    assert problem.name == r"\x1b[2J.csv"
    assert problem.words.startswith(r"two columns are called \x1b[31mxxx")
    assert len(problem.words) < 1000
    assert [record.getMessage() for record in caplog.records] == [f"table {problem.name} {problem.words}"]
    assert answer == f"{problem.name} {problem.words}"


def test_names_of_tables_are_found_in_the_text_of_a_script() -> None:
    source = b"""
        local FILE = 'tables/numbers.csv'
        lookup.file("customers.JSON", "no table") -- "old.csv" is none any more
        local x = "not.csv.bak" .. ".cs" .. "v"
    """

    assert names_in(source) == {b"tables/numbers.csv", b"customers.JSON", b"old.csv"}


def test_large_table_that_nobody_has_named_is_not_read_in_a_packets_way(folder: Folder) -> None:
    folder.write("a,b\n1,x\n" + "#\n" * (AT_ONCE_BYTES // 2))

    words = wrong(folder.find("1"))
    folder.tables.refresh()

    assert words.startswith("a.csv is large, and being read")
    assert folder.find("1") == b"x"


def test_new_version_is_used_once_it_looks_the_same_twice(folder: Folder) -> None:
    folder.write("a,b\n1,x\n")
    folder.find("1")
    folder.looks(3)

    folder.write("a,b\n1,half")
    folder.looks()
    folder.write("a,b\n1,whole\n")
    folder.looks()
    before = folder.find("1")
    folder.looks()

    assert (before, folder.find("1")) == (b"x", b"whole")


def test_change_within_a_tick_of_the_file_systems_clock_is_seen(folder: Folder) -> None:
    """The file looks the same, and holds something else."""
    texts = [b"a,b\n1,x\n", b"a,b\n1,y\n"]
    folder.tables = Tables(folder.path, lambda: folder.now_s, lambda path: texts[0])
    folder.write("a,b\n1,y\n")
    first = folder.find("1")

    texts.pop(0)
    folder.looks(2)

    assert (first, folder.find("1")) == (b"x", b"y")


def test_file_that_changes_while_it_is_read_is_not_taken(folder: Folder) -> None:
    def read(path: Path) -> bytes:
        before = path.read_bytes()
        if path.stat().st_size < 100:
            path.write_bytes(before + b"2,y\n")
        return before

    folder.tables = Tables(folder.path, lambda: folder.now_s, read)
    folder.write("a,b\n1,x\n")
    while_written = wrong(folder.find("1"))

    folder.looks(100)

    assert while_written == "a.csv is being written"
    assert (folder.find("1"), folder.find("2")) == (b"x", b"y")


def test_files_are_looked_at_once_a_second(folder: Folder) -> None:
    folder.write("a,b\n1,x\n")
    folder.find("1")
    folder.looks(3)
    folder.write("a,b\n1,y\n")

    for _ in range(100):
        folder.tables.refresh()

    assert folder.find("1") == b"x"


def test_broken_version_leaves_the_one_before_in_place_and_is_said(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write("a,b\n1,x\n")
    folder.find("1")

    folder.write('a,b\n1,"y\n')
    folder.looks(5)

    assert folder.find("1") == b"x"
    assert folder.tables.problems == (
        Problem("a.csv", "line 2: unexpected end of data; the version before it is used", True),
    )
    assert [record.getMessage() for record in caplog.records] == [
        "table a.csv line 2: unexpected end of data; the version before it is used"
    ]


def test_mended_version_is_used_and_the_problem_gone(folder: Folder) -> None:
    folder.write("a,b\n1,x\n")
    folder.find("1")
    folder.write("")
    folder.looks(3)
    assert folder.words == ["is empty; the version before it is used"]

    folder.write("a,b\n1,x\n")
    folder.looks(3)

    assert (folder.find("1"), folder.words) == (b"x", [])


def test_table_that_is_taken_away_is_used_on_and_said(folder: Folder) -> None:
    folder.write("a,b\n1,x\n")
    folder.find("1")

    (folder.path / "a.csv").unlink()
    folder.looks()
    (said,) = folder.tables.problems
    still = folder.find("1")
    folder.write("a,b\n1,y\n")
    folder.looks(2)

    # After the next start there is no version before it.
    assert said == Problem(
        "a.csv", "cannot be read: no such file or directory; the version before it is used", True
    )
    assert (still, folder.find("1"), folder.words) == (b"x", b"y", [])


def test_what_was_wrong_with_a_version_that_is_gone_is_not_said_again(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write("a,b\n1,x\n")
    folder.find("1")
    folder.write('a,b\n1,"y\n')
    folder.looks(3)
    (folder.path / "a.csv").unlink()
    folder.looks()
    caplog.clear()

    folder.write("a,b\n1,z\n")
    folder.looks(3)

    assert (folder.find("1"), folder.words) == (b"z", [])
    assert caplog.records == []


def test_broken_version_that_comes_back_is_said_again(folder: Folder) -> None:
    folder.write("a,b\n1,x\n")
    folder.find("1")
    for _ in range(2):
        folder.write('a,b\n1,"y\n')
        folder.looks(3)
        assert folder.words == ["line 2: unexpected end of data; the version before it is used"]
        (folder.path / "a.csv").unlink()
        folder.looks()


def test_odd_lines_of_a_table_in_use_are_said(folder: Folder) -> None:
    folder.write("a,b\n1,x\n2\n")

    assert folder.find("1") == b"x"
    assert folder.tables.problems == (
        Problem("a.csv", "line 3 has not the 2 columns of the header and is left out", False),
    )


def test_missing_table_is_an_answer_in_words_and_a_problem_once_a_script_misses_it(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.tables.want([b"a.csv"])
    folder.looks(2)
    before = folder.words

    answers = {wrong(folder.find("1")) for _ in range(3)}
    folder.looks(2)

    assert answers == {"a.csv cannot be read: no such file or directory"}
    assert (before, folder.words) == ([], ["cannot be read: no such file or directory"])
    assert len(caplog.records) == 1


def test_table_that_comes_later_is_found(folder: Folder) -> None:
    folder.tables.want([b"a.csv"])
    folder.looks()
    folder.find("1")

    folder.write("a,b\n1,x\n")
    folder.looks()

    assert (folder.find("1"), folder.words) == (b"x", [])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../a.csv", "is not a file below the folder of scripts"),
        ("tables/../../a.csv", "is not a file below the folder of scripts"),
        ("/etc/passwd.csv", "is not a file below the folder of scripts"),
        ("", "is not a file below the folder of scripts"),
        ("a\0.csv", "is not a file below the folder of scripts"),
        ("x/" * 500 + ".csv", "is not a file below the folder of scripts"),
        ("mask.lua", "is neither a .csv nor a .json file"),
        ("passwd", "is neither a .csv nor a .json file"),
        ("out.csv", "is a link that leads out of the folder of scripts"),
        ("folder.csv", "cannot be read: not a file"),
        ("fifo.csv", "cannot be read: not a file"),
        ("x" * 300 + ".csv", "cannot be read: file name too long"),
        ("loop.csv", "cannot be read: "),
    ],
)
def test_name_that_is_no_table_below_the_folder_is_refused(folder: Folder, name: str, words: str) -> None:
    (folder.path.parent / "a.csv").write_text("a,b\n1,secret\n")
    (folder.path / "out.csv").symlink_to(folder.path.parent / "a.csv")
    (folder.path / "loop.csv").symlink_to("loop.csv")
    (folder.path / "folder.csv").mkdir()
    os.mkfifo(folder.path / "fifo.csv")

    assert words in wrong(folder.find("1", name))

    folder.tables.want([name.encode()])
    folder.looks(2)
    assert words in wrong(folder.find("1", name))


def test_link_within_the_folder_is_followed_and_its_change_seen(folder: Folder) -> None:
    """As Kubernetes mounts a ConfigMap."""
    for version in ("1", "2"):
        (folder.path / version).mkdir()
        (folder.path / version / "a.csv").write_text(f"a,b\n1,{version}\n")
    (folder.path / "data").symlink_to("1")
    (folder.path / "a.csv").symlink_to("data/a.csv")
    first = folder.find("1")

    (folder.path / "new").symlink_to("2")
    (folder.path / "new").rename(folder.path / "data")
    folder.looks(2)

    assert (first, folder.find("1")) == (b"1", b"2")


def test_file_that_is_too_large_is_refused(folder: Folder) -> None:
    with (folder.path / "a.csv").open("wb") as file:
        file.truncate(module.MOST_BYTES + 1)

    folder.tables.want([b"a.csv"])

    assert "is larger than" in wrong(folder.find("1"))


def test_tables_are_limited_in_number(folder: Folder) -> None:
    for number in range(MOST_TABLES + 1):
        (folder.path / f"{number}.csv").write_text("a,b\n1,x\n")

    answers = [folder.find("1", f"{number}.csv") for number in range(MOST_TABLES + 1)]

    assert answers[:-1] == [b"x"] * MOST_TABLES
    assert "one table too many" in wrong(answers[-1])


def test_without_a_folder_there_is_no_table() -> None:
    assert "no folder of scripts" in wrong(Tables(None).lookup(b"a.csv", b"1"))


def test_given_answers_come_before_files(folder: Folder) -> None:
    folder.write("a,b\n1,file\n")
    folder.write("a,b\n1,other\n", "b.csv")
    tables = Tables.of({"a.csv": {"1": "given", "2": {"name": "row"}}}, folder.path)

    tables.refresh()

    assert tables.lookup(b"a.csv", b"1") == b"given"
    assert tables.lookup(b"a.csv", b"2") == (b"name", b"row")
    assert tables.lookup(b"b.csv", b"1") == b"other"
    assert "no folder" in wrong(Tables.of({}).lookup(b"a.csv", b"1"))


def test_given_answers_that_no_table_can_hold_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"a\.csv: 1 is neither"):
        Tables.of({"a.csv": {"1": ["x"]}})


def test_table_that_is_written_all_the_time_is_never_taken_half(folder: Folder) -> None:
    folder.write("a,b\n1,x\n2,x\n")
    folder.find("1")
    for number in range(50):
        text = f"a,b\n1,{number}\n2,{number}\n"
        folder.write(text[: len(text) // 2 + 3])
        folder.looks()
        folder.write(text)
        folder.looks(number % 3 + 1)

        assert folder.find("1") == folder.find("2")


def test_looking_up_costs_no_look_at_the_disk(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    folder.write("a,b\n1,x\n")
    folder.find("1")
    (folder.path / "a.csv").unlink()
    folder.path.rmdir()

    started = time.perf_counter()
    answers = {folder.find("1") for _ in range(10_000)}

    assert answers == {b"x"}
    assert time.perf_counter() - started < 1.0
