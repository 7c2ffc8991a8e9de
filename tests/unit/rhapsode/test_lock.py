"""The lock of a data directory: one family at a time, and words about who is in the way."""

import os
import subprocess
from pathlib import Path

import pytest

from rhapsode.errors import DirectoryBusy
from rhapsode.lock import DirectoryLock


def test_second_holder_is_told_who_is_in_the_way(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path / "lock")
    first.acquire()
    sleeper = subprocess.Popen(["sleep", "60"], pass_fds=[first.fileno()])
    first.close()
    try:
        with pytest.raises(
            DirectoryBusy, match=rf"{tmp_path} is in use by process {sleeper.pid} \(sleep 60\)"
        ):
            DirectoryLock(tmp_path / "lock").acquire()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_lock_is_free_when_the_last_of_the_family_has_gone(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path / "lock")
    first.acquire()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[first.fileno()])
    first.close()
    second = DirectoryLock(tmp_path / "lock")
    assert child.stdin is not None
    child.stdin.close()

    second.acquire(wait_s=10)

    assert child.wait(1) == 0
    second.close()


def test_shared_holders_are_several_and_keep_an_exclusive_one_out(tmp_path: Path) -> None:
    holders = [DirectoryLock(tmp_path / "lock") for _ in range(2)]
    for holder in holders:
        holder.acquire(shared=True)

    with pytest.raises(DirectoryBusy):
        DirectoryLock(tmp_path / "lock").acquire()

    for holder in holders:
        holder.close()
    last = DirectoryLock(tmp_path / "lock")
    last.acquire()
    last.close()


def test_lock_is_not_handed_to_children_by_accident(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path / "lock")

    assert not os.get_inheritable(lock.fileno())

    lock.close()
