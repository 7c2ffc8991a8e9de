"""What Locust runs: users that send the questions of a file in turn, each on a connection of its own.

Needs nothing but Locust, so that it runs in an environment of its own. Reads from the environment: QUESTIONS,
a file of JSON objects, one a line (`kind`, `path`, `body`, `counted`); ANSWERS, the file to write; TOKEN;
ONCE, where each question is to be asked once and in order; PAUSE_S, the longest wait between two.

ANSWERS gets one JSON array a line: kind, milliseconds from sending to the last byte, bytes, status (0: no
answer), rows (as far as the answer says how many), why it is incomplete or null, whether it counts, and when
it was asked.
"""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.env import Environment

HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['TOKEN']}"}
ONCE = bool(os.environ.get("ONCE"))
PAUSE_S = float(os.environ.get("PAUSE_S", "0"))
answers: list[list[object]] = []


def _questions() -> Iterator[dict[str, Any]]:
    lines = Path(os.environ["QUESTIONS"]).read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    return iter(questions) if ONCE else itertools.cycle(questions)


questions = _questions()


class User(FastHttpUser):
    """Asks what comes next in the file."""

    wait_time = between(PAUSE_S / 3, PAUSE_S)
    connection_timeout = network_timeout = 120.0

    @task
    def ask(self) -> None:
        question = next(questions, None)
        if question is None:
            self.environment.runner.quit()
            return
        with self.client.post(
            question["path"],
            data=question["body"],
            headers=HEADERS,
            name=question["kind"],
            catch_response=True,
        ) as answer:
            status = answer.status_code
            if status not in (200, 201):
                answer.failure(f"{status}: {answer.text}")
            content = answer.content or b""
            answer.request_meta["context"] = {
                "status": status,
                # Not while others wait for their turn: a large answer takes milliseconds to read.
                "rows": _rows(content) if ONCE else None,
                "incomplete": (answer.headers or {}).get("X-Rhapsode-Incomplete"),
                "counted": question["counted"],
            }


def _rows(content: bytes) -> int | None:
    return json.loads(content)["total"] if content[:1] == b"{" else None


@events.request.add_listener
def write_down(
    name: str,
    response_time: float,
    response_length: int,
    context: dict[str, Any],
    start_time: float,
    **_: object,
) -> None:
    seen = [context.get(key) for key in ("status", "rows", "incomplete", "counted")]
    answers.append([name, response_time, response_length, *seen, start_time])


@events.quitting.add_listener
def save(environment: Environment, **_: object) -> None:
    lines = [json.dumps(answer) + "\n" for answer in answers]
    Path(os.environ["ANSWERS"]).write_text("".join(lines), encoding="utf-8")
