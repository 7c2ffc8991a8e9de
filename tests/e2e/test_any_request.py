"""Whatever a client sends along the API's own description: an answer, and never a failure of the server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.support.rhapsode import rhapsode_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EXAMPLES = 15
NOT_BUILT = 501
"""For what the description says is not there."""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, dict[str, str]]]:
    """The address, and the headers of an administrator whom no request can delete or log out."""
    with (
        TemporaryDirectory(prefix="rhapsode-any-") as directory,
        rhapsode_up(Path(directory) / "data") as running,
        running.login() as client,
    ):
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        new = {
            "name": "any",
            "active": True,
            "expire_date": tomorrow.isoformat(),
            "user_object": {"username": "any", "usergroup": "admin"},
        }
        answer = client.post("/api/v3/token/auth", json=new)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        yield running.web, {"Auth-Token": answer.json()["data"]["token"]}


def test_no_request_makes_the_server_fail(server: tuple[str, dict[str, str]]) -> None:
    web, headers = server
    description = schemathesis.openapi.from_url(f"{web}/openapi.json")
    asked = 0
    for found in description.get_all_operations():
        operation = found.ok()
        if "/token/auth/{guid}" in operation.path:
            # It would end what this test is let in by.
            continue
        asked += 1
        _ask(operation, headers)
    assert asked > 100


def _ask(operation: Any, headers: dict[str, str]) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def ask(case: Any) -> None:
        answer = case.call(headers=headers, timeout=60)
        allowed = answer.status_code < 500 or (
            answer.status_code == NOT_BUILT and str(NOT_BUILT) in operation.definition.raw["responses"]
        )
        assert allowed, f"{case.as_curl_command()} -> {answer.status_code} {answer.text[:500]}"

    ask()
