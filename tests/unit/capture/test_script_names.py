"""A name is noted before it is admitted, and only once."""

import logging

import pytest

from capture.errors import DatabaseAway
from capture.script_names import KnownNames


class Noting:
    """What the database would do: it takes `room` names."""

    def __init__(self, room: int = 100, others: frozenset[str] = frozenset()) -> None:
        self.asked: list[str] = []
        self.away = False
        self._room = room
        self._noted = others

    def note(self, name: str) -> frozenset[str]:
        if self.away:
            raise DatabaseAway("away")
        self.asked.append(name)
        if len(self._noted) < self._room:
            self._noted |= {name}
        return self._noted


def test_new_name_is_noted_once() -> None:
    noting = Noting()
    names = KnownNames([], noting.note)

    assert [names.admit("customer") for _ in range(3)] == [True] * 3
    assert noting.asked == ["customer"]


def test_name_that_is_noted_already_asks_nobody() -> None:
    noting = Noting()

    assert KnownNames(["customer"], noting.note).admit("customer")
    assert noting.asked == []


def test_name_that_another_worker_has_noted_meanwhile_is_known_by_the_next_answer() -> None:
    noting = Noting(others=frozenset(["theirs"]))
    names = KnownNames([], noting.note)

    names.admit("ours")

    assert names.admit("theirs")
    assert noting.asked == ["ours"]


def test_name_beyond_the_limit_is_refused_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    noting = Noting(room=1)
    names = KnownNames([], noting.note)

    with caplog.at_level(logging.ERROR):
        admitted = [names.admit(name) for name in ("first", "second", "third", "second", "first")]

    assert admitted == [True, False, False, False, True]
    assert noting.asked == ["first", "second"]
    assert caplog.messages == [names.problem]
    assert "'second'" in names.problem


def test_name_that_could_not_be_noted_is_not_known() -> None:
    noting = Noting()
    names = KnownNames([], noting.note)
    noting.away = True

    with pytest.raises(DatabaseAway):
        names.admit("customer")
    noting.away = False

    assert names.admit("customer")
    assert noting.asked == ["customer"]
