"""A stop that comes before a role can stop is kept for it; without one nothing is done."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from rhapsode.early_stop import keep_early_stop

PATIENCE_S = 10.0


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def waiting() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "early-stop"]


def test_role_that_nobody_stops_is_left_alone_however_long_its_start_takes() -> None:
    keep_early_stop()

    assert not waiting()


def test_stop_is_handed_on_once_to_the_handler_that_comes_later() -> None:
    stopped = threading.Event()
    keep_early_stop()

    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    (thread,) = waiting()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())

    assert stopped.wait(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
