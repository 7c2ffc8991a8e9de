"""How long searches take over HTTP: a login, then one question after the other through the real server.

Each kind of question is asked with values of its own choosing from the day's calls, so that hardly any answer
is one that was just given. The time is the client's, from sending to the last byte.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.benchmarks import mix
from tests.benchmarks.day import Day
from tests.benchmarks.system import System
from tests.support.rhapsode import ADMIN_PASSWORD

Question = tuple[str, dict[str, Any]]
"""Path and body."""
_DATA, _TRANSACTION = "/api/v3/search/call/data", "/api/v3/call/transaction"
_HOUR_US = 3_600_000_000


class Latency(NamedTuple):
    """Of one kind of question."""

    asked: int
    p50_ms: float
    p99_ms: float
    rows: float
    """Mean number of rows in an answer."""
    cut: int
    """Answers that the deadline cut short."""
    cpu_ms: float
    """Processor time of API and PostgreSQL a question: what a busy machine changes least."""


class Client:
    """One logged-in client on one connection."""

    def __init__(self, web: str) -> None:
        address = urlsplit(web)
        self._connection = HTTPConnection(str(address.hostname), address.port, timeout=120)
        self._headers = {"Content-Type": "application/json"}
        answer, _ = self.ask("/api/v3/auth", {"username": "admin", "password": ADMIN_PASSWORD})
        self._headers["Authorization"] = f"Bearer {json.loads(answer)['token']}"

    def ask(self, path: str, body: dict[str, Any]) -> tuple[bytes, str | None]:
        """The body of the answer, and whether it is cut; AssertionError when it is an error."""
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 201, f"{answer.status}: {content!r} to {body}"
        return content, answer.headers.get("X-Rhapsode-Incomplete")

    def close(self) -> None:
        self._connection.close()


def elements(day: Day, *fields: tuple[str, str]) -> Question:
    """A search of the form: Homer's field ids and values."""
    form = [{"name": name, "value": value, "type": "string"} for name, value in fields]
    return _DATA, _body(day, form)


def transaction(day: Day, call_id: str) -> Question:
    return _TRANSACTION, _body(day, {"callid": [call_id]})


def _body(day: Day, asked: object) -> dict[str, Any]:
    window = {"from": day.from_us // 1000, "to": day.to_us // 1000}
    return {"timestamp": window, "param": {"search": {"1_call": asked}, "limit": 200}}


class Kind(NamedTuple):
    """One line of the table."""

    name: str
    make: Callable[[Day, random.Random], Question]
    asked: int = 100


def _call(day: Day, chance: random.Random) -> mix.Call:
    return mix.Call(chance.randrange(day.calls))


def _newest(day: Day, chance: random.Random) -> Question:
    """The newest of all that there is until some time of the day."""
    until_us = day.from_us + chance.randrange((day.to_us - day.from_us) // 2, day.to_us - day.from_us)
    return elements(day._replace(to_us=until_us))


def _digits(day: Day, chance: random.Random, count: int) -> str:
    number = _call(day, chance).caller
    start = chance.randrange(2, len(number) - count + 1)
    return f"%{number[start : start + count]}%"


def _an_hour(day: Day, chance: random.Random) -> Day:
    """What no key tells takes a look at every message: some 80,000 in an hour of a day of two million."""
    from_us = day.from_us + chance.randrange(day.to_us - day.from_us - _HOUR_US)
    return day._replace(from_us=from_us, to_us=from_us + _HOUR_US)


def _two_conditions(day: Day, chance: random.Random) -> Question:
    call = _call(day, chance)
    return elements(day, ("data_header.from_user", call.caller[:7] + "%"), ("data_header.method", "BYE"))


_FROM, _STATUS = "data_header.from_user", "data_header.method"
KINDS = (
    Kind("Call-ID", lambda day, chance: elements(day, ("data_header.callid", _call(day, chance).call_id))),
    Kind("number, exact", lambda day, chance: elements(day, (_FROM, _call(day, chance).caller))),
    Kind("prefix, 7 digits", lambda day, chance: elements(day, (_FROM, _call(day, chance).caller[:7] + "%"))),
    Kind("prefix, 4 digits", lambda day, chance: elements(day, (_FROM, _call(day, chance).caller[:4] + "%"))),
    Kind("contains, 5 digits", lambda day, chance: elements(day, (_FROM, _digits(day, chance, 5)))),
    Kind("contains, 8 digits", lambda day, chance: elements(day, (_FROM, _digits(day, chance, 8)))),
    Kind("newest 200", _newest),
    Kind("transaction", lambda day, chance: transaction(day, _call(day, chance).call_id)),
    Kind(
        "source, gateway or SBC",
        lambda day, chance: elements(day, ("protocol_header.srcIp", chance.choice(mix.GATEWAYS + mix.SBCS))),
    ),
    Kind(
        "source, telephone or PBX",
        lambda day, chance: elements(
            day, ("protocol_header.srcIp", mix.caller_address(_call(day, chance).caller_number))
        ),
    ),
    Kind(
        "rare status",
        lambda day, chance: elements(day, (_STATUS, chance.choice(mix.RARE_STATUSES)[:3])),
        30,
    ),
    Kind("two conditions", _two_conditions),
    Kind(
        "absent number",
        lambda day, chance: elements(day, (_FROM, f"99{chance.randrange(10**10):010d}")),
    ),
    Kind("absent status", lambda day, chance: elements(day, (_STATUS, str(chance.randrange(610, 700)))), 10),
    Kind(
        "header without keys, one hour",
        lambda day, chance: elements(
            _an_hour(day, chance), ("data_header.from_tag", f"{chance.getrandbits(40):010x}")
        ),
        5,
    ),
    Kind(
        "raw text, one hour",
        lambda day, chance: elements(_an_hour(day, chance), ("raw", f"%{chance.getrandbits(64):016x}%")),
        5,
    ),
)


def measure(running: System, client: Client, kind: Kind, day: Day) -> Latency:
    """Ask one kind's questions, after a few that are not counted."""
    chance = random.Random(f"{mix.SEED} {kind.name}")
    times, rows, cut = [], 0, 0
    warm_up = min(10, kind.asked // 10)
    cpu_s = _cpu_s(running)
    for number in range(warm_up + kind.asked):
        path, body = kind.make(day, chance)
        started = time.perf_counter()
        content, incomplete = client.ask(path, body)
        took_ms = (time.perf_counter() - started) * 1000
        if number >= warm_up:
            times.append(took_ms)
            rows += json.loads(content)["total"]
            cut += incomplete == "time"
    cpu_ms = (_cpu_s(running) - cpu_s) * 1000 / (warm_up + kind.asked)
    times.sort()
    return Latency(
        len(times), times[len(times) // 2], times[int(len(times) * 0.99)], rows / len(times), cut, cpu_ms
    )


def _cpu_s(running: System) -> float:
    spent = running.cpu_s()
    return spent["api"] + spent["postgres"]


def measure_all(running: System, day: Day) -> Iterator[tuple[str, Latency]]:
    """Every kind in turn."""
    client = Client(running.web)
    try:
        for kind in KINDS:
            yield kind.name, measure(running, client, kind, day)
    finally:
        client.close()
