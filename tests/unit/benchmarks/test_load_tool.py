"""Figures are of the run that they are told of."""

from pathlib import Path

import pytest

from tests.benchmarks.load import tool
from tests.benchmarks.load.questions import Asked

QUESTIONS = [Asked("Call-ID", "/api/v3/search/call/data", "{}", True)]


def _locust(directory: Path, script: str) -> Path:
    program = directory / "locust"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_answers_are_what_locust_writes(tmp_path: Path) -> None:
    locust = _locust(
        tmp_path, """echo '["Call-ID", 2.5, 80, 201, 1, null, true, 9.5]' > "$ANSWERS"; exit 1"""
    )

    answers = tool.run("http://127.0.0.1:1", "token", QUESTIONS, tmp_path, [], {}, locust)

    assert answers == [tool.Answer("Call-ID", 2.5, 80, 201, 1, None, True, 9.5)]


def test_answers_of_a_run_before_are_none_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('["number", 2.5, 80, 201, 1, null, true, 9.5]\n')
    locust = _locust(tmp_path, "echo 'no module named gevent' >&2; exit 1")

    with pytest.raises(RuntimeError, match="no module named gevent"):
        tool.run("http://127.0.0.1:1", "token", QUESTIONS, tmp_path, [], {}, locust)
