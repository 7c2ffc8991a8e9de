"""Every place of every request that the API describes, filled with values that break what believes its input.

The answer is what was asked for or a refusal in one of Homer's shapes, never a failure; and what was taken is
shown as it was sent.
"""

import asyncio
import itertools
import json
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.app import create_app
from api.auth.passwords import PasswordChecker
from api.settings import ApiOptions, AuthSettings
from tests.support.api import AWAY, Api, add_user, an_api
from tests.support.api_requests import BASE, BODIES, PARTS, RECORDS, Operation, described
from tests.support.hostile_values import HOLE, PATHS, VALUES, Slot, slots

ANSWER_S = 20
"""More than any answer takes on a busy machine, and less than it takes to call it hung."""
MOST_REFUSAL_BYTES = 20_000
"""A refusal does not send back a megabyte that it refuses."""
DESCRIPTION = create_app(ApiOptions(database_url=AWAY)).openapi()["paths"]
EMPTY: dict[Any, list[Any]] = {
    "string": [""],
    "integer": [0],
    "boolean": [False],
    "array": [[]],
    "object": [{}],
}
"""By the type of a field."""
NAMES = itertools.count()
OPERATIONS = described()
TAKE_JSON = [each for each in OPERATIONS if each.takes_json]
KEEP_NOTHING = [each for each in TAKE_JSON if each.name in BODIES]
HAVE_PARTS = [each for each in OPERATIONS if "{" in each.path]
IMPORTS_FILES = ("/import/data/pcap", "/rhapsode/imports")
"""Each starts a process: see `tests/unit/api/test_import_routes.py`."""


class QuickPasswords(PasswordChecker):
    """Knows nobody's, and makes no work of new ones: argon2 would take most of the time here."""

    async def matches(self, hash_: str | None, password: str) -> bool:
        return False

    async def hash(self, password: str) -> str:
        return "x"


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(database_url, auth=AuthSettings(attempts=1000), data_dir=tmp_path) as api:
        await add_user(api.context.engine, "admin")
        api.client.headers.update(await api.log_in())
        api.context.passwords.close()
        api.context.passwords = QuickPasswords()
        token = RECORDS["/token/auth"] | {"user_object": {"username": "admin", "usergroup": "admin"}}
        token |= {"ip_address": "127.0.0.1", "limit_calls": 0}
        answer = await api.client.post(f"{BASE}/token/auth", json=token)
        # Agents are made by no other login.
        api.client.headers["Auth-Token"] = answer.json()["data"]["token"]
        yield api


