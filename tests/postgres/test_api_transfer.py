"""Settings carried over as files, all or none."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.api import Api, add_user, an_api

ALIASES = [{"alias": f"a{number}", "ip": f"192.0.2.{number}", "port": 5060} for number in (1, 2)]
USER = {"username": "carol", "usergroup": "user", "email": "", "password": "long enough"}


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin")
        await add_user(api.context.engine, "alice", usergroup="user")
        api.client.headers.update(await api.log_in("admin"))
        yield api


async def send(api: Api, path: str, content: Any, part: str = "file", **headers: str) -> tuple[int, Any]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = await api.client.post(
        f"/api/v3/{path}", files={part: ("settings.json", data)}, headers=headers or None
    )
    return answer.status_code, answer.json()


async def aliases(api: Api) -> list[str]:
    rows = (await api.client.get("/api/v3/alias")).json()["data"]
    return sorted(row["alias"] for row in rows)


@pytest.mark.parametrize("content", [ALIASES, {"data": ALIASES, "count": 2}])
@pytest.mark.parametrize("path", ["alias/import", "ipalias/import", "alias/import/h2"])
async def test_objects_are_made(api: Api, path: str, content: Any) -> None:
    assert await send(api, path, content) == (201, {"data": "2", "message": "successfully imported"})
    assert await aliases(api) == ["a1", "a2"]


@pytest.mark.parametrize(
    "content",
    [
        "alias,ip,port,status\na1,192.0.2.1,5060,true\n\na2,192.0.2.2,,false\n",
        "\ufeffalias;ip;port;status\r\na1;192.0.2.1;5060;true\r\na2;192.0.2.2;;false\r\n",
        'status, alias ,ip\ntrue,"a1",192.0.2.1\nfalse,a2,192.0.2.2',
    ],
)
async def test_table_is_taken_over_as_the_web_ui_offers_it(api: Api, content: str) -> None:
    answer = await send(api, "ipalias/import", content.encode())

    rows = (await api.client.get("/api/v3/alias")).json()["data"]
    assert answer == (201, {"data": "2", "message": "successfully imported"})
    assert {(row["alias"], row["ip"], row["status"]) for row in rows} == {
        ("a1", "192.0.2.1", True),
        ("a2", "192.0.2.2", False),
    }


async def test_users_of_a_table_have_their_passwords_to_the_letter(api: Api) -> None:
    table = (
        'username,usergroup,email,password\ncarol,user,,"0x5, ""y"" "\ndora,user,dora@example.com,12345670'
    )

    assert (await send(api, "ipalias/import", table.encode()))[0] == 201

    assert await api.log_in("carol", '0x5, "y" ')
    assert await api.log_in("dora", "12345670")


@pytest.mark.parametrize("path", ["alias/import/replace", "alias/import/h2/replace"])
async def test_objects_take_the_place_of_those_that_there_were(api: Api, path: str) -> None:
    await send(api, "alias/import", ALIASES)

    await send(api, path, ALIASES[1:])

    assert await aliases(api) == ["a2"]


@pytest.mark.parametrize("name", ["advanced", "hepsub", "mapping", "script"])
async def test_what_a_list_shows_is_taken_over(api: Api, name: str) -> None:
    path = {"hepsub": "hepsub/protocol", "mapping": "mapping/protocol"}.get(name, name)
    new = {"category": "c", "param": "p", "profile": "x", "hepid": 9, "mapping": {}, "data": "1"}
    await api.client.post(f"/api/v3/{path}", json=new)
    shown = (await api.client.get(f"/api/v3/{path}")).json()
    mine = [row for row in shown["data"] if row.get("param") == "p" or row.get("profile") == "x"]

    answer = await send(api, f"{name}/import/replace", {"data": mine})

    again = (await api.client.get(f"/api/v3/{path}")).json()
    assert answer[0] == 201
    assert again["count"] == shown["count"]
    assert [row for row in again["data"] if row.get("param") == "p" or row.get("profile") == "x"]


async def test_users_are_made_wherever_the_web_ui_sends_them(api: Api) -> None:
    answer = await send(api, "ipalias/import/replace", [USER])

    assert answer[0] == 201
    assert await api.log_in("carol", "long enough")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is neither JSON nor CSV"),
        (b"no", "the file is neither JSON nor CSV"),
        (b"alias,ip", "the file is neither JSON nor CSV"),
        (b"alias,ip\na1,192.0.2.1\n\xff,192.0.2.2", "the file is neither JSON nor CSV"),
        (b'alias,ip\n"a"1,192.0.2.1', "the file is neither JSON nor CSV"),
        (b"alias,alias\na1,192.0.2.1", "the file is neither JSON nor CSV"),
        (b"alias,ip\na1,192.0.2.1\na2", "object 2: 1 values for 2 names"),
        (b"alias,ip\na1,192.0.2.1\na2,none", "object 2: 'none' is not an IP address"),
        (b"[" * 100_000, "the file is not JSON"),
        ({"data": 5}, "the file holds no list"),
        ([*ALIASES, {"alias": "a3", "ip": "none"}], "object 3: 'none' is not an IP address"),
        ([*ALIASES, 7], "object 3: request format is not correct"),
        ([USER, USER | {"password": "x"}], "user 2: the password is shorter"),
        ([USER, USER], "user 2: there is a user carol already"),
    ],
)
async def test_nothing_is_made_of_a_file_that_is_wrong_anywhere(api: Api, content: Any, words: str) -> None:
    status, answer = await send(api, "alias/import/replace", content)

    assert (status, answer["data"]) == (400, {})
    assert answer["message"].startswith(words)
    assert await aliases(api) == []
    assert (await api.client.get("/api/v3/users")).json()["count"] == 2


async def test_form_without_the_file_and_unknown_kinds_are_refused(api: Api) -> None:
    assert (await send(api, "alias/import", ALIASES, part="other"))[0] == 400
    assert (await send(api, "nothing/import", ALIASES))[1][
        "message"
    ] == "there is nothing to import as nothing"
    assert (await api.client.post("/api/v3/alias/import", json=ALIASES)).status_code == 400


async def test_importing_is_for_administrators(api: Api) -> None:
    alice = await api.log_in("alice")

    assert (await send(api, "alias/import", ALIASES, **alice))[0] == 403
    assert await aliases(api) == []


PATHS = {"advanced": "advanced", "mapping": "mapping/protocol", "hepsub": "hepsub/protocol"}


@pytest.mark.parametrize("how", ["import", "import/replace"])
@pytest.mark.parametrize("name", PATHS)
async def test_a_list_taken_over_is_the_same_list_again(api: Api, name: str, how: str) -> None:
    path = f"/api/v3/{PATHS[name]}"
    first = (await api.client.get(path)).json()["data"][0]
    key = "data" if name == "advanced" else "hep_alias"
    await api.client.put(f"{path}/{first['guid']}", json={key: "mine"})
    shown = (await api.client.get(path)).json()["data"]
    await api.client.put(f"{path}/{first['guid']}", json={key: "another"})

    assert await send(api, f"{name}/{how}", shown) == (
        201,
        {"data": str(len(shown)), "message": "successfully imported"},
    )

    assert (await api.client.get(path)).json()["data"] == shown
    assert await kept(api, name) == 1


async def kept(api: Api, name: str) -> int:
    """How many differ from what the program brings along."""
    table = {"advanced": "global_settings", "mapping": "mapping_schema", "hepsub": "hepsub_mapping_schema"}[
        name
    ]
    async with api.context.engine.connect() as connection:
        return int((await connection.execute(text(f"select count(*) from {table}"))).scalar_one())
