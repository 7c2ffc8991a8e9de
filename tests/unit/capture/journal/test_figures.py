import os
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from uuid import uuid4
from zlib import crc32

import pytest

from capture.errors import JournalError
from capture.journal.figures import FigureFile, IntakeFigure, WorkerFigure, read_figures

JOURNAL = uuid4()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0000" / "intake.figures"


def figures_header(figures: type[IntEnum], like: bytes) -> bytes:
    names = crc32(",".join(figure.name for figure in figures).encode())
    return like[:16] + len(figures).to_bytes(4, "little") + names.to_bytes(4, "little") + like[24:64]


def test_new_figures_are_zero(path: Path) -> None:
    figures = FigureFile.open(path, IntakeFigure, JOURNAL)

    assert list(figures.words) == [0] * len(IntakeFigure)
    assert figures.notes == []
    figures.close()


def test_figures_are_read_by_name_while_they_are_written(path: Path) -> None:
    figures = FigureFile.open(path, IntakeFigure, JOURNAL)

    figures.words[IntakeFigure.DROPPED] += 3
    figures.words[IntakeFigure.LAST_NUMBER] = (1 << 64) - 1

    read = read_figures(path)
    assert (read["dropped"], read["last_number"], read["pid"]) == (3, (1 << 64) - 1, os.getpid())
    assert set(read) == {figure.name.lower() for figure in IntakeFigure} | {"pid"}
    figures.close()


def test_figures_go_on_after_a_restart(path: Path) -> None:
    first = FigureFile.open(path, IntakeFigure, JOURNAL)
    first.words[IntakeFigure.DROPPED] = 7
    first.close()

    second = FigureFile.open(path, IntakeFigure, JOURNAL)

    assert second.words[IntakeFigure.DROPPED] == 7
    second.close()


def test_each_word_is_aligned_and_little_endian_at_its_place_in_the_file(path: Path) -> None:
    figures = FigureFile.open(path, WorkerFigure, JOURNAL)
    figures.words[WorkerFigure.DEATHS] = 0x0102

    data = path.read_bytes()

    offset = 64 + 8 * WorkerFigure.DEATHS
    assert data[offset : offset + 8] == b"\x02\x01" + bytes(6)
    assert len(data) == 64 + 8 * len(WorkerFigure)
    figures.close()


def test_file_of_an_older_program_with_fewer_figures_is_kept_and_extended(path: Path) -> None:
    current = FigureFile.open(path, IntakeFigure, JOURNAL)
    current.words[IntakeFigure.DROPPED] = 5
    current.close()
    older = IntEnum("IntakeFigure", {figure.name: figure.value for figure in list(IntakeFigure)[:4]})
    data = path.read_bytes()
    path.write_bytes(figures_header(older, data) + data[64 : 64 + 8 * 4])

    assert read_figures(path)["dropped"] == 5
    assert read_figures(path)["full"] == 0
    extended = FigureFile.open(path, IntakeFigure, JOURNAL)

    assert extended.words[IntakeFigure.DROPPED] == 5
    assert len(extended.words) == len(IntakeFigure)
    assert extended.notes == []
    extended.close()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: b"", "too short"),
        (lambda data: b"X" + data[1:], "another kind"),
        (lambda data: data[:8] + b"\x09" + data[9:], "another kind or format"),
        (lambda data: data[:-1], "bytes long"),
        (lambda data: data[:20] + b"\xff" + data[21:], "other figures"),
    ],
    ids=["empty", "magic", "version", "length", "names"],
)
def test_other_layout_is_made_anew_by_the_writer_and_an_error_for_the_reader(
    path: Path, damage: Callable[[bytes], bytes], why: str
) -> None:
    FigureFile.open(path, IntakeFigure, JOURNAL).close()
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(JournalError):
        read_figures(path)
    figures = FigureFile.open(path, IntakeFigure, JOURNAL)

    assert why in figures.notes[0]
    assert list(figures.words) == [0] * len(IntakeFigure)
    assert read_figures(path)["dropped"] == 0
    figures.close()


def test_figures_of_another_journal_begin_anew_with_a_note(path: Path) -> None:
    FigureFile.open(path, IntakeFigure, JOURNAL).close()

    figures = FigureFile.open(path, IntakeFigure, uuid4())

    assert figures.notes == [f"{path} begins anew: it belongs to the journal {JOURNAL}"]
    figures.close()


def test_figures_of_the_other_role_are_not_taken_for_ours(path: Path) -> None:
    FigureFile.open(path, WorkerFigure, JOURNAL).close()

    figures = FigureFile.open(path, IntakeFigure, JOURNAL)

    assert "another kind" in figures.notes[0]
    figures.close()


def test_reader_of_no_file_gets_a_journal_error(path: Path) -> None:
    with pytest.raises(JournalError, match="no figures in"):
        read_figures(path)


def test_directory_in_place_of_the_file_is_a_journal_error(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(JournalError, match="cannot be kept"):
        FigureFile.open(path, IntakeFigure, JOURNAL)


def test_figure_files_words_are_its_enumerations_values() -> None:
    for figures in (IntakeFigure, WorkerFigure):
        assert [figure.value for figure in figures] == list(range(len(figures)))
