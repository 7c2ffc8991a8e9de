"""Settings objects over HTTP: each route for everybody who may ask, right and wrong, and the audit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select, text

from api.tables import audit
from capture.route import MessageClass
from tests.support.api import Api, add_user, an_api
from tests.support.database import execute

NO_LOGIN = (401, {"message": "missing or malformed jwt"})
NO_ADMIN = (403, {"message": "This API requires admin access."})
FORMAT = (400, {"data": {}, "message": "request format is not correct"})


class Kind(NamedTuple):
    """One kind of object, and what its routes answer."""

    path: str
    new: dict[str, Any]
    changed: dict[str, Any]
    """What a PUT sends, and what is shown afterwards."""
    statuses: tuple[int, int, int, int]
    """Of GET, POST, PUT, DELETE."""
    messages: tuple[str, str, str]
    wrong: tuple[dict[str, Any], ...]
    """Instead of what is in `new`: each is refused."""
    first: int = 0
    """How many there are from the start."""


KINDS = {
    "alias": Kind(
        "alias",
        {"alias": "sbc", "ip": "192.0.2.7", "port": 5060, "mask": 32, "captureID": "0", "status": True},
        {"alias": "other", "port": 0, "captureID": "", "status": False},
        (201, 201, 201, 201),
        ("successfully created alias", "successfully updated alias", "successfully deleted alias"),
        (
            {"ip": "none"},
            {"ip": ""},
            {"alias": ""},
            {"alias": None},
            {"alias": "x" * 251},
            {"alias": "a\0b"},
            {"alias": {}},
            {"port": -1},
            {"port": 65_536},
            {"port": 1.5},
            {"port": "x"},
            {"mask": 33},
            {"status": "maybe"},
            {"captureID": "x" * 21},
        ),
    ),
    "advanced": Kind(
        "advanced",
        {"partid": 10, "category": "search", "param": "mine", "data": {"a": [1, None, "\0"]}},
        {"data": "", "param": "other", "partid": 0},
        (201, 201, 200, 200),
        (
            "successfully created advanced settings",
            "successfully updated global_settings settings",
            "successfully deleted global_settings settings",
        ),
        ({"category": ""}, {"param": None}, {"param": []}, {"partid": 2**31}, {"partid": "1e5"}),
        first=3,
    ),
    "hepsub": Kind(
        "hepsub/protocol",
        {"profile": "call", "hepid": 60, "hep_alias": "X", "version": 1_795_000_000_000, "mapping": {"a": 1}},
        {"hep_alias": "", "version": 0, "mapping": {}},
        (200, 201, 200, 200),
        (
            "successfully created hepsub settings",
            "successfully updated hepsub settings",
            "successfully deleted hepsub settings",
        ),
        ({"hepid": -1}, {"mapping": "{"}, {"mapping": [1]}, {"profile": ""}, {"version": 2**63}),
        first=3,
    ),
    "script": Kind(
        "script",
        {
            "profile": "call",
            "hepid": 1,
            "hep_alias": "SIP",
            "partid": 10,
            "type": "js",
            "data": "1",
            "status": True,
        },
        {"data": "", "status": False},
        (200, 201, 200, 200),
        ("successfully created script", "successfully updated script", "successfully deleted script"),
        ({"data": None}, {"status": 7}, {"hepid": None}),
    ),
    "mapping": Kind(
        "mapping/protocol",
        {
            "profile": "default",
            "hepid": 2000,
            "hep_alias": "LOKI",
            "partid": 10,
            "version": 1,
            "retention": 10,
            "partition_step": 10,
            "fields_mapping": [{"id": "micro_ts", "name": "Time"}],
            "correlation_mapping": [],
        },
        {"hep_alias": "", "retention": 0, "fields_mapping": [], "user_mapping": [{"id": "sid"}]},
        (200, 201, 200, 200),
        (
            "successfully created mappings settings",
            "successfully updated hepsub settings",
            "successfully deleted mapping settings",
        ),
        ({"fields_mapping": {"a": 1}}, {"fields_mapping": "[1"}, {"correlation_mapping": 5}, {"profile": ""}),
        first=8,
    ),
}
KINDS_OF_ALL = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin")
        await add_user(api.context.engine, "alice", usergroup="user")
        yield api


async def ask(api: Api, method: str, path: str, user: str = "", json: Any = None) -> tuple[int, Any]:
    headers = await api.log_in(user) if user else {}
    answer = await api.client.request(method, f"/api/v3/{path}", headers=headers, json=json)
    return answer.status_code, answer.json() if answer.content else None


async def listed(api: Api, kind: Kind) -> list[dict[str, Any]]:
    status, answer = await ask(api, "GET", kind.path, "admin")
    assert status == kind.statuses[0]
    assert answer.get("count", len(answer["data"])) == len(answer["data"])
    rows: list[dict[str, Any]] = answer["data"]
    return rows


def guid_of(row: dict[str, Any]) -> str:
    return str(row.get("guid") or row["uuid"])


async def made(api: Api, kind: Kind) -> str:
    status, answer = await ask(api, "POST", kind.path, "admin", kind.new)
    assert (status, answer["message"]) == (kind.statuses[1], kind.messages[0])
    return str(answer["data"])


async def of_guid(api: Api, kind: Kind, guid: str) -> dict[str, Any] | None:
    return next((row for row in await listed(api, kind) if guid_of(row) == guid), None)


@KINDS_OF_ALL
async def test_object_is_made_changed_and_deleted_and_each_is_in_the_audit(api: Api, kind: Kind) -> None:
    first = await listed(api, kind)
    guid = await made(api, kind)
    new = await of_guid(api, kind, guid)

    change = await ask(api, "PUT", f"{kind.path}/{guid}", "admin", kind.changed)
    changed = await of_guid(api, kind, guid)
    delete = await ask(api, "DELETE", f"{kind.path}/{guid}", "admin")

    assert len(first) == kind.first
    assert new is not None
    assert changed is not None
    assert new | kind.new == new
    assert change == (kind.statuses[2], {"data": guid, "message": kind.messages[1]})
    assert changed == new | kind.changed
    assert delete == (kind.statuses[3], {"data": guid, "message": kind.messages[2]})
    assert await listed(api, kind) == first
    assert [(who, what.split()[0], of) for who, what, of, _ in await audited(api)] == [
        ("admin", word, guid) for word in ("create", "change", "delete")
    ]


async def audited(api: Api) -> list[tuple[str, str, str, Any]]:
    async with api.context.engine.connect() as connection:
        columns = audit.c.username, audit.c.action, audit.c.object, audit.c.detail
        rows = await connection.execute(
            select(*columns).where(~audit.c.action.startswith("login")).order_by(audit.c.id)
        )
        return [(name, action, of, detail) for name, action, of, detail in rows]


@KINDS_OF_ALL
async def test_change_says_in_the_audit_what_was_and_what_is(api: Api, kind: Kind) -> None:
    guid = await made(api, kind)

    await ask(api, "PUT", f"{kind.path}/{guid}", "admin", kind.changed)

    detail = (await audited(api))[-1][3]
    assert detail["after"] == kind.changed
    assert detail["before"] == {name: kind.new.get(name) for name in kind.changed}


@KINDS_OF_ALL
async def test_nobody_but_administrators_changes_anything(api: Api, kind: Kind) -> None:
    guid = await made(api, kind)
    before = await listed(api, kind)
    one = f"{kind.path}/{guid}"

    tries = [("POST", kind.path), ("PUT", one), ("DELETE", one)]
    for user, refused in (("", NO_LOGIN), ("alice", NO_ADMIN)):
        answers = [await ask(api, method, path, user, kind.new) for method, path in tries]
        assert answers == [refused] * 3

    assert await ask(api, "GET", kind.path) == NO_LOGIN
    assert (await ask(api, "GET", kind.path, "alice"))[0] == kind.statuses[0]
    assert await listed(api, kind) == before


@KINDS_OF_ALL
async def test_unknown_object_is_an_error(api: Api, kind: Kind) -> None:
    for guid in ("00000000-0000-0000-0000-000000000000", "x", "%00", "' or ''='", "é" * 200):
        for method in ("PUT", "DELETE"):
            status, answer = await ask(api, method, f"{kind.path}/{guid}", "admin", kind.changed)
            assert (status, answer["message"]) == (400, "data was not found"), guid


@KINDS_OF_ALL
async def test_value_that_cannot_be_is_refused_in_words_and_nothing_is_made(api: Api, kind: Kind) -> None:
    before = await listed(api, kind)
    for wrong in kind.wrong:
        status, answer = await ask(api, "POST", kind.path, "admin", kind.new | wrong)
        assert status == 400, wrong
        assert answer["message"], wrong
    for body in ([], "x", None, 5):
        assert await ask(api, "POST", kind.path, "admin", body) == FORMAT

    assert await listed(api, kind) == before


@KINDS_OF_ALL
async def test_unknown_names_and_those_that_are_the_server_s_are_ignored(api: Api, kind: Kind) -> None:
    more = {"guid": "mine", "uuid": "mine", "id": 77, "output": {}, "tabGroup": "x", "layerIndex": 1}

    _, answer = await ask(api, "POST", kind.path, "admin", kind.new | more)

    row = await of_guid(api, kind, answer["data"])
    assert row is not None
    assert guid_of(row) != "mine"
    assert row.get("id") != 77


@pytest.mark.parametrize("name", ["advanced", "hepsub", "mapping"])
async def test_what_the_program_brings_along_is_changed_and_deleted_for_good(api: Api, name: str) -> None:
    kind = KINDS[name]
    first, second, *_ = await listed(api, kind)

    await ask(api, "PUT", f"{kind.path}/{guid_of(first)}", "admin", kind.changed)
    await ask(api, "DELETE", f"{kind.path}/{guid_of(second)}", "admin")
    left = {guid_of(row): row for row in await listed(api, kind)}

    assert len(left) == kind.first - 1
    assert guid_of(second) not in left
    assert left[guid_of(first)] | kind.changed == left[guid_of(first)]
    assert (await ask(api, "DELETE", f"{kind.path}/{guid_of(second)}", "admin"))[0] == 400


@pytest.mark.parametrize(
    ("path", "words"), [("advanced", "advanced setting"), ("hepsub/protocol", "no hepsub")]
)
async def test_one_object_is_shown_by_its_guid(api: Api, path: str, words: str) -> None:
    row = (await listed(api, KINDS[path.partition("/")[0]]))[0]

    shown = await ask(api, "GET", f"{path}/{row['guid']}", "alice")
    unknown = await ask(api, "GET", f"{path}/none", "alice")

    assert shown == (200, {"count": 1, "data": [row]})
    assert unknown[0] == 400
    assert words in unknown[1]["message"]


async def test_secrets_of_advanced_settings_are_for_administrators(api: Api) -> None:
    data = {"host": "http://g", "user": "u", "password": "p", "nested": [{"Token": "t"}]}
    new = {"category": "search", "param": "grafana", "data": data}
    _, answer = await ask(api, "POST", "advanced", "admin", new)

    shown = {
        user: (await ask(api, "GET", f"advanced/{answer['data']}", user))[1]["data"][0]["data"]
        for user in ("admin", "alice")
    }

    assert shown["admin"] == data
    assert shown["alice"] == data | {"password": "", "nested": [{"Token": ""}]}


@pytest.mark.parametrize(
    "data", [{"grafana_token": "s3"}, '{"a": [{"clientSecret": "s3"}]}', [' {"Password":"s3"}']]
)
async def test_secrets_are_found_by_parts_of_names_and_in_text(api: Api, data: Any) -> None:
    new = {"category": "search", "param": "grafana", "data": data}
    await ask(api, "POST", "advanced", "admin", new)

    _, shown = await ask(api, "GET", "advanced", "alice")

    assert "s3" not in str(shown)


async def test_alias_has_the_mask_of_its_address(api: Api) -> None:
    for ip, mask in (("192.0.2.1", 32), ("2001:db8::1", 128)):
        _, answer = await ask(api, "POST", "alias", "admin", {"alias": "a", "ip": ip})
        row = await of_guid(api, KINDS["alias"], answer["data"])
        assert row is not None
        assert (row["ip"], row["mask"]) == (ip, mask)


async def test_alias_keeps_its_mask_when_only_its_address_changes(api: Api) -> None:
    kind = KINDS["alias"]
    _, answer = await ask(api, "POST", "alias", "admin", {"alias": "a", "ip": "10.0.0.0", "mask": 8})
    path = f"alias/{answer['data']}"
    seen = []
    for change in (
        {"ip": "11.0.0.0"},
        {"ip": "2001:db8::"},
        {"mask": 32},
        {"ip": "::ffff:192.0.2.1", "mask": 24},
    ):
        assert (await ask(api, "PUT", path, "admin", change))[0] == 201
        row = await of_guid(api, kind, answer["data"])
        assert row is not None
        seen.append((row["ip"], row["mask"]))
    too_long = await ask(api, "PUT", path, "admin", {"mask": 33})

    assert seen == [("11.0.0.0", 8), ("2001:db8::", 128), ("2001:db8::", 32), ("192.0.2.1", 24)]
    assert too_long == (400, {"data": {}, "message": "mask is at most 32 for 192.0.2.1"})


async def test_two_who_change_what_the_program_brings_along_both_do(api: Api) -> None:
    kind = KINDS["hepsub"]
    first = (await listed(api, kind))[0]
    headers = await api.log_in("admin")
    changes = [{"version": 7}, {"mapping": {"a": True}}]

    async with api.context.engine.begin() as connection:
        # Both wait until both have been sent.
        await connection.execute(text("lock table hepsub_mapping_schema in exclusive mode"))
        tasks = [
            asyncio.create_task(
                api.client.put(f"/api/v3/{kind.path}/{guid_of(first)}", headers=headers, json=change)
            )
            for change in changes
        ]
        waiting = text(
            "select count(*) from pg_locks join pg_database d on d.oid = database"
            " where not granted and datname = current_database()"
        )
        async with asyncio.timeout(20), api.context.health_engine.connect() as other:
            while (await other.execute(waiting)).scalar_one() < len(changes):  # noqa: ASYNC110 (nothing else tells)
                await asyncio.sleep(0.01)
    assert [(await task).status_code for task in tasks] == [200] * 2

    changed = await of_guid(api, kind, guid_of(first))
    assert changed == first | {"version": 7, "mapping": {"a": True}}


async def test_saving_without_a_change_leaves_it_to_newer_versions(api: Api, database_url: str) -> None:
    kind = KINDS["mapping"]
    first = (await listed(api, kind))[0]

    answer = await ask(api, "PUT", f"{kind.path}/{guid_of(first)}", "admin", first)
    async with api.context.engine.connect() as connection:
        kept = (await connection.execute(text("select count(*) from mapping_schema"))).scalar_one()

    assert (answer[0], kept) == (200, 0)
    assert await audited(api) == []


async def test_true_is_another_value_than_one(api: Api) -> None:
    kind = KINDS["advanced"]
    guid = await made(api, kind)
    for data in ({"a": 1}, {"a": True}):
        await ask(api, "PUT", f"{kind.path}/{guid}", "admin", {"data": data})

    row = await of_guid(api, kind, guid)
    assert row is not None
    assert row["data"]["a"] is True


@pytest.mark.parametrize("id_", [[], {}, 5, None])
async def test_fields_that_are_none_break_no_list_of_mappings(api: Api, id_: Any) -> None:
    kind = KINDS["mapping"]
    first = (await listed(api, kind))[0]

    change = await ask(
        api, "PUT", f"{kind.path}/{guid_of(first)}", "admin", {"fields_mapping": [{"id": id_}, 1]}
    )

    assert change[0] == 200
    assert (await ask(api, "GET", kind.path, "alice"))[0] == 200
    assert (await ask(api, "GET", "protocol/search/user", "alice"))[0] == 200
    assert (await ask(api, "GET", "smart/search/tag/1/call", "alice"))[0] == 200


async def test_fields_are_found_as_people_have_made_them(api: Api) -> None:
    kind = KINDS["mapping"]
    field = {"id": "data_header.mine", "name": "Mine", "type": "string"}
    await ask(api, "POST", kind.path, "admin", kind.new | {"fields_mapping": [field]})

    _, answer = await ask(api, "GET", "protocol/search/MINE", "alice")

    assert answer["data"][0]["data"] == [{"fieldname": field["id"], "description": "Mine", "type": "string"}]


async def test_of_two_mappings_of_a_profile_the_first_joins_calls(api: Api) -> None:
    kind = KINDS["mapping"]
    rule = {"source_field": "sid", "lookup_id": 100, "lookup_profile": "default", "lookup_field": "sid"}
    call = next(row for row in await listed(api, kind) if row["profile"] == "call")
    for _ in range(6):
        await ask(api, "POST", kind.path, "admin", call | {"correlation_mapping": []})
    await ask(api, "PUT", f"{kind.path}/{guid_of(call)}", "admin", {"correlation_mapping": [rule]})

    assert await api.context.correlation_mapping(MessageClass.CALL) == [rule]


async def test_text_that_looks_like_another_type_is_text(api: Api) -> None:
    new = {"alias": 123, "ip": "192.0.2.1", "port": "5060", "captureID": True, "status": "true"}

    _, answer = await ask(api, "POST", "alias", "admin", new)

    row = await of_guid(api, KINDS["alias"], answer["data"])
    assert row is not None
    assert (row["alias"], row["port"], row["captureID"], row["status"]) == ("123", 5060, "true", True)


async def test_mappings_are_reset_one_and_all(api: Api) -> None:
    kind = KINDS["mapping"]
    first, second, third, *_ = rows = await listed(api, kind)
    for row in (first, second):
        await ask(api, "PUT", f"{kind.path}/{row['guid']}", "admin", kind.changed)
    await ask(api, "DELETE", f"{kind.path}/{third['guid']}", "admin")

    refused = [await ask(api, "GET", f"{kind.path}/reset", "alice")]
    refused += [await ask(api, "GET", f"{kind.path}/reset/{first['guid']}", "alice")]
    unknown = await ask(api, "GET", f"{kind.path}/reset/none", "admin")
    one = await ask(api, "GET", f"{kind.path}/reset/{first['guid']}", "admin")
    meanwhile = await listed(api, kind)
    whole = await ask(api, "GET", f"{kind.path}/reset", "admin")

    assert refused == [(400, {"data": {}, "message": "failed to recreated all mappings"})] * 2
    assert unknown == (400, {"data": {}, "message": "failed to get mapping schema by uuid"})
    assert one == whole == (200, None)
    assert meanwhile == [first, second | kind.changed, *rows[3:]]
    assert await listed(api, kind) == rows


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("mapping/protocol/1/call", ["call"]),
        ("mapping/protocol/1/none", "failed to get mapping schema"),
        ("mapping/protocol/x/call", "failed to get mapping schema"),
        ("mapping/protocol/none", "failed to get mapping schema by uuid"),
        ("hepsub/protocol/1/call", ["call"]),
        ("hepsub/protocol/9/call", []),
    ],
)
async def test_objects_of_a_profile(api: Api, path: str, found: list[str] | str) -> None:
    status, answer = await ask(api, "GET", path, "alice")

    if isinstance(found, str):
        assert (status, answer) == (400, {"data": {}, "message": found})
    else:
        assert (status, answer["count"]) == (200, len(found))
        assert [row["profile"] for row in answer["data"]] == found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('{"data":"sip.from"}', {"sip.from_user", "sip.from_domain", "sip.from_tag"}),
        ('{"data":"data_header.method = INVITE AND ruri"}', {"sip.ruri_user", "sip.ruri_domain"}),
        ("%7B%22data%22%3A%22capture%22%7D", {"net.captureId"}),
        ('{"data":"zzz"}', set()),
    ],
)
async def test_smart_input_is_offered_fields(api: Api, query: str, names: set[str]) -> None:
    headers = await api.log_in("alice")

    answer = await api.client.get("/api/v3/smart/search/tag/1/call", params={"query": query}, headers=headers)

    data = answer.json()["data"]
    assert answer.status_code == 200
    assert {each["name"] for each in data.get("data", [])} == names
    assert all(each["value"].endswith(each["name"].partition(".")[2]) for each in data.get("data", []))


async def test_smart_input_is_offered_tags_as_it_can_read_them(database_url: str, api: Api) -> None:
    await execute(database_url, "insert into script_fields values ('my tag')")
    headers = await api.log_in("alice")

    answer = await api.client.get(
        "/api/v3/smart/search/tag/1/call", params={"query": '{"data":"tag"}'}, headers=headers
    )

    values = [each["value"] for each in answer.json()["data"]["data"]]
    assert values == ["data_header.from_tag", "data_header.to_tag", '"data_header.my tag"']


@pytest.mark.parametrize(("path", "query"), [("9/call", "{}"), ("1/call", "{"), ("1/call", "[" * 20_000)])
async def test_smart_input_that_cannot_be_is_an_error(api: Api, path: str, query: str) -> None:
    headers = await api.log_in("alice")

    answer = await api.client.get(
        f"/api/v3/smart/search/tag/{path}", params={"query": query}, headers=headers
    )

    assert answer.status_code == 400


async def test_new_mapping_of_the_web_ui_has_an_empty_object_for_an_empty_list(api: Api) -> None:
    body = {
        "hep_alias": "TESTS",
        "hepid": 77,
        "partid": 10,
        "profile": "one",
        "correlation_mapping": {},
        "fields_mapping": [],
        "user_mapping": [],
        "version": 1,
    }

    assert (await ask(api, "POST", "mapping/protocol", "admin", body))[0] == 201

    _, answer = await ask(api, "GET", "mapping/protocol", "admin")
    assert next(row for row in answer["data"] if row["hepid"] == 77)["correlation_mapping"] == []


async def test_smart_input_is_given_an_empty_list_where_nothing_fits(api: Api) -> None:
    answer = await ask(api, "GET", 'smart/search/tag/1/call?query={"data":"nothing"}', "alice")

    assert answer == (200, {"data": {"data": []}})
