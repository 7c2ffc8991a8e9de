"""Whatever a client sends along the API's own description: a described answer, and never a failure of the
server; and some request that each operation grants."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks

from tests.support.api_requests import BASE, BODIES, RECORDS
from tests.support.rhapsode import ADMIN_PASSWORD, rhapsode_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EXAMPLES = 12
NOT_BUILT = 501
"""For what the description says is not there."""
NEVER = {
    # Not built, and described so.
    *("GET /oauth2/redirect/{provider}", "GET /oauth2/auth/{provider}", "POST /oauth2/token"),
    *("POST /export/call/messages/sipp", "POST /export/call/transaction/report"),
    *("POST /export/call/stenographer", "GET /export/action/{name}", "POST /configdb/tables/resync"),
    # As in Homer.
    "GET /admin/profiles",
    # There is none of these: no other server, no filter script, no agent that answers, no import.
    *("POST /prometheus/value", "GET /prometheus/labels", "GET /prometheus/label/{userlabel}"),
    *("POST /prometheus/data", "POST /search/remote/data", "GET /search/remote/label"),
    *(
        "GET /search/remote/values",
        "POST /statistic/data",
        "GET /statistic/_db",
        "POST /statistic/_retentions",
    ),
    *("GET /statistic/_measurements/{dbid}", "POST /statistic/_metrics", "POST /statistic/_tags"),
    *("GET /proxy/grafana/url", "GET /proxy/grafana/org", "GET /proxy/grafana/folders"),
    *("GET /proxy/grafana/search/{uid}", "GET /proxy/grafana/dashboards/uid/{uid}"),
    *("GET /proxy/grafana/request/d/{uid}/{param}", "POST /agent/search/{guid}/{type}"),
    *("POST /rhapsode/filters/{name}/disable", "POST /rhapsode/filters/{name}/enable"),
    "DELETE /rhapsode/imports/{label}",
}
"""Operations that no request can succeed in here."""
EMPTY_PCAP = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
names = (f"n{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, dict[str, str]]]:
    """The address, and the headers of an administrator whom no request can delete or log out."""
    with (
        TemporaryDirectory(prefix="rhapsode-any-") as directory,
        rhapsode_up(Path(directory) / "data") as running,
        running.login() as client,
    ):
        new = RECORDS["/token/auth"] | {"user_object": {"username": "any", "usergroup": "admin"}}
        new |= {"ip_address": "127.0.0.1", "limit_calls": 0}
        answer = client.post(f"{BASE}/token/auth", json=new)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        yield running.web, {"Auth-Token": answer.json()["data"]["token"]}


def test_no_request_makes_the_server_fail_and_every_answer_is_as_described(
    server: tuple[str, dict[str, str]],
) -> None:
    web, headers = server
    description = schemathesis.openapi.from_url(f"{web}/openapi.json")
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name.endswith("_conformance")]
    good, asked = set(), set()
    with httpx.Client(base_url=f"{web}{BASE}", headers=headers, timeout=60) as client:
        for found in description.get_all_operations():
            operation = found.ok()
            name = f"{operation.method.upper()} {operation.path.removeprefix(BASE)}"
            asked.add(name)
            if _is_answered_well(operation, Known(client), headers, checks):
                good.add(name)

    assert len(checks) >= 3
    assert asked == _described(web)
    assert asked - good == NEVER


def _described(web: str) -> set[str]:
    """Operations as the page of the web UI is told of them."""
    paths = httpx.get(f"{web}/doc/api/json").json()["paths"]
    return {
        f"{method.upper()} {path.removeprefix(BASE)}" for path, methods in paths.items() for method in methods
    }


def _is_answered_well(operation: Any, known: "Known", headers: dict[str, str], checks: list[Any]) -> bool:
    """Whether any of the answers was a good one."""
    statuses = set()
    said = operation.definition.raw

    @given(case=operation.as_strategy(), is_known=st.booleans())
    @settings(
        # Where nothing can be chosen all requests are the same.
        max_examples=EXAMPLES if "parameters" in said or "requestBody" in said else 2,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def ask(case: Any, is_known: bool) -> None:
        if is_known:
            known.fill(case)
        answer = case.call(headers=known.login() if known.is_needed(operation.path) else headers, timeout=60)
        allowed = answer.status_code < 500 or (
            answer.status_code == NOT_BUILT and str(NOT_BUILT) in said["responses"]
        )
        assert allowed, f"{case.as_curl_command()} -> {answer.status_code} {answer.text[:500]}"
        case.validate_response(answer, checks=checks)
        statuses.add(answer.status_code)

    ask()
    return any(status < 400 for status in statuses)


class Known:
    """What a client knows that no chance finds: objects that are there, and its own password."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def is_needed(self, path: str) -> bool:
        """Whether a login is, and no API token will do."""
        return path.removeprefix(BASE) in ("/users/profile", "/rhapsode/logout")

    def login(self) -> dict[str, str]:
        answer = self._client.post("/auth", json={"username": "admin", "password": ADMIN_PASSWORD})
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    def fill(self, case: Any) -> None:
        """Put it where a request may name it."""
        path = case.operation.path.removeprefix(BASE)
        for name in case.path_parameters:
            case.path_parameters[name] = self._part(path, name)
        case.query = {}
        if path == "/auth":
            case.body = {"username": "admin", "password": ADMIN_PASSWORD}
        elif path in RECORDS and case.method == "POST" and isinstance(case.body, dict):
            case.body |= self._new(path)
        elif f"{case.method} {path}" in BODIES:
            case.body = BODIES[f"{case.method} {path}"]
        elif "/import" in path and path != "/users/import":
            case.body = {"file": b"[]", "fileKey": EMPTY_PCAP}
        elif path == "/users/{guid}" and isinstance(case.body, dict):
            case.body = {"firstname": "x"}

    def _part(self, path: str, name: str) -> str:
        words: dict[str, Callable[[], str]] = {
            "id": lambda: "1",
            "hepid": lambda: "1",
            "profile": lambda: "call",
            "transaction": lambda: "call",
            "kind": lambda: "alias",
            "dashboard": lambda: "home",
            "type": lambda: "cdr",
        }
        if name in words and path != "/agent/type/{type}":
            return words[name]()
        if path == "/mapping/protocol/reset/{guid}":
            return str(self._client.get("/mapping/protocol").json()["data"][0]["guid"])
        where = "/agent/subscribe" if path == "/agent/type/{type}" else _collection(path)
        if where is None:
            return "x"
        made = self._made(where)
        return "cdr" if name == "type" else made

    def _made(self, where: str) -> str:
        """The guid of a new one."""
        new = self._new(where)
        answer = self._client.post(where, json=new)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        if where == "/token/auth":
            rows = self._client.get(where).json()["data"]
            return next(row["guid"] for row in rows if row["name"] == new["name"])
        return str(new["uuid"] if where == "/agent/subscribe" else answer.json()["data"])

    def _new(self, where: str) -> dict[str, Any]:
        guid, name = str(uuid.uuid4()), next(names)
        own = {
            "/agent/subscribe": {"uuid": guid},
            "/users": {"guid": guid, "username": name, "email": f"{name}@example.org"},
            "/token/auth": {"name": name},
        }
        return RECORDS[where] | own.get(where, {})


def _collection(path: str) -> str | None:
    """Where an object of this path is made."""
    return next((where for where in RECORDS if path.startswith(f"{where}/")), None)
