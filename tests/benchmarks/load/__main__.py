"""`make bench-api`: how fast the API answers, beside its targets, measured by Locust.

    python -m tests.benchmarks.load [--only day,five-days,crowd] [--quick] [--kinds "Call-ID;number"]
                                    [--data-dir DIR] [--json bench-api.json]

* day: two million messages of 24 hours, each kind of question on one kept connection.
* five-days: the same of ten million messages of five days; what a question takes of what it took of a day.
* crowd: 50 users at once while 5,000 packets a second come in.

Everything happens on this machine, over the loopback, in temporary directories. Takes about 25 minutes,
8 GB of disk and, for the crowd, a C compiler. With `--data-dir` loaded databases are kept for the next run.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.benchmarks import day, other_mixes
from tests.benchmarks.day import Day
from tests.benchmarks.flood import Flood, write_packets
from tests.benchmarks.load import tool
from tests.benchmarks.load.questions import KINDS, Kind, mixed, one_by_one
from tests.benchmarks.report import Report, Target
from tests.benchmarks.system import System, system
from tests.support.rhapsode import ADMIN_PASSWORD

PARTS = ("day", "five-days", "crowd")
USERS, PACKETS_A_SECOND, CROWD_S = 50, 5_000, 60
WARM_UP_S = 10
"""Of a crowd, that are not counted: connections and their plans are made by then. An error always counts."""
PAUSES_S = (3.0, 0.0)
"""A crowd of people, who read before they ask again, and one of scripts, who do not."""


class Bench:
    """One run."""

    def __init__(self, given: argparse.Namespace, directory: Path, report: Report) -> None:
        self._given = given
        self._directory = directory
        self._report = report
        self._scale = 20 if given.quick else 1
        self._kinds = [kind for kind in KINDS if not given.kinds or kind.name in given.kinds]
        self._of_a_day: dict[str, tool.Latency] = {}

    def measure_day(self) -> None:
        with self._loaded("day", 2_000_000, 24) as (running, loaded):
            for kind in self._kinds:
                answered = self._ask(running, loaded, kind)
                self._of_a_day[kind.name] = answered
                for name, value, limit in zip(("p50", "p99"), answered[1:3], kind.target_ms, strict=True):
                    self._report.add(f"{kind.name}, {name}", value, "ms", Target(limit))

    def measure_five_days(self) -> None:
        with self._loaded("five-days", 10_000_000, 120) as (running, loaded):
            for kind in self._kinds:
                answered = self._ask(running, loaded, kind)
                self._report.add(f"{kind.name}, five days, p50", answered.p50_ms, "ms")
                self._report.add(f"{kind.name}, five days, p99", answered.p99_ms, "ms")
                if (of_a_day := self._of_a_day.get(kind.name)) is not None:
                    ratio = answered.p50_ms / of_a_day.p50_ms
                    self._report.add(f"{kind.name}, five days / one, p50", ratio, "", Target(1.5))

    def measure_crowd(self) -> None:
        pool = self._directory / "packets"
        write_packets(pool, islice(other_mixes.main_mix(), 200_000 // self._scale))
        flood = Flood(self._directory)
        seconds = CROWD_S / self._scale
        with self._loaded("day", 2_000_000, 24) as (running, loaded):
            token = log_in(running.web)
            for pause_s in PAUSES_S:
                before = running.progress()
                count = int(PACKETS_A_SECOND * (seconds + 5))
                with flood.start(running.hep_port, pool, PACKETS_A_SECOND, count) as flow:
                    answers = tool.crowd(
                        running.web,
                        token,
                        mixed(loaded, 20_000 // self._scale),
                        self._directory,
                        users=USERS,
                        seconds=seconds,
                        pause_s=pause_s,
                    )
                    sent = flow.wait()
                running.wait_until_drained(120)
                after = running.progress()
                self._tell_crowd(pause_s, answers, seconds)
                lost = sent.packets - (after.appended - before.appended)
                self._report.add(f"packets lost of {sent.packets:,}", lost, "packets", Target(0))

    def _tell_crowd(self, pause_s: float, answers: Sequence[tool.Answer], seconds: float) -> None:
        who = f"{USERS} users" + (
            f", {pause_s / 3:.0f} to {pause_s:.0f} s between" if pause_s else ", no pause"
        )
        since_s = min(answer.asked_s for answer in answers) + WARM_UP_S / self._scale
        warm = [answer for answer in answers if answer.asked_s >= since_s]
        answered = tool.latency(warm)
        self._report.add(f"{who}: answers", len(answers) / seconds, "a second")
        self._report.add(f"{who}: errors", sum(answer.failed for answer in answers), "", Target(0))
        self._report.add(f"{who}: cut", sum(answer.incomplete == "time" for answer in answers), "", Target(0))
        self._report.add(f"{who}: p50", answered.p50_ms, "ms")
        self._report.add(f"{who}: p99", answered.p99_ms, "ms", Target(500))
        self._report.add(f"{who}: longest", answered.worst_ms, "ms")
        for kind in KINDS:
            of_kind = [answer for answer in warm if answer.kind == kind.name]
            if of_kind:
                p50, p99 = tool.latency(of_kind)[1:3]
                self._report.note(f"{kind.name}: {len(of_kind)}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")

    def _ask(self, running: System, loaded: Day, kind: Kind) -> tool.Latency:
        kind = kind._replace(asked=max(10, kind.asked // self._scale))
        token = log_in(running.web)
        before = running.cpu_s()
        answers = tool.ask_once(running.web, token, one_by_one(loaded, kind), self._directory)
        after = running.cpu_s()
        failed = sum(answer.failed for answer in answers)
        if failed:
            raise RuntimeError(f"{kind.name}: {failed} of {len(answers)} questions were not answered")
        spent = {role: (after[role] - before[role]) * 1000 / len(answers) for role in ("api", "postgres")}
        answered = tool.latency([answer for answer in answers if answer.counted])
        self._report.note(
            f"{kind.name}: {answered.rows:.0f} rows, processor time {spent['api']:.1f} ms of the API and"
            f" {spent['postgres']:.1f} of PostgreSQL, longest {answered.worst_ms:.1f} ms"
        )
        return answered

    @contextmanager
    def _loaded(self, name: str, messages: int, hours: int) -> Iterator[tuple[System, Day]]:
        kept = self._given.data_dir or self._directory
        home = kept.absolute() / name
        home.mkdir(parents=True, exist_ok=True)
        # PostgreSQL's account must be able to pass through.
        home.chmod(0o711)
        noted = home / "day.json"
        with system(data_dir=home / "data") as running:
            if noted.exists():
                loaded = Day(**json.loads(noted.read_text(encoding="utf-8")))
                asyncio.run(day.warm(running.database_url))
            else:
                loaded = day.load(running.database_url, messages // self._scale, hours=hours)
                noted.write_text(json.dumps(loaded._asdict()), encoding="utf-8")
            self._report.note(f"{loaded.messages:,} messages over {hours} h, {loaded.seconds:.0f} s to load")
            yield running, loaded


def log_in(web: str) -> str:
    """A token of the administrator."""
    answer = httpx.post(f"{web}/api/v3/auth", json={"username": "admin", "password": ADMIN_PASSWORD})
    return str(answer.raise_for_status().json()["token"])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench-api", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts, between commas")
    parser.add_argument(
        "--kinds", default="", help="kinds of questions, between semicolons; all where none are given"
    )
    parser.add_argument("--quick", action="store_true", help="a twentieth of everything, to see that it runs")
    parser.add_argument("--data-dir", type=Path, help="where loaded databases are kept")
    parser.add_argument("--json", type=Path, default=Path("bench-api.json"), help="where the figures go")
    given = parser.parse_args()
    given.kinds = [kind.strip() for kind in given.kinds.split(";") if kind.strip()]
    parts = [part.strip() for part in given.only.split(",")]
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    if unknown := [kind for kind in given.kinds if kind not in {known.name for known in KINDS}]:
        parser.error(f"no kind {unknown[0]!r}; there are {'; '.join(kind.name for kind in KINDS)}")
    if not tool.LOCUST.exists():
        sys.exit("Locust is not installed: run make bench-api")
    report = Report(lambda text: print(text, flush=True))
    with TemporaryDirectory(prefix="rhapsode-bench-") as made:
        Path(made).chmod(0o711)
        bench = Bench(given, Path(made), report)
        report.note(f"load average at the start: {os.getloadavg()[0]:.1f} (a quiet machine: below 0.3)")
        measure = {
            "day": bench.measure_day,
            "five-days": bench.measure_five_days,
            "crowd": bench.measure_crowd,
        }
        for part in (part for part in PARTS if part in parts):
            report.begin(part)
            measure[part]()
    print(report.summary())
    report.write(given.json, {name: str(value) for name, value in vars(given).items()})
    print(f"\nwritten to {given.json}")


if __name__ == "__main__":
    main()
