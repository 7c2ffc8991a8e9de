"""The audit: what is in it, who may read it, and how long it stays."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from api.settings import AuthSettings
from api.tables import audit
from tests.support.api import SESAME, Api, add_user, an_api
from tests.support.stored import a_packet, store

AUDIT = "/api/v3/rhapsode/audit"
START_US = 1_795_000_000_000_000
WINDOW = {"from": START_US // 1000 - 1000, "to": START_US // 1000 + 1000}
INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\n\r\n"
)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin")
        await add_user(api.context.engine, "alice", usergroup="user")
        api.client.headers.update(await api.log_in("admin"))
        await api.context.audit.flush()
        yield api


async def listed(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = await api.client.get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["data"])
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


async def test_payloads_and_calls_that_are_looked_at_are_noted(api: Api, database_url: str) -> None:
    await store(database_url, [a_packet(START_US, INVITE)])
    alice = await api.log_in("alice")
    search = {"1_call": []}
    rows = await api.client.post(
        "/api/v3/search/call/data", json={"timestamp": WINDOW, "param": {"search": search}}, headers=alice
    )
    (row,) = rows.json()["data"]

    asked_by_path = {"search/call/message": {"id": row["id"]}, "call/transaction": {"callid": ["call-1"]}}
    for path, asked in asked_by_path.items():
        body = {"timestamp": WINDOW, "param": {"limit": 1, "search": {"1_call": asked}}}
        answer = await api.client.post(f"/api/v3/{path}", json=body, headers=alice)
        assert answer.status_code == 201

    noted = [
        (each["username"], each["action"], each["object"]) for each in await listed(api, username="alice")
    ]
    assert noted == [
        ("alice", "view call", "call-1"),
        ("alice", "view payload", f"1_call {row['id']}"),
        ("alice", "login", ""),
    ]


async def test_names_that_are_none_hide_no_call_that_was_looked_at(api: Api, database_url: str) -> None:
    await store(database_url, [a_packet(START_US, INVITE)])
    hiding = [f"{'x' * 99}{number}" for number in range(500)]
    body = {"timestamp": WINDOW, "param": {"search": {"1_call": {"callid": [*hiding, "call-1"]}}}}

    for path in ("call/transaction", "export/call/messages/text"):
        assert (await api.client.post(f"/api/v3/{path}", json=body)).is_success

    assert [each["object"] for each in await listed(api, limit=2)] == ["call-1", "call-1"]


async def test_all_of_many_calls_are_named(api: Api, database_url: str) -> None:
    ids = [f"call-{number}-{'x' * 60}" for number in range(20)]
    await store(database_url, [a_packet(START_US, INVITE.replace(b"call-1", id_.encode())) for id_ in ids])
    body = {"timestamp": WINDOW, "param": {"search": {"1_call": {"callid": ids}}}}

    assert (await api.client.post("/api/v3/call/transaction", json=body)).is_success

    named = [name for each in await listed(api, action="view call") for name in each["object"].split(", ")]
    assert sorted(named) == sorted(ids)


async def test_change_of_megabytes_is_named_by_its_size(api: Api) -> None:
    new = {"category": "c", "param": "p", "data": "x" * 1_000_000}
    assert (await api.client.post("/api/v3/advanced", json=new)).status_code == 201

    (row,) = await listed(api, action="create advanced")
    assert list(row["detail"]) == ["bytes"]


async def test_no_secret_of_a_setting_is_in_the_audit(api: Api) -> None:
    new = {"category": "search", "param": "grafana", "data": {"user": "u", "password": "very secret"}}
    made = await api.client.post("/api/v3/advanced", json=new)
    path = f"/api/v3/advanced/{made.json()['data']}"
    await api.client.put(path, json={"data": '{"host": "g", "Grafana-Token": "very secret"}'})
    await api.client.delete(path)

    rows = await listed(api)
    assert "very secret" not in str(rows)
    assert rows[2]["detail"]["data"] == {"user": "u", "password": ""}


async def test_one_who_goes_on_guessing_fills_no_audit(database_url: str) -> None:
    async with an_api(database_url, auth=AuthSettings(attempts=2)) as api:
        await add_user(api.context.engine, "root")
        api.client.headers.update(await api.log_in("root"))
        for number in range(9):
            guess = {"username": f"user{number}", "password": "no"}
            await api.client.post("/api/v3/auth", json=guess)

        refused = await listed(api, action="login refused")

    first, *others = [row["detail"]["why"] for row in refused]
    assert first.startswith("too many failed logins, try again in ")
    assert others == ["incorrect password", "incorrect password"]


async def test_audit_is_paged_and_chosen_from(api: Api) -> None:
    for number in range(3):
        await api.client.post("/api/v3/alias", json={"alias": f"a{number}", "ip": "192.0.2.1"})

    first = await listed(api, limit=2)
    second = await listed(api, limit=2, before=first[-1]["id"])
    made = await listed(api, action="create alias")

    assert [each["detail"].get("alias") for each in first + second] == ["a2", "a1", "a0", None]
    assert [each["action"] for each in made] == ["create alias"] * 3
    assert await listed(api, action="create%") == []


async def test_audit_is_for_administrators(api: Api) -> None:
    answer = await api.client.get(AUDIT, headers=await api.log_in("alice"))

    assert answer.status_code == 403


@pytest.mark.parametrize("query", [{"limit": "x"}, {"limit": "-1"}, {"before": "1e9"}, {"before": "9" * 30}])
async def test_question_that_cannot_be_is_refused(api: Api, query: dict[str, str]) -> None:
    assert (await api.client.get(AUDIT, params=query)).status_code == 400


async def test_entries_are_deleted_when_they_were_kept_long_enough(api: Api, database_url: str) -> None:
    days_old = (364, 366)
    async with api.context.engine.begin() as connection:
        for days in days_old:
            at = datetime.now(UTC) - timedelta(days=days)
            await connection.execute(insert(audit).values(username="old", action=f"{days}", at=at))

    # A new one deletes at its first entry, and then once an hour.
    async with an_api(database_url) as another:
        await another.log_in("admin", SESAME)

    async with api.context.engine.connect() as connection:
        wanted = select(func.array_agg(audit.c.action)).where(audit.c.username == "old")
        assert (await connection.execute(wanted)).scalar_one() == ["364"]
