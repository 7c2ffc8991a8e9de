"""Dashboards and user settings over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from api.records.dashboards import MOST_OWN, MOST_SETTINGS
from api.settings import UiSettings
from api.tables import user_settings
from tests.support.api import Api, add_user, an_api

BOARD = {
    "id": "_1",
    "name": "Mine",
    "param": "mine",
    "type": 1,
    "weight": 5,
    "shared": False,
    "widgets": [{"id": "a", "config": {"x": "\0\"'%_ 😀"}}],
    "config": {"columns": 5},
}


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin")
        for name in ("alice", "bob"):
            await add_user(api.context.engine, name, usergroup="user")
        yield api


async def ask(api: Api, method: str, path: str, user: str = "alice", json: Any = None) -> tuple[int, Any]:
    headers = await api.log_in(user) if user else {}
    answer = await api.client.request(method, f"/api/v3/{path}", headers=headers, json=json)
    return answer.status_code, answer.json()


async def boards(api: Api, user: str = "alice") -> dict[str, str]:
    """The owners of those that somebody sees, by their ids."""
    status, answer = await ask(api, "GET", "dashboard/info", user)
    assert (status, answer["status"], answer["total"]) == (200, "ok", len(answer["data"]))
    return {row["id"]: row["owner"] for row in answer["data"]}


async def test_everybody_begins_with_a_home(api: Api) -> None:
    _, info = await ask(api, "GET", "dashboard/info")
    status, home = await ask(api, "GET", "dashboard/store/home")

    assert info["data"][0] == {
        "cssclass": "fa",
        "href": "home",
        "id": "home",
        "name": "Home",
        "owner": "alice",
        "param": "home",
        "shared": False,
        "type": 3,
        "weight": 10,
    }
    assert (status, home["owner"], home["total"]) == (200, "alice", 1)
    kinds = [widget["strongIndex"] for widget in home["data"]["widgets"]]
    assert kinds == ["ProtosearchWidgetComponent", "ClockWidgetComponent", "ResultWidgetComponent"]
    assert len({widget["id"] for widget in home["data"]["widgets"]}) == 3
    assert await boards(api) == {"home": "alice", "smartsearch": "alice"}
    assert await boards(api, "admin") == {"home": "admin", "smartsearch": "admin", "registration": "admin"}


async def test_home_may_be_the_operator_s(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "home.json").write_bytes(msgspec.json.encode(BOARD))

    async with an_api(database_url, ui=UiSettings(home_dashboard=tmp_path / "home.json")) as api:
        await add_user(api.context.engine, "alice")
        _, home = await ask(api, "GET", "dashboard/store/home")

    assert home["data"] == BOARD


async def test_dashboard_is_kept_as_it_was_sent(api: Api) -> None:
    made = await ask(api, "POST", "dashboard/store/_1", json=BOARD)
    changed = await ask(api, "PUT", "dashboard/store/_1", json=BOARD | {"name": "New", "widgets": []})
    _, shown = await ask(api, "GET", "dashboard/store/_1")
    kept = await boards(api)
    deleted = await ask(api, "DELETE", "dashboard/store/_1")

    assert made == changed == (200, {"auth": "ok", "status": "ok", "total": 1})
    assert shown["data"] == BOARD | {"name": "New", "widgets": [], "dashboardId": "_1"}
    assert kept == {"home": "alice", "smartsearch": "alice", "_1": "alice"}
    assert deleted == (200, {"auth": "ok", "status": "ok", "total": 0})
    assert await ask(api, "GET", "dashboard/store/_1") == (
        400,
        {"data": {}, "message": "dashboard for the user doesn't exist"},
    )


@pytest.mark.parametrize("shared", [True, 1])
async def test_shared_dashboard_is_seen_by_all_and_changed_by_its_owner(api: Api, shared: Any) -> None:
    await ask(api, "POST", "dashboard/store/_1", json=BOARD | {"shared": shared})

    seen = await ask(api, "GET", "dashboard/store/_1", "bob")
    changed = await ask(api, "PUT", "dashboard/store/_1", "bob", BOARD)
    made = await ask(api, "POST", "dashboard/store/_1", "bob", BOARD)

    assert (await boards(api, "bob"))["_1"] == "alice"
    assert seen[1]["owner"] == "alice"
    assert changed == (200, {"auth": "ok", "status": "not my dashboard", "total": 0})
    assert made == (400, {"data": {}, "message": "failed to create a new dashboard"})
    assert (await ask(api, "GET", "dashboard/store/_1"))[1]["data"]["shared"] == shared


async def test_dashboard_of_a_user_who_was_renamed_is_in_nobody_s_way(api: Api) -> None:
    await ask(api, "PUT", "dashboard/store/home", json=BOARD)
    guid = (await ask(api, "GET", "users/profile"))[1]["data"]["guid"]
    await ask(api, "PUT", f"users/{guid}", "admin", {"username": "carol"})
    await add_user(api.context.engine, "alice", usergroup="user")

    kept = await ask(api, "PUT", "dashboard/store/home", json=BOARD | {"name": "New"})

    assert kept == (200, {"auth": "ok", "status": "ok", "total": 1})
    assert (await ask(api, "GET", "dashboard/store/home", "carol"))[1]["data"]["name"] == "Mine"


async def test_dashboard_that_was_deleted_does_not_come_back(api: Api) -> None:
    await ask(api, "POST", "dashboard/store/_1", json=BOARD)
    await ask(api, "DELETE", "dashboard/store/_1")

    late = await ask(api, "PUT", "dashboard/store/_1", json=BOARD)

    assert late == (200, {"auth": "ok", "status": "not my dashboard", "total": 0})
    assert "_1" not in await boards(api)


async def test_dashboard_is_nested_so_deep_that_all_can_read_it_or_refused(api: Api) -> None:
    alice = await api.log_in("alice") | {"Content-Type": "application/json"}
    statuses = {}
    for levels in (50, 99, 100, 500, 900, 930, 960, 990):
        body = b'{"name": "n", "shared": true, "x": ' + b'{"a":' * (levels - 1) + b"1" + b"}" * levels
        path = f"/api/v3/dashboard/store/_{levels}"
        statuses[levels] = (await api.client.post(path, content=body, headers=alice)).status_code
        for user, list_ in (("bob", "dashboard/info"), ("admin", "user/settings")):
            headers = await api.log_in(user)
            assert (await api.client.get(f"/api/v3/{list_}", headers=headers)).status_code == 200

    assert statuses == {levels: 200 if levels <= 100 else 400 for levels in statuses}


async def test_what_is_not_shared_is_nobody_else_s(api: Api) -> None:
    await ask(api, "POST", "dashboard/store/_1", json=BOARD | {"widgets": [{"shared": True}]})

    assert "_1" not in await boards(api, "bob")
    assert (await ask(api, "GET", "dashboard/store/_1", "bob"))[0] == 400
    assert (await ask(api, "PUT", "dashboard/store/_1", "bob", BOARD))[1]["status"] == "not my dashboard"


async def test_home_is_written_back_and_reset(api: Api) -> None:
    await ask(api, "PUT", "dashboard/store/home", json=BOARD)
    await ask(api, "POST", "dashboard/store/_1", json=BOARD)
    mine = (await ask(api, "GET", "dashboard/store/home"))[1]["data"]["name"]

    status, answer = await ask(api, "GET", "dashboard/reset")

    assert mine == "Mine"
    assert (status, [row["name"] for row in answer["data"]]) == (200, ["Home", "Smart search"])


@pytest.mark.parametrize("body", [[], "x", 5, None])
async def test_dashboard_that_is_no_object_is_refused(api: Api, body: Any) -> None:
    for method in ("POST", "PUT"):
        assert (await ask(api, method, "dashboard/store/_1", json=body))[0] == 400


async def test_dashboards_need_a_login(api: Api) -> None:
    for method, path in (
        ("GET", "dashboard/info"),
        ("GET", "dashboard/reset"),
        ("GET", "dashboard/store/home"),
        ("POST", "dashboard/store/home"),
        ("PUT", "dashboard/store/home"),
        ("DELETE", "dashboard/store/home"),
        ("GET", "user/settings"),
        ("GET", "user/settings/system"),
        ("POST", "user/settings"),
        ("PUT", "user/settings/x"),
        ("DELETE", "user/settings/x"),
    ):
        assert (await ask(api, method, path, "", BOARD))[0] == 401


ZONE = {
    "category": "system",
    "param": "timezone",
    "partid": 10,
    "data": {"name": "Europe/Berlin", "value": -60},
}


async def settings(api: Api, user: str, path: str = "") -> list[tuple[str, str, Any]]:
    status, answer = await ask(api, "GET", f"user/settings{path}", user)
    assert (status, answer["count"]) == (200, len(answer["data"]))
    return [(row["username"], row["param"], row["data"]) for row in answer["data"]]


async def test_setting_is_made_changed_and_deleted_by_its_user(api: Api) -> None:
    made = await ask(api, "POST", "user/settings", json=ZONE | {"username": "admin"})
    guid = made[1]["data"]
    changed = await ask(api, "PUT", f"user/settings/{guid}", json={"data": {}, "username": "bob"})
    shown = await settings(api, "alice", "/system")
    deleted = await ask(api, "DELETE", f"user/settings/{guid}")

    assert made == (201, {"data": guid, "message": "successfully created userObject"})
    assert changed == (201, {"data": guid, "message": "successfully updated alias"})
    assert shown == [("alice", "timezone", {})]
    assert deleted == (201, {"data": guid, "message": "successfully deleted userobject"})
    assert await settings(api, "alice") == []


async def test_settings_of_others_are_for_administrators(api: Api) -> None:
    guid = (await ask(api, "POST", "user/settings", json=ZONE))[1]["data"]
    await ask(api, "POST", "user/settings", "admin", ZONE | {"username": "bob"})

    refused = [await ask(api, method, f"user/settings/{guid}", "bob", ZONE) for method in ("PUT", "DELETE")]

    assert refused == [(403, {"message": "This API requires admin access."})] * 2
    assert [row[:2] for row in await settings(api, "bob")] == [("bob", "timezone")]
    assert [row[:2] for row in await settings(api, "admin")] == [("alice", "timezone"), ("bob", "timezone")]
    assert await settings(api, "admin", "/system") == []
    assert (await ask(api, "PUT", f"user/settings/{guid}", "admin", {"data": 5}))[0] == 201


async def test_setting_that_would_be_a_second_dashboard_is_refused(api: Api) -> None:
    await ask(api, "POST", "dashboard/store/_1", json=BOARD)
    _, made = await ask(api, "POST", "user/settings", json=ZONE)

    second = {"category": "dashboard", "param": "_1"}
    answers = [
        await ask(api, "PUT", f"user/settings/{made['data']}", json=second),
        await ask(api, "POST", "user/settings", json=ZONE | second),
    ]

    assert answers == [(400, {"data": {}, "message": "there is one like it already"})] * 2


@pytest.mark.parametrize("wrong", [{"category": ""}, {"param": None}, {"category": []}, {"category": "a\0"}])
async def test_setting_that_cannot_be_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert (await ask(api, "POST", "user/settings", json=ZONE | wrong))[0] == 400
    assert await settings(api, "alice") == []


async def add_settings(api: Api, category: str, count: int, username: str = "alice") -> None:
    rows = [
        {"guid": f"{category}-{number}", "username": username, "category": category, "param": f"p{number}"}
        for number in range(count)
    ]
    async with api.context.engine.begin() as connection:
        await connection.execute(insert(user_settings).values(data=BOARD), rows)


async def test_dashboards_of_a_user_are_bounded(api: Api) -> None:
    await add_settings(api, "dashboard", MOST_OWN - 1)
    last = await ask(api, "POST", "dashboard/store/last", json=BOARD)

    refused = [
        await ask(api, "POST", "dashboard/store/more", json=BOARD),
        await ask(api, "POST", "user/settings", json={"category": "dashboard", "param": "more"}),
    ]

    words = f"alice has {MOST_OWN} dashboards, and nobody may have more: delete one first"
    assert last == (200, {"auth": "ok", "status": "ok", "total": MOST_OWN})
    assert refused == [(400, {"data": {}, "message": words})] * 2
    assert (await ask(api, "POST", "dashboard/store/last", json=BOARD | {"name": "New"}))[0] == 200
    assert (await ask(api, "POST", "dashboard/store/more", "bob", BOARD))[0] == 200
    await ask(api, "DELETE", "dashboard/store/last")
    assert (await ask(api, "POST", "dashboard/store/other", json=BOARD))[0] == 200


async def test_setting_becomes_no_dashboard_beyond_the_bound(api: Api) -> None:
    await add_settings(api, "dashboard", MOST_OWN)
    guid = (await ask(api, "POST", "user/settings", json=ZONE))[1]["data"]

    status, answer = await ask(api, "PUT", f"user/settings/{guid}", json={"category": "dashboard"})

    assert (status, answer["message"].partition(" and ")[0]) == (400, f"alice has {MOST_OWN} dashboards,")
    assert await settings(api, "alice", "/system") == [("alice", "timezone", ZONE["data"])]
    assert (await ask(api, "PUT", f"user/settings/{guid}", json={"data": {}}))[0] == 201


async def test_settings_of_a_user_are_bounded(api: Api) -> None:
    await add_settings(api, "system", MOST_SETTINGS)

    refused = await ask(api, "POST", "user/settings", json=ZONE)

    words = f"alice has {MOST_SETTINGS} settings, and nobody may have more"
    assert refused == (400, {"data": {}, "message": words})
    assert (await ask(api, "PUT", "user/settings/system-1", json={"data": 5}))[0] == 201
