"""Logins that end before their tokens expire, and API tokens instead of logins."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from api.auth.accounts import set_password
from api.auth.api_tokens import hash_of, new_token
from api.errors import DatabaseError
from api.settings import AuthSettings
from api.tables import api_tokens, audit, users
from tests.support.api import SESAME, Api, add_user, an_api
from tests.support.database import execute

ENDED = (401, {"message": "invalid or expired jwt"})
PROFILE = "/api/v3/users/profile"
MAPPINGS = "/api/v3/mapping/protocol"
ADMIN_ONLY = "/api/v3/rhapsode/filters/x.lua/disable"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        yield api


async def change(api: Api, username: str, **columns: Any) -> None:
    async with api.context.engine.begin() as connection:
        await connection.execute(update(users).where(users.c.username == username).values(columns))
    # As another process sees it, a moment later.
    api.context.standings.forget()


async def asked(api: Api, headers: dict[str, str], path: str = PROFILE) -> tuple[int, Any]:
    answer = await api.client.get(path, headers=headers)
    return answer.status_code, answer.json()


async def test_logout_ends_one_login_and_no_other(api: Api) -> None:
    await add_user(api.context.engine, "alice")
    one, other = await api.log_in("alice"), await api.log_in("alice")

    out = await api.client.post("/api/v3/rhapsode/logout", headers=one)

    assert (out.status_code, out.content) == (204, b"")
    assert await asked(api, one) == ENDED
    assert (await asked(api, other))[0] == 200


async def test_new_password_ends_all_logins(api: Api, database_url: str) -> None:
    await add_user(api.context.engine, "alice")
    headers = await api.log_in("alice")

    await asyncio.to_thread(set_password, database_url, "alice", "another one entirely", "root")
    api.context.standings.forget()

    assert await asked(api, headers) == ENDED
    assert (await asked(api, await api.log_in("alice", "another one entirely")))[0] == 200


async def test_user_who_is_disabled_is_out_and_in_again_when_enabled(api: Api) -> None:
    await add_user(api.context.engine, "alice")
    headers = await api.log_in("alice")

    await change(api, "alice", enabled=False)
    meanwhile = await asked(api, headers)
    await change(api, "alice", enabled=True)

    assert meanwhile == ENDED
    assert (await asked(api, headers))[0] == 200


async def test_administrator_no_more_is_none_with_an_old_token(api: Api) -> None:
    await add_user(api.context.engine, "alice")
    headers = await api.log_in("alice")

    await change(api, "alice", usergroup="user")
    refused = await api.client.post(ADMIN_ONLY, headers=headers)

    assert (refused.status_code, refused.json()) == (403, {"message": "This API requires admin access."})
    assert (await asked(api, headers))[1]["data"]["admin"] is False


async def add_token(api: Api, **columns: Any) -> str:
    token = new_token()
    row = {
        "guid": token[:36],
        "name": "script",
        "token_hash": hash_of(token),
        "user_object": {"username": "robot", "usergroup": "user"},
        "expire_date": datetime.now(UTC) + timedelta(days=1),
    }
    async with api.context.engine.begin() as connection:
        await connection.execute(insert(api_tokens).values(row | columns))
    return token


@pytest.mark.parametrize("header", ["Auth-Token", "Authorization"])
async def test_api_token_is_taken_for_a_login(api: Api, header: str) -> None:
    token = await add_token(api)
    headers = {header: token if header == "Auth-Token" else f"Bearer {token}"}

    answer = await api.client.get(MAPPINGS, headers=headers)
    profile = await asked(api, headers)
    admin = await api.client.post(ADMIN_ONLY, headers=headers)

    assert answer.status_code == 200
    assert profile == (400, {"data": {}, "message": "failed to get user profile"})
    assert (admin.status_code, admin.json()) == (
        403,
        {"message": "This API requires admin access. The AuthToken in use!"},
    )


@pytest.mark.parametrize(
    "columns",
    [{"active": False}, {"expire_date": datetime(2020, 1, 1, tzinfo=UTC)}, {"token_hash": b"another"}],
)
async def test_api_token_that_is_none_or_was_one_leaves_the_login_to_say_who_it_is(
    api: Api, columns: dict[str, Any]
) -> None:
    await add_user(api.context.engine, "alice")
    token = await add_token(api, **columns)

    alone = await asked(api, {"Auth-Token": token}, MAPPINGS)
    as_bearer = await asked(api, {"Authorization": f"Bearer {token}"}, MAPPINGS)
    beside_a_login = await asked(api, {"Auth-Token": token} | await api.log_in("alice"), MAPPINGS)

    assert alone == (401, {"message": "missing or malformed jwt"})
    assert as_bearer == ENDED
    assert beside_a_login[0] == 200


@pytest.mark.parametrize(
    ("networks", "is_allowed"),
    [
        ("0.0.0.0/0", True),
        ("127.0.0.0/8", True),
        ("192.0.2.0/24, 127.0.0.1/32", True),
        ("192.0.2.0/24", False),
        ("::ffff:127.0.0.0/104", True),
        ("192.0.2.0/24, 0.0.0.0/0", True),
        ("2001:db8::/32", False),
    ],
)
async def test_api_token_is_for_its_addresses(api: Api, networks: str, is_allowed: bool) -> None:
    token = await add_token(api, ip_address=networks)

    answer = await asked(api, {"Auth-Token": token}, MAPPINGS)

    words = "this API token may not be used from this address"
    assert answer[0] == 200 if is_allowed else answer == (403, {"message": words})


async def test_calls_are_counted_and_no_more_than_the_limit_are_answered(api: Api) -> None:
    token = await add_token(api, limit_calls=3)

    answers = [(await asked(api, {"Auth-Token": token}, MAPPINGS))[0] for _ in range(5)]
    await api.context.api_tokens.flush()
    async with api.context.engine.connect() as connection:
        row = (await connection.execute(select(api_tokens))).one()

    assert answers == [200, 200, 200, 403, 403]
    assert row.usage_calls == 3
    assert row.lastusage_date is not None


async def test_calls_are_limited_also_while_they_are_written_down(api: Api) -> None:
    token = await add_token(api, limit_calls=3)
    headers = {"Auth-Token": token}

    async with api.context.engine.begin() as connection:
        await connection.execute(select(api_tokens.c.id).with_for_update())
        statuses = [(await asked(api, headers, MAPPINGS))[0]]
        # It waits for what this transaction holds.
        writing = asyncio.create_task(api.context.api_tokens.flush())
        answers = await asyncio.gather(*(asked(api, headers, MAPPINGS) for _ in range(4)))
        statuses += [status for status, _ in answers]
    await writing

    assert sorted(statuses) == [200, 200, 200, 403, 403]


async def test_calls_are_written_down_though_none_comes_behind_them(api: Api) -> None:
    headers = {"Auth-Token": await add_token(api)}
    for _ in range(2):
        await asked(api, headers, MAPPINGS)

    async with asyncio.timeout(30):
        while await usage(api) != [2]:  # noqa: ASYNC110 (nothing else tells)
            await asyncio.sleep(0.05)


async def test_list_of_tokens_counts_the_calls_of_this_moment(api: Api) -> None:
    await add_user(api.context.engine, "root")
    headers = {"Auth-Token": await add_token(api)}
    root = await api.log_in("root")
    for _ in range(3):
        await asked(api, headers, MAPPINGS)

    _, listed = await asked(api, root, "/api/v3/token/auth")
    await asked(api, headers, MAPPINGS)
    _, shown = await asked(api, root, f"/api/v3/token/auth/{listed['data'][0]['guid']}")

    assert [answer["data"][0]["usage_calls"] for answer in (listed, shown)] == [3, 4]


async def test_calls_that_cannot_be_written_down_yet_are_answered_and_counted_later(
    api: Api, database_url: str
) -> None:
    headers = {"Auth-Token": await add_token(api)}
    statuses = [(await asked(api, headers, MAPPINGS))[0]]
    await execute(database_url, "alter table auth_token rename column usage_calls to away")

    with pytest.raises(DatabaseError):
        await api.context.api_tokens.flush()
    statuses.append((await asked(api, headers, MAPPINGS))[0])
    await execute(database_url, "alter table auth_token rename column away to usage_calls")
    await api.context.api_tokens.flush()

    assert statuses == [200, 200]
    assert await usage(api) == [2]


async def usage(api: Api) -> list[int]:
    async with api.context.engine.connect() as connection:
        return list((await connection.execute(select(api_tokens.c.usage_calls))).scalars())


async def test_api_tokens_can_be_switched_off(database_url: str) -> None:
    async with an_api(database_url, auth=AuthSettings(api_tokens=False)) as api:
        token = await add_token(api)

        answer = await asked(api, {"Auth-Token": token}, MAPPINGS)

    assert answer == (401, {"message": "missing or malformed jwt"})


async def test_logins_are_in_the_audit(api: Api) -> None:
    await add_user(api.context.engine, "alice")
    await api.client.post("/api/v3/auth", json={"username": "alice", "password": "wrong"})
    headers = await api.log_in("alice", SESAME)
    await api.client.post("/api/v3/rhapsode/logout", headers=headers)

    assert await audited(api) == [
        ("alice", "127.0.0.1", "login refused", {"why": "incorrect password"}),
        ("alice", "127.0.0.1", "login", {}),
        ("alice", "127.0.0.1", "logout", {}),
    ]


async def audited(api: Api) -> list[tuple[Any, ...]]:
    await api.context.audit.flush()
    async with api.context.engine.connect() as connection:
        columns = audit.c.username, audit.c.address, audit.c.action, audit.c.detail
        return [tuple(row) for row in await connection.execute(select(*columns).order_by(audit.c.id))]
