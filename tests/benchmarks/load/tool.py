"""Runs Locust on a file of questions, and reads what it has written down."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.load.questions import Asked

LOCUST = Path(".venv/locust/bin/locust")
"""Where `make bench-api` installs it."""
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")


class Answer(NamedTuple):
    """One line of what it has written down."""

    kind: str
    ms: float
    bytes: int
    status: int | None
    """None or 0: no answer came."""
    rows: int | None
    incomplete: str | None
    counted: bool | None
    asked_s: float
    """When, in seconds since the Unix epoch."""

    @property
    def failed(self) -> bool:
        return self.status not in (200, 201)


class Latency(NamedTuple):
    """Of some answers."""

    answers: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    rows: float
    """Mean number of rows, where answers say it."""


def latency(answers: Sequence[Answer]) -> Latency:
    times = sorted(answer.ms for answer in answers)
    rows = [answer.rows for answer in answers if answer.rows is not None]
    return Latency(
        len(times),
        times[len(times) // 2],
        times[min(len(times) - 1, int(len(times) * 0.99))],
        times[-1],
        sum(rows) / len(rows) if rows else 0.0,
    )


def ask_once(web: str, token: str, questions: Sequence[Asked], directory: Path) -> list[Answer]:
    """Each question after the answer to the one before, on one connection that is kept."""
    return run(web, token, questions, directory, ["--users", "1"], {"ONCE": "1"})


def crowd(
    web: str,
    token: str,
    questions: Sequence[Asked],
    directory: Path,
    *,
    users: int,
    seconds: float,
    pause_s: float,
) -> list[Answer]:
    """So many users at once, each of whom waits up to `pause_s` before the next question."""
    options = ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds:.0f}s"]
    return run(web, token, questions, directory, options, {"PAUSE_S": str(pause_s)})


def run(
    web: str,
    token: str,
    questions: Sequence[Asked],
    directory: Path,
    options: Sequence[str],
    settings: dict[str, str],
    locust: Path = LOCUST,
) -> list[Answer]:
    """What Locust has written down of these questions; RuntimeError when that is nothing."""
    asked, answered = directory / "questions.jsonl", directory / "answers.jsonl"
    # What it wrote before is no answer to these.
    answered.unlink(missing_ok=True)
    with asked.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(question._asdict()) + "\n" for question in questions)
    names = {"QUESTIONS": str(asked), "ANSWERS": str(answered), "TOKEN": token}
    command = [
        locust,
        "-f",
        _LOCUSTFILE,
        "--headless",
        "--host",
        web,
        "--only-summary",
        "--stop-timeout",
        "30",
    ]
    ended = subprocess.run(
        [*map(str, command), *options], env=os.environ | names | settings, capture_output=True, text=True
    )
    # 1: some requests have failed; they are counted here.
    if ended.returncode not in (0, 1) or not answered.exists():
        raise RuntimeError(f"locust ended with status {ended.returncode}:\n{ended.stderr}")
    with answered.open(encoding="utf-8") as file:
        answers = [Answer(*json.loads(line)) for line in file]
    if not answers:
        raise RuntimeError(f"locust has asked nothing:\n{ended.stderr}")
    return answers
