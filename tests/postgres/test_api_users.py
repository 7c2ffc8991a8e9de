"""Users over HTTP: who may do what, what is refused, and that somebody can always administer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.settings import AuthSettings
from tests.support.api import SESAME, Api, add_user, an_api

NEW = {
    "username": "carol",
    "email": "carol@example.org",
    "firstname": "Carol",
    "lastname": "C",
    "department": "NOC",
    "usergroup": "user",
    "guid": "11111111-2222-4333-8444-555555555555",
    "partid": 10,
    "version": 1,
    "password": "a long enough one",
}
CAROL = {name: value for name, value in NEW.items() if name != "password"}


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin", guid="guid-of-admin")
        await add_user(api.context.engine, "alice", usergroup="user", guid="guid-of-alice")
        yield api


async def ask(
    api: Api, method: str, path: str, user: str = "admin", json: Any = None, password: str = SESAME
) -> tuple[int, Any]:
    headers = await api.log_in(user, password) if user else {}
    answer = await api.client.request(method, f"/api/v3/users{path}", headers=headers, json=json)
    return answer.status_code, answer.json()


async def names(api: Api, user: str = "admin") -> list[str]:
    status, answer = await ask(api, "GET", "", user)
    assert status == 201
    assert answer["count"] == len(answer["data"])
    return [row["username"] for row in answer["data"]]


async def test_user_is_made_and_logs_in(api: Api) -> None:
    answer = await ask(api, "POST", "", json=NEW)
    rows = (await ask(api, "GET", f"/{NEW['guid']}", "carol", password=str(NEW["password"])))[1]["data"]

    assert answer == (201, {"data": NEW["guid"], "message": "successfully created user"})
    assert rows == [CAROL | {"enabled": True, "params": {}, "password": ""}]


async def test_only_administrators_see_all(api: Api) -> None:
    assert await names(api) == ["admin", "alice"]
    assert await names(api, "alice") == ["alice"]
    assert (await ask(api, "GET", "/guid-of-admin", "alice"))[1] == {"count": 0, "data": []}
    assert (await ask(api, "GET", "/guid-of-alice", "alice"))[1]["count"] == 1
    assert (await ask(api, "GET", "/guid-of-alice"))[1]["count"] == 1


async def test_groups_are_those_of_the_settings(api: Api) -> None:
    assert await ask(api, "GET", "/groups", "alice") == (
        200,
        {"count": 3, "data": ["admin", "user", "support"]},
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("PUT", "/guid-of-admin"),
        ("DELETE", "/guid-of-alice"),
        ("GET", "/export"),
        ("POST", "/import"),
    ],
)
async def test_nobody_but_administrators_manages_users(api: Api, method: str, path: str) -> None:
    assert (await ask(api, method, path, "alice", NEW))[0] == 403
    assert (await ask(api, method, path, "", NEW))[0] == 401
    assert await names(api) == ["admin", "alice"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": ""},
        {"username": None},
        {"username": "admin"},
        {"username": "a\0b"},
        {"username": "x" * 101},
        {"guid": "guid-of-admin"},
        {"usergroup": "nonadmin"},
        {"usergroup": ""},
        {"email": "nobody"},
        {"password": ""},
        {"password": None},
        {"password": "short"},
        {"password": "aaaaaaaaaaaaaaaa"},
        {"password": "carolcarol", "username": "carolcarol"},
        {"password": {}},
        {"enabled": "maybe"},
    ],
)
async def test_user_that_cannot_be_is_refused_in_words(api: Api, wrong: dict[str, Any]) -> None:
    status, answer = await ask(api, "POST", "", json=NEW | wrong)

    assert status == 400
    assert answer["message"]
    assert await names(api) == ["admin", "alice"]


async def test_user_changes_what_is_theirs_and_nothing_else(api: Api) -> None:
    body = {
        "firstname": "Al",
        "lastname": "",
        "department": "",
        "usergroup": "admin",
        "username": "root",
        "enabled": False,
    }

    answer = await ask(api, "PUT", "/guid-of-alice", "alice", body)
    another = await ask(api, "PUT", "/guid-of-admin", "alice", body | {"guid": "guid-of-admin"})
    row = (await ask(api, "GET", "/guid-of-alice"))[1]["data"][0]

    assert answer == (201, {"data": "guid-of-alice", "message": "successfully updated user"})
    assert another == (403, {"message": "This API requires admin access."})
    assert (row["username"], row["usergroup"], row["enabled"]) == ("alice", "user", True)
    assert (row["firstname"], row["lastname"]) == ("Al", "")


async def test_administrator_disables_renames_and_deletes(api: Api) -> None:
    renamed = await ask(api, "PUT", "/guid-of-alice", json={"username": "bob", "enabled": False})
    login = await api.client.post("/api/v3/auth", json={"username": "bob", "password": SESAME})
    deleted = await ask(api, "DELETE", "/guid-of-alice")

    assert renamed[0] == 201
    assert (login.status_code, login.json()["message"]) == (401, "Unauthorized")
    assert deleted == (201, {"data": "guid-of-alice", "message": "successfully deleted user"})
    assert await names(api) == ["admin"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_unknown_user_is_an_error(api: Api, method: str) -> None:
    answer = await ask(api, method, "/none", json={"firstname": "x"})

    assert answer == (400, {"data": {}, "message": "the user with id 'none' was not found"})


@pytest.mark.parametrize(
    ("method", "body"),
    [("DELETE", None), ("PUT", {"enabled": False}), ("PUT", {"usergroup": "user"})],
)
async def test_last_administrator_stays(api: Api, method: str, body: Any) -> None:
    answer = await ask(api, method, "/guid-of-admin", json=body)

    assert answer == (400, {"data": {}, "message": "this is the last administrator who can log in"})
    assert (await ask(api, "GET", "/guid-of-admin"))[1]["data"][0]["usergroup"] == "admin"


async def test_user_with_a_name_that_is_taken_is_not_renamed(api: Api) -> None:
    answer = await ask(api, "PUT", "/guid-of-alice", json={"username": "admin"})

    assert answer == (400, {"data": {}, "message": "there is a user admin already"})


async def test_new_password_ends_the_logins_and_is_the_one_that_counts(api: Api) -> None:
    before = await api.log_in("alice")

    changed = await ask(api, "PUT", "/guid-of-alice", "alice", {"password": "quite another"})
    after = await api.client.get("/api/v3/users", headers=before)

    assert changed[0] == 201
    assert after.status_code == 401
    assert await ask(api, "GET", "/guid-of-alice", "alice", password="quite another")  # noqa: S106


async def test_own_password_is_changed_by_who_knows_the_old_one(api: Api) -> None:
    path = "/update/password/guid-of-alice"
    wrong = await ask(api, "PUT", path, "alice", {"password": "quite another", "old_password": "no"})
    another_s = await ask(
        api, "PUT", "/update/password/guid-of-admin", "alice", {"password": "quite another"}
    )
    right = await ask(api, "PUT", path, "alice", {"password": "quite another", "old_password": SESAME})
    by_admin = await ask(api, "PUT", path, json={"password": "a third one"})

    assert wrong == (400, {"data": {}, "message": "the old password is wrong"})
    assert another_s[0] == 403
    assert right == by_admin == (201, {"data": "guid-of-alice", "message": "successfully updated password"})
    assert (await api.log_in("alice", "a third one"))["Authorization"]


async def test_nobody_s_password_is_their_name(api: Api) -> None:
    await ask(api, "PUT", "/guid-of-alice", json={"username": "alice.smith"})
    name, words = {"password": "Alice.Smith"}, "the password is the name of the user"

    answers = [
        await ask(api, "PUT", "/guid-of-alice", json=name),
        await ask(api, "PUT", "/guid-of-alice", "alice.smith", name),
        await ask(api, "PUT", "/update/password/guid-of-alice", json=name),
    ]

    assert answers == [(400, {"data": {}, "message": words})] * 3


@pytest.mark.parametrize(
    "password", ["  blanks  ", "'\"\\%_;--", "a\0b\r\nc\x7f d", "😀é\u202eمرحبا", "aé😀b" * 256]
)
async def test_password_counts_to_its_last_character(api: Api, password: str) -> None:
    made = await ask(api, "POST", "", json=NEW | {"password": password})
    others = [
        password[:-1],
        f"{password} ",
        password.strip() + "x",
        password.upper(),
        password.replace("\0", ""),
    ]

    assert made[0] == 201
    assert await api.log_in("carol", password)
    for other in {*others} - {password}:
        login = await api.client.post("/api/v3/auth", json={"username": "carol", "password": other})
        assert login.status_code == 401, other


async def test_old_password_is_guessed_no_more_often_than_a_login(database_url: str) -> None:
    async with an_api(database_url, auth=AuthSettings(attempts=2)) as api:
        await add_user(api.context.engine, "alice", usergroup="user", guid="guid-of-alice")
        headers = await api.log_in("alice")
        guess = {"password": "quite another", "old_password": "no"}
        path = "/api/v3/users/update/password/guid-of-alice"

        answers = [await api.client.put(path, headers=headers, json=guess) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [400, 400, 429]


async def test_user_who_is_imported_without_a_password_gets_in_by_none(api: Api) -> None:
    users = [CAROL | {"username": name, "guid": name} for name in ("carol", "dave")]
    assert (await ask(api, "POST", "/import", json={"data": users}))[0] == 201

    login = await api.client.post("/api/v3/auth", json={"username": "carol", "password": "carol"})

    assert login.status_code == 401
    await ask(api, "PUT", "/carol", json={"password": "a long enough one"})
    assert await api.log_in("carol", "a long enough one")


async def test_logins_of_a_user_are_ended(api: Api) -> None:
    alice = await api.log_in("alice")

    refused = await ask(api, "POST", "/guid-of-admin/logout", "alice")
    done = await ask(api, "POST", "/guid-of-alice/logout")

    assert refused[0] == 403
    assert done[0] == 201
    assert (await api.client.get("/api/v3/users", headers=alice)).status_code == 401


async def test_exported_users_are_imported_elsewhere_all_or_none(api: Api) -> None:
    await ask(api, "POST", "", json=NEW)
    _, exported = await ask(api, "GET", "/export")
    clash = await ask(api, "POST", "/import", json=exported)
    await ask(api, "DELETE", f"/{NEW['guid']}")
    carol = [row for row in exported["data"] if row["username"] == "carol"]

    done = await ask(api, "POST", "/import", json={"data": carol})
    broken = await ask(api, "POST", "/import", json={"data": [{"username": "dave", "usergroup": "user"}, {}]})

    assert "hash" not in str(exported)
    assert clash == (400, {"data": {}, "message": "user 1: there is a user admin already"})
    assert done == (201, {"data": "1", "message": "successfully imported users"})
    assert broken[0] == 400
    assert await names(api) == ["admin", "alice", "carol"]


async def test_login_of_a_deleted_user_is_none_of_the_next_one_of_that_name(api: Api) -> None:
    old = await api.log_in("alice")
    await ask(api, "DELETE", "/guid-of-alice")

    made = await ask(api, "POST", "", json=NEW | {"username": "alice", "usergroup": "admin"})

    assert made[0] == 201
    assert (await api.client.get("/api/v3/users/profile", headers=old)).status_code == 401


async def test_login_of_a_renamed_user_is_none_of_who_gets_that_name(api: Api) -> None:
    old = await api.log_in("alice")
    await ask(api, "POST", "", json=NEW)

    await ask(api, "PUT", "/guid-of-alice", json={"username": "bob"})
    await ask(api, "PUT", f"/{NEW['guid']}", json={"username": "alice"})

    assert (await api.client.get("/api/v3/users/profile", headers=old)).status_code == 401
