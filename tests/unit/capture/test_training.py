"""When a worker starts a trainer, and when it takes another dictionary into use."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from capture.settings import StorageSettings
from capture.store.codec import Dictionary
from capture.store.dictionaries import Standing
from capture.store.trainer import Order, Report
from capture.training import LOOK_S, RENEW_S, RETRY_S, Store, Training

SHIPPED, TRAINED = Dictionary(1, b"shipped"), Dictionary(2, b"trained")
ENOUGH = 1000


class Loop:
    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(coroutine)


class Database:
    """Stands for the writer: what a database says."""

    def __init__(self) -> None:
        self.standing = Standing(None, 0.0, 0)
        self.newest = SHIPPED
        self.asked = 0

    async def training_standing(self, enough: int) -> Standing:
        assert enough == ENOUGH
        self.asked += 1
        return self.standing

    async def dictionary(self) -> Dictionary:
        return self.newest

    def has_trained(self, dictionary: Dictionary = TRAINED, age_s: float = 0.0) -> None:
        self.newest = dictionary
        self.standing = Standing(dictionary.id, age_s, 0)


class Trainer:
    """Stands for the process."""

    returncode: int | None = None
    said = b""
    killed = False

    def poll(self) -> int | None:
        return self.returncode

    def communicate(self) -> tuple[bytes, None]:
        return self.said, None

    def kill(self) -> None:
        self.killed = True

    def end(self, report: Report | bytes, status: int = 0) -> None:
        self.said = report if isinstance(report, bytes) else msgspec.json.encode(report)
        self.returncode = status


class Bench:
    """A training on a database and a clock of the test's own."""

    def __init__(self, *, trains: bool = True, **storage: Any) -> None:
        self.database, self.now_s = Database(), 5.0
        self.orders: list[Order] = []
        self.trainers: list[Trainer] = []
        self.in_use = SHIPPED
        settings = StorageSettings(train_after_messages=ENOUGH, **storage)
        self.training = Training(
            "postgresql://x", settings, trains=trains, start=self._start, clock=lambda: self.now_s
        )

    def _start(self, order: Order) -> Any:
        self.orders.append(order)
        self.trainers.append(Trainer())
        return self.trainers[-1]

    def turn(self, written: int = 0, *, later_s: float = 0.0) -> Dictionary | None:
        self.now_s += later_s
        newer = self.training.turn(Store(Loop(), self.database), self.in_use, written)  # type: ignore[arg-type]
        self.in_use = newer or self.in_use
        return newer


def test_first_thousands_of_messages_start_a_trainer_at_once_and_only_one() -> None:
    bench = Bench()
    bench.turn(0)
    bench.database.standing = Standing(None, 0.0, 400)

    bench.turn(999)
    started_before = len(bench.orders)
    bench.turn(1000)
    bench.database.standing = Standing(None, 0.0, ENOUGH)
    bench.turn(1599)
    bench.turn(1600)
    bench.turn(1601, later_s=LOOK_S)

    assert started_before == 0
    assert [order.newest for order in bench.orders] == [None]
    assert bench.database.asked == 4, (
        "at the start, at 1000, when the 600 missing are written, a minute later"
    )


def test_what_a_trainer_has_made_is_taken_at_the_next_turn() -> None:
    bench = Bench()
    bench.database.standing = Standing(None, 0.0, ENOUGH)
    bench.turn()

    bench.database.has_trained()
    before = bench.turn()
    bench.trainers[0].end(Report("trained", dictionary=2))

    assert before is None
    assert bench.turn() == TRAINED
    assert bench.turn() is None


def test_what_another_worker_s_trainer_has_made_is_taken_within_a_minute() -> None:
    bench = Bench(trains=False)
    bench.turn()
    bench.database.has_trained()

    assert bench.turn(later_s=LOOK_S - 1) is None
    assert bench.turn(later_s=1) == TRAINED
    assert bench.orders == []


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (Report("failed", "out of memory"), 0, "out of memory"),
        (b"", -9, "status -9"),
        (b"Traceback", 1, "status 1"),
    ],
)
def test_trainer_that_fails_costs_a_line_and_is_tried_again_in_an_hour(
    said: Report | bytes, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    bench.database.standing = Standing(None, 0.0, ENOUGH)
    bench.turn()

    bench.trainers[0].end(said, status)
    bench.turn(later_s=RETRY_S - 1)
    started_before = len(bench.orders)
    bench.turn(later_s=LOOK_S)

    assert words in caplog.text
    assert started_before == 1
    assert len(bench.orders) == 2


def test_dictionary_a_day_old_is_compared_with_a_new_one_once_a_day() -> None:
    bench = Bench()
    bench.database.has_trained(age_s=RENEW_S - 1)
    bench.turn()
    assert bench.orders == []

    bench.database.has_trained(age_s=RENEW_S)
    bench.turn(later_s=LOOK_S)
    bench.trainers[0].end(Report("kept", dictionary=2))
    bench.turn()
    bench.turn(later_s=RENEW_S - 1)
    started_before = len(bench.orders)
    bench.turn(later_s=LOOK_S)

    assert [order.newest for order in bench.orders] == [2, 2]
    assert started_before == 1


def test_nothing_is_trained_when_switched_off_but_what_is_trained_is_used() -> None:
    bench = Bench(train_dictionary=False)
    bench.database.standing = Standing(None, 0.0, ENOUGH)
    bench.turn()
    bench.database.has_trained(age_s=RENEW_S)

    assert bench.turn(later_s=LOOK_S) == TRAINED
    assert bench.orders == []


def test_nobody_is_asked_when_payloads_are_stored_plain() -> None:
    bench = Bench(payload="plain")
    bench.database.has_trained()

    assert bench.turn(later_s=LOOK_S) is None
    assert bench.database.asked == 0


def test_turns_in_between_ask_nobody() -> None:
    bench = Bench()
    bench.turn()
    for written in range(500):
        bench.turn(written, later_s=0.1)

    assert bench.database.asked == 1


def test_stop_ends_a_trainer_under_way() -> None:
    bench = Bench()
    bench.database.standing = Standing(None, 0.0, ENOUGH)
    bench.turn()

    bench.training.stop()
    bench.training.stop()

    assert bench.trainers[0].killed


def test_trained_dictionary_is_told_with_bytes_before_and_after(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench = Bench()
    bench.database.standing = Standing(None, 0.0, ENOUGH)
    bench.turn()

    bench.trainers[0].end(Report("trained", "", 2, 5000, 1000, 800_000, 300_000, 150_000))
    bench.turn()

    assert "payload dictionary 2 trained on 5000 messages" in caplog.text
    assert "800 bytes a message become 150, with the one before 300" in caplog.text
