"""API tokens over HTTP, for administrators."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api.tables import api_tokens, audit
from tests.support.api import Api, add_user, an_api

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
NEW = {"name": "grafana", "expire_date": TOMORROW, "active": True}
TOKENS = "/api/v3/token/auth"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin", guid="guid-of-admin")
        await add_user(api.context.engine, "alice", usergroup="user")
        api.client.headers.update(await api.log_in("admin"))
        yield api


async def made(api: Api, **columns: Any) -> tuple[str, str]:
    """The token and its guid."""
    answer = await api.client.post(TOKENS, json=NEW | columns)
    assert answer.status_code == 201, answer.text
    assert answer.json()["message"] == "successfully created auth token"
    listed = (await api.client.get(TOKENS)).json()["data"]
    return answer.json()["data"]["token"], next(
        row["guid"] for row in listed if row["name"] == (NEW | columns)["name"]
    )


async def test_token_is_told_once_and_used(api: Api) -> None:
    token, guid = await made(api)

    listed = await api.client.get(TOKENS)
    shown = await api.client.get(f"{TOKENS}/{guid}")
    del api.client.headers["Authorization"]
    used = await api.client.get("/api/v3/alias", headers={"Auth-Token": token})
    async with api.context.engine.connect() as connection:
        kept = str((await connection.execute(select(api_tokens))).all())
        noted = str((await connection.execute(select(audit))).all())

    assert len(token) == 80
    assert token.isalpha()
    assert used.status_code == 201
    assert listed.json() == shown.json()
    (row,) = listed.json()["data"]
    assert row["user_object"] == {"username": "admin", "usergroup": "user"}
    assert row["creator_guid"] == "guid-of-admin"
    assert (row["ip_address"], row["usage_calls"], row["limit_calls"]) == ("0.0.0.0/0", 0, 0)
    assert token not in listed.text + kept + noted
    assert "create API token" in noted


async def test_token_is_changed_and_deleted(api: Api) -> None:
    token, guid = await made(api)
    headers = {"Auth-Token": token, "Authorization": ""}

    async def status() -> int:
        return (await api.client.get("/api/v3/alias", headers=headers)).status_code

    before = await status()
    changed = await api.client.put(f"{TOKENS}/{guid}", json={"active": False, "name": "other"})
    inactive = await status()
    await api.client.put(f"{TOKENS}/{guid}", json={"active": True, "ip_address": "192.0.2.0/24"})
    elsewhere = await status()
    deleted = await api.client.delete(f"{TOKENS}/{guid}")

    assert (before, inactive, elsewhere, await status()) == (201, 401, 403, 401)
    assert (changed.status_code, changed.json()) == (
        200,
        {"message": "successfully updated auth token settings", "data": guid},
    )
    assert (deleted.status_code, deleted.json()) == (
        200,
        {"message": "successfully deleted authtoken", "data": guid},
    )


async def test_token_that_has_expired_is_changed_as_any_other(api: Api) -> None:
    token, guid = await made(api)
    expired = await api.client.put(f"{TOKENS}/{guid}", json={"expire_date": "2020-01-01T00:00:00Z"})
    (row,) = (await api.client.get(TOKENS)).json()["data"]

    renamed = await api.client.put(f"{TOKENS}/{guid}", json=row | {"name": "old"})
    used = await api.client.get("/api/v3/alias", headers={"Auth-Token": token, "Authorization": ""})

    assert [expired.status_code, renamed.status_code, used.status_code] == [200, 200, 401]


async def test_token_for_an_administrator_is_made_by_saying_so(api: Api) -> None:
    token, _ = await made(api, user_object={"username": "robot", "usergroup": "admin"})

    answer = await api.client.get(TOKENS, headers={"Auth-Token": token, "Authorization": ""})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": None},
        {"expire_date": "tomorrow"},
        {"expire_date": "2020-01-01T00:00:00Z"},
        {"expire_date": None},
        {"expire_date": "9999-12-31T23:59:59-14:00"},
        {"active": None},
        {"ip_address": "localhost"},
        {"limit_calls": -1},
        {"user_object": "x"},
    ],
)
async def test_token_that_cannot_be_is_refused_in_words(api: Api, wrong: dict[str, Any]) -> None:
    answer = await api.client.post(TOKENS, json=NEW | wrong)

    assert answer.status_code == 400
    assert answer.json()["message"]
    assert (await api.client.get(TOKENS)).json() == {"data": [], "count": 0}


async def test_unknown_token_is_an_error(api: Api) -> None:
    shown = await api.client.get(f"{TOKENS}/none")
    changed = await api.client.put(f"{TOKENS}/none", json={"name": "x"})
    deleted = await api.client.delete(f"{TOKENS}/none")

    assert (shown.status_code, shown.json()["message"]) == (400, "token has been not found for guid [none]")
    assert [(each.status_code, each.json()["message"]) for each in (changed, deleted)] == [
        (400, "data was not found")
    ] * 2


async def test_nobody_but_administrators_manages_tokens(api: Api) -> None:
    _, guid = await made(api)
    alice = await api.log_in("alice")

    for method, path in (
        ("GET", TOKENS),
        ("GET", f"{TOKENS}/{guid}"),
        ("POST", TOKENS),
        ("PUT", f"{TOKENS}/{guid}"),
        ("DELETE", f"{TOKENS}/{guid}"),
    ):
        answer = await api.client.request(method, path, headers=alice, json=NEW)
        assert (answer.status_code, answer.json()) == (403, {"message": "This API requires admin access."})
