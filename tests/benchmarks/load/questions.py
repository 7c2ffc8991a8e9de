"""What is asked of a day of calls, and how fast it is to be answered: the questions of `make bench-api`."""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from tests.benchmarks import mix
from tests.benchmarks.day import Day
from tests.benchmarks.searches import Question, elements, transaction

BUSY_ROWS = 200
"""A number with so many messages fills a page."""


class Asked(NamedTuple):
    """One line of the load tool's file."""

    kind: str
    path: str
    body: str
    counted: bool


class Kind(NamedTuple):
    """One kind of question."""

    name: str
    make: Callable[[Day, random.Random], Question]
    target_ms: tuple[float, float]
    """p50 and p99 over two million messages of a day."""
    asked: int = 200
    share: int = 0
    """Of a hundred questions that a crowd asks."""


def questions(day: Day, kind: Kind, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """So many of a kind, the same in every run; hardly any twice."""
    chance = random.Random(f"{mix.SEED} {kind.name}")
    for _ in range(number):
        yield kind.make(day, chance)


def one_by_one(day: Day, kind: Kind) -> list[Asked]:
    """A kind's questions behind a few that do not count: connections and plans are made by then."""
    warm_up = max(5, kind.asked // 10)
    return [
        _asked(kind.name, question, counted=number >= warm_up)
        for number, question in enumerate(questions(day, kind, warm_up + kind.asked))
    ]


def mixed(day: Day, number: int) -> list[Asked]:
    """What a crowd asks, in random order."""
    chance = random.Random(f"{mix.SEED} crowd")
    kinds = chance.choices(KINDS, [kind.share for kind in KINDS], k=number)
    return [_asked(kind.name, kind.make(day, chance), counted=True) for kind in kinds]


def _asked(kind: str, question: Question, *, counted: bool) -> Asked:
    path, body = question
    return Asked(kind, path, msgspec.json.encode(body).decode(), counted)


def _call(day: Day, chance: random.Random, busy: bool | None = None) -> mix.Call:
    while True:
        call = mix.Call(chance.randrange(day.calls))
        if busy is None or busy == (call.caller_number < mix.BUSY_CALLERS):
            return call


def _newest(day: Day, chance: random.Random) -> Question:
    """The newest of all that there is until some time of the day."""
    until_us = day.from_us + chance.randrange((day.to_us - day.from_us) // 2, day.to_us - day.from_us)
    return elements(day._replace(to_us=until_us))


def _contains(day: Day, chance: random.Random) -> Question:
    number, digits = _call(day, chance).caller, chance.choice((5, 8))
    start = chance.randrange(2, len(number) - digits + 1)
    return elements(day, (_FROM, f"%{number[start : start + digits]}%"))


def _export(form: str) -> Callable[[Day, random.Random], Question]:
    def make(day: Day, chance: random.Random) -> Question:
        _, body = transaction(day, _call(day, chance).call_id)
        return f"/api/v3/export/call/messages/{form}", body

    return make


_FROM, _SOURCE = "data_header.from_user", "protocol_header.srcIp"
KINDS = (
    Kind("Call-ID", lambda d, c: elements(d, ("data_header.callid", _call(d, c).call_id)), (3, 5), share=25),
    Kind("number", lambda d, c: elements(d, (_FROM, _call(d, c, busy=False).caller)), (6, 15), share=15),
    Kind(
        "number, busy: 200 rows",
        lambda d, c: elements(d, (_FROM, _call(d, c, busy=True).caller)),
        (12, 30),
        share=10,
    ),
    Kind(
        "prefix, 7 digits", lambda d, c: elements(d, (_FROM, _call(d, c).caller[:7] + "%")), (12, 25), share=6
    ),
    Kind(
        "prefix, 4 digits", lambda d, c: elements(d, (_FROM, _call(d, c).caller[:4] + "%")), (12, 25), share=4
    ),
    Kind(
        "address of a gateway or an SBC",
        lambda d, c: elements(d, (_SOURCE, c.choice(mix.GATEWAYS + mix.SBCS))),
        (15, 25),
        share=2,
    ),
    Kind(
        "address of a telephone or a PBX",
        lambda d, c: elements(d, (_SOURCE, mix.caller_address(_call(d, c).caller_number))),
        (15, 25),
        share=2,
    ),
    Kind("newest 200", _newest, (12, 25), share=14),
    Kind("contains", _contains, (100, 200), share=2),
    Kind("transaction", lambda d, c: transaction(d, _call(d, c).call_id), (3, 5), share=16),
    Kind("pcap of a call", _export("pcap"), (4, 6), share=2),
    Kind("text of a call", _export("text"), (4, 6), share=2),
)
