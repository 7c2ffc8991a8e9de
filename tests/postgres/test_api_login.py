"""Logging in over HTTP, against real accounts."""

import asyncio
import time

import jwt
import pytest

from api.settings import AuthSettings, SearchSettings
from tests.support.api import SESAME, add_user, an_api

WRONG = {"statuscode": 401, "error": "Unauthorized", "message": "incorrect password"}


async def test_login_is_answered_as_homer_does(database_url: str) -> None:
    async with an_api(database_url) as api:
        guid = await add_user(api.context.engine, firstname="Homer", lastname="Admin")

        body = {"username": "admin", "password": SESAME, "type": "internal"}
        answer = await api.client.post("/api/v3/auth", json=body)

    token = answer.json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert answer.status_code == 201
    assert answer.json() == {
        "token": token,
        "scope": guid,
        "user": {"admin": True},
        "expires": claims["exp"],
        "expires_in": 1200 * 60,
    }
    assert claims["displayname"] == "Homer Admin"
    assert claims["useradmin"] is True


async def test_profile_is_that_of_the_bearer(database_url: str) -> None:
    async with an_api(database_url) as api:
        guid = await add_user(api.context.engine, username="alice", usergroup="user")

        answer = await api.client.get("/api/v3/users/profile", headers=await api.log_in("alice"))

    assert answer.status_code == 200
    assert answer.json() == {
        "count": 0,
        "data": {
            "guid": guid,
            "username": "alice",
            # No names in the row: the UI cannot do with an empty one.
            "displayname": "alice",
            "avatar": "",
            "group": "user",
            "admin": False,
            "external_auth": False,
            "external_profile": "",
        },
    }


async def test_profile_of_a_user_who_has_gone_is_refused(database_url: str) -> None:
    async with an_api(database_url) as api:
        await add_user(api.context.engine)
        headers = await api.log_in()
        async with api.context.engine.begin() as connection:
            await connection.exec_driver_sql("delete from users")

        answer = await api.client.get("/api/v3/users/profile", headers=headers)

    assert (answer.status_code, answer.json()) == (401, {"message": "invalid or expired jwt"})


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("admin", "wrong"),
        ("nobody", SESAME),
        ("ADMIN", SESAME),
        ("admin ", SESAME),
        ("admin\0", SESAME),
        ("x" * 10_000, SESAME),
        ("' or ''='", SESAME),
        ("admin", SESAME + "\0"),
        ("admin", "x" * 100_000),
    ],
)
async def test_wrong_name_or_password_is_told_in_one_way(
    database_url: str, username: str, password: str
) -> None:
    async with an_api(database_url) as api:
        await add_user(api.context.engine)

        answer = await api.client.post("/api/v3/auth", json={"username": username, "password": password})

    assert (answer.status_code, answer.json()) == (401, WRONG)


async def test_disabled_user_is_told_so_with_the_right_password_only(database_url: str) -> None:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, enabled=False)

        right = await api.client.post("/api/v3/auth", json={"username": "admin", "password": SESAME})
        wrong = await api.client.post("/api/v3/auth", json={"username": "admin", "password": "x"})

    assert (right.status_code, right.json()) == (401, WRONG | {"message": "Unauthorized"})
    assert (wrong.status_code, wrong.json()) == (401, WRONG)


@pytest.mark.parametrize(
    ("group", "is_admin"), [("admin", True), ("nonadmin", False), ("Admin", False), ("admin user", False)]
)
async def test_only_the_group_admin_makes_an_administrator(
    database_url: str, group: str, is_admin: bool
) -> None:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, usergroup=group)

        answer = await api.client.post("/api/v3/auth", json={"username": "admin", "password": SESAME})

    assert answer.json()["user"] == {"admin": is_admin}


async def test_login_outlives_a_restart(database_url: str) -> None:
    async with an_api(database_url) as before:
        await add_user(before.context.engine)
        headers = await before.log_in()
    async with an_api(database_url) as after:
        answer = await after.client.get("/api/v3/users/profile", headers=headers)

    assert answer.status_code == 200


async def test_login_lasts_as_long_as_the_setting_says(database_url: str) -> None:
    async with an_api(database_url, auth=AuthSettings(token_minutes=1)) as api:
        await add_user(api.context.engine)
        headers = await api.log_in()

    claims = jwt.decode(headers["Authorization"].split()[1], options={"verify_signature": False})
    assert 50 < claims["exp"] - time.time() <= 60


async def test_guessing_ends_with_a_time_to_wait(database_url: str) -> None:
    async with an_api(database_url, auth=AuthSettings(attempts=3, attempts_window_s=60)) as api:
        await add_user(api.context.engine)
        guesses = [{"username": "admin", "password": f"guess{number}"} for number in range(5)]

        answers = await asyncio.gather(*(api.client.post("/api/v3/auth", json=guess) for guess in guesses))
        right = await api.client.post("/api/v3/auth", json={"username": "admin", "password": SESAME})

    assert sorted(answer.status_code for answer in answers) == [401, 401, 401, 429, 429]
    assert right.status_code == 429
    wait_s = int(right.headers["retry-after"])
    assert 0 < wait_s <= 60
    assert right.json() == {
        "statuscode": 429,
        "error": "Too Many Requests",
        "message": f"too many failed logins, try again in {wait_s} seconds",
    }


async def test_logins_that_succeed_are_not_counted(database_url: str) -> None:
    async with an_api(database_url, auth=AuthSettings(attempts=1)) as api:
        await add_user(api.context.engine)

        for _ in range(3):
            await api.log_in()


async def test_login_that_finds_no_connection_is_not_counted(database_url: str) -> None:
    options = {
        "auth": AuthSettings(attempts=1),
        "search": SearchSettings(pool_size=1, statement_timeout_s=0.1),
    }
    async with an_api(database_url, **options) as api:
        await add_user(api.context.engine)
        async with api.context.engine.connect():
            busy = await api.client.post("/api/v3/auth", json={"username": "admin", "password": SESAME})

        await api.log_in()

    assert busy.status_code == 503
