import threading
from pathlib import Path

import pytest

from capture.errors import JournalError
from capture.journal.wake import WAKE_NAME, Wake


def test_poke_wakes_whoever_waits(tmp_path: Path) -> None:
    reader, writer = Wake(tmp_path), Wake(tmp_path)
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(reader.wait(30)))

    waiting.start()
    writer.poke()
    waiting.join()

    assert woken == [True]
    reader.close()
    writer.close()


def test_poke_before_the_wait_is_not_missed(tmp_path: Path) -> None:
    reader, writer = Wake(tmp_path), Wake(tmp_path)

    writer.poke()

    assert reader.wait(30)
    reader.close()
    writer.close()


def test_cleared_pokes_wake_nobody(tmp_path: Path) -> None:
    reader, writer = Wake(tmp_path), Wake(tmp_path)
    writer.poke()

    reader.clear()

    assert not reader.wait(0)
    reader.close()
    writer.close()


def test_pokes_that_nobody_reads_are_no_error(tmp_path: Path) -> None:
    writer = Wake(tmp_path)

    for _ in range(70_000):
        writer.poke()

    reader = Wake(tmp_path)
    assert reader.wait(0)
    reader.clear()
    assert not reader.wait(0)
    reader.close()
    writer.close()


def test_other_file_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / WAKE_NAME).touch()

    with pytest.raises(JournalError, match="must be a FIFO"):
        Wake(tmp_path)


def test_closing_twice_is_once(tmp_path: Path) -> None:
    wake = Wake(tmp_path)

    wake.close()
    wake.close()