async def ask(api: Api, method: str, path: str, body: bytes | None = None) -> httpx.Response:
    """An answer that is one."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    async with asyncio.timeout(ANSWER_S):
        answer = await api.client.request(method, f"{BASE}{path}", content=body, headers=headers)
    shown = f"{method} {path[:200]} {(body or b'')[:300]!r} -> {answer.status_code} {answer.text[:300]}"
    assert answer.status_code < 500 or answer.status_code == 501, shown
    for name, value in answer.headers.items():
        assert value.isprintable(), (name, shown)
    if answer.status_code >= 400:
        said = answer.json()
        assert said.keys() in ({"message", "data"}, {"message"}, {"statuscode", "error", "message"}), shown
        assert said["message"], shown
        assert said.get("data", {}) == {}, shown
        assert len(answer.content) < MOST_REFUSAL_BYTES, shown
    return answer


def with_parts(path: str, **parts: str) -> str:
    """A path with what is to be in its braces."""
    for name, value in (PARTS | parts).items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path
    return path


def test_every_operation_that_takes_json_has_a_valid_body_here() -> None:
    assert [each.name for each in TAKE_JSON if each.body is None] == []
    assert len(TAKE_JSON) > 40
    assert len(HAVE_PARTS) > 40


async def test_no_part_of_a_path_and_no_query_is_a_failure(api: Api) -> None:
    for each in OPERATIONS:
        if each.path.startswith(IMPORTS_FILES):
            continue
        paths = [
            with_parts(each.path, **{name: value})
            for name in re.findall(r"{(\w+)}", each.path)
            for value in PATHS.values()
        ]
        paths += [
            f"{with_parts(each.path)}?{name}={value}" for name in each.query for value in PATHS.values()
        ]
        for path in paths:
            await ask(api, each.method, path, _valid(each))


def _valid(operation: Operation) -> bytes | None:
    return json.dumps(operation.body).encode() if operation.takes_json else None


async def test_no_value_in_a_body_is_a_failure(api: Api) -> None:
    for operation in KEEP_NOTHING:
        path = with_parts(operation.path)
        for slot in slots(operation.body):
            for value in VALUES.values():
                await ask(api, operation.method, path, slot.filled(value))


BLANK = ("", " \t ", [], {})
"""Sent for a list or an object that is empty."""
SHOWN = {"ip_address": "0.0.0.0/0", "username": "admin"}
"""What blank text means."""
THE_SERVER_S = [("/agent/subscribe", "active")]
"""Whatever a new one says."""
LISTED_ALONE = ("/alias", "/user/settings")
"""No route shows a single one."""


async def records(api: Api, where: str) -> dict[str, dict[str, Any]]:
    """All that there are, by guid."""
    rows = (await ask(api, "GET", where)).json()["data"]
    return {row.get("guid") or row["uuid"]: row for row in rows}


async def made(api: Api, where: str, body: bytes) -> str | None:
    """The guid of a new one; None when it is refused."""
    before = await records(api, where)
    answer = await ask(api, "POST", where, body)
    left = (await records(api, where)).keys() - before.keys()
    assert (answer.status_code == 201) == (len(left) == 1), (answer.text, left)
    return next(iter(left), None)


async def record(api: Api, where: str, guid: str) -> dict[str, Any]:
    """The one of this guid."""
    if where in LISTED_ALONE:
        return (await records(api, where))[guid]
    (row,) = (await ask(api, "GET", f"{where}/{guid}")).json()["data"]
    found: dict[str, Any] = row
    return found


def a_record(where: str) -> dict[str, Any]:
    """A valid new one."""
    unique = {
        "/users": {"username": f"user {next(NAMES)}", "guid": str(uuid.uuid4())},
        "/agent/subscribe": {"uuid": str(uuid.uuid4())},
    }
    return RECORDS[where] | unique.get(where, {})


@pytest.mark.parametrize("where", RECORDS)
async def test_what_is_taken_is_shown_as_it_was_sent(api: Api, where: str) -> None:
    taken = await _changed(api, where)

    for value, names in taken.items():
        body = a_record(where) | dict.fromkeys(names, HOLE)
        guid = await made(api, where, Slot(body, ()).filled(value))
        assert guid is not None, (value[:100], names)
        row = await record(api, where, guid)
        sent = json.loads(value)
        assert [name for name in names if not is_shown(name, sent, row[name])] == [], (value[:100], row)
        assert (await ask(api, "DELETE", f"{where}/{quote(guid, safe='')}")).status_code < 400

    assert len(taken) > 20


async def _changed(api: Api, where: str) -> dict[str, list[str]]:
    """Which fields have taken which value, while all others stayed as they were."""
    guid = await made(api, where, json.dumps(a_record(where)).encode())
    assert guid is not None
    taken: dict[str, list[str]] = {}
    before = await record(api, where, guid)
    for slot in slots(RECORDS[where]):
        name = str(slot.place[0]) if slot.place else ""
        body = {name: slot.body[name]} if name else slot.body
        for value in VALUES.values():
            filled = slot._replace(body=body).filled(value)
            answer = await ask(api, "PUT", f"{where}/{guid}", filled)
            if answer.status_code >= 400 or name in ("", "password"):
                continue
            after, sent = await record(api, where, guid), json.loads(filled)[name]
            if sent is None:
                assert after == before, name
                continue
            assert is_shown(name, sent, after[name]), (name, value[:100], after[name])
            assert after | {name: None} == before | {name: None}, (name, value[:100])
            before = after
            if len(slot.place) == 1 and (where, name) not in THE_SERVER_S:
                taken.setdefault(value, []).append(name)
        assert await record(api, where, guid) == before, slot.place
    await ask(api, "DELETE", f"{where}/{guid}")
    return taken


def is_shown(name: str, sent: Any, shown: Any) -> bool:
    """Whether this is what was sent, or what the type of the field makes of it."""
    if json.dumps(sent) == json.dumps(shown):
        return True
    if isinstance(shown, bool):
        return sent in ((1, "true") if shown else (0, "false", ""))
    if isinstance(shown, int):
        return not isinstance(sent, bool) and str(sent).strip() in (str(shown), f"{shown}.0", f"-{shown}.0")
    if isinstance(shown, str):
        return shown == (SHOWN.get(name) if sent in BLANK else str(sent).lower())
    return sent in BLANK and shown in ([], {})


NEVER_EMPTY = {
    *("alias", "ip", "category", "param", "profile", "uuid", "host", "name", "expire_date"),
    *("username", "usergroup", "guid", "password", "ip_address"),
}
"""Fields without which an object would be none; tokens that may come from anywhere say so by a network."""


@pytest.mark.parametrize("where", RECORDS)
async def test_every_field_can_be_emptied(api: Api, where: str) -> None:
    guid = await made(api, where, json.dumps(a_record(where)).encode())
    one = DESCRIPTION[
        f"{BASE}{where}/{{category}}" if where == "/user/settings" else f"{BASE}{where}/{{guid}}"
    ]
    fields = one["put"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    emptied = 0

    for name, schema in fields.items():
        if name in NEVER_EMPTY:
            continue
        for empty in EMPTY.get(schema.get("type"), ["", 0, False, [], {}]):
            answer = await ask(api, "PUT", f"{where}/{guid}", json.dumps({name: empty}).encode())
            assert answer.status_code < 400, (name, answer.text)
            shown = (await record(api, where, str(guid)))[name]
            assert json.dumps(shown) == json.dumps(empty), name
            emptied += 1

    assert emptied >= 3


@pytest.mark.parametrize(("where", "name"), [("/users", "guid"), ("/agent/subscribe", "uuid")])
async def test_id_that_a_client_has_chosen_leads_to_its_object(api: Api, where: str, name: str) -> None:
    for value in VALUES.values():
        guid = await made(api, where, Slot(a_record(where) | {name: HOLE}, ()).filled(value))
        if guid is not None:
            path = f"{where}/{quote(guid, safe='')}"
            assert (await ask(api, "GET", path)).json()["data"][0][name] == guid
            assert (await ask(api, "DELETE", path)).status_code < 400, guid
            assert guid not in await records(api, where)


async def test_dashboard_is_shown_as_it_was_sent_whatever_its_name(api: Api) -> None:
    for part in PATHS.values():
        path = f"/dashboard/store/{part}"
        if (await ask(api, "POST", path, b'{"name": "n"}')).status_code == 200:
            assert (await ask(api, "GET", path)).json()["data"]["name"] == "n"
            assert (await ask(api, "DELETE", path)).json()["total"] == 0
    await ask(api, "POST", "/dashboard/store/mine", b"{}")
    for slot in slots(BODIES["PUT /dashboard/store/{dashboard}"]):
        for value in VALUES.values():
            if (await ask(api, "PUT", "/dashboard/store/mine", slot.filled(value))).status_code == 200:
                shown = (await ask(api, "GET", "/dashboard/store/mine")).json()["data"]
                assert json.dumps(shown) == json.dumps(
                    {"dashboardId": "mine"} | json.loads(slot.filled(value))
                )
