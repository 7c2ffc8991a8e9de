"""What people's scripts set up in Homer, set up in a real `rhapsode up`: the same codes and envelopes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.homer_scripts import ACall, Script, element, question, send_a_call
from tests.support.rhapsode import ADMIN_PASSWORD, Rhapsode, rhapsode_up, wait_for_outcomes

PACKETS = 10
UUID = "47a7b2a0-6a07-11eb-9b12-792fcaae01a6"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rhapsode]:
    with rhapsode_up(tmp_path_factory.mktemp("scripts")) as up:
        yield up


@pytest.fixture(scope="module")
def call(running: Rhapsode) -> ACall:
    sent = send_a_call(running.hep)
    wait_for_outcomes(running, PACKETS)
    return sent


@pytest.fixture(scope="module")
def script(running: Rhapsode) -> Iterator[Script]:
    with Script(running.web, "admin", ADMIN_PASSWORD) as script:
        yield script


def test_aliases_are_made_shown_in_calls_changed_and_deleted(script: Script, call: ACall) -> None:
    sbc = {"alias": "sbc-a", "ip": "192.0.2.1", "port": 5060, "mask": 32, "captureID": "2001", "status": True}
    made = script.ask("POST", "alias", sbc)
    guid = made[1]["data"]
    _, network = script.ask("POST", "alias", sbc | {"alias": "net", "ip": "192.0.2.8", "port": 0, "mask": 29})

    status, listed = script.ask("GET", "alias")
    rows = script.rows(question(call.window, [element("data_header.method", "INVITE")]))
    _, ladder = script.ask("POST", "call/transaction", question(call.window, {"callid": [call.call_id]}))
    changed = script.ask("PUT", f"alias/{guid}", sbc | {"status": False, "port": 0})
    (after, _) = script.rows(question(call.window, [element("data_header.method", "INVITE")]))
    deleted = [script.ask("DELETE", f"alias/{each}") for each in (guid, network["data"])]

    assert made == (201, {"data": guid, "message": "successfully created alias"})
    assert (status, set(listed)) == (201, {"data"})
    (found,) = [row for row in listed["data"] if row["guid"] == guid]
    assert {name: found[name] for name in sbc} == sbc
    assert [row["guid"] for row in listed["data"]] == sorted([guid, network["data"]])
    assert [(row["aliasSrc"], row["aliasDst"]) for row in rows] == [
        ("sbc-a", "192.0.2.2:5060"),
        ("192.0.2.2:5060", "net"),
    ]
    arrow = ladder["data"]["calldata"][0]
    assert (arrow["aliasSrc"], arrow["aliasDst"]) == ("sbc-a", "192.0.2.2:5060")
    assert ladder["data"]["alias"]["192.0.2.1:5060"] == "sbc-a"
    assert ladder["data"]["alias"]["192.0.2.9:5080"] == "net"
    assert changed == (201, {"data": guid, "message": "successfully updated alias"})
    assert after["aliasSrc"] == "192.0.2.1:5060"
    assert deleted == [
        (201, {"data": each, "message": "successfully deleted alias"}) for each in (guid, network["data"])
    ]
    assert script.ask("GET", "alias") == (201, {"data": []})


def test_fields_are_read_from_the_mapping(script: Script) -> None:
    status, answer = script.ask("GET", "mapping/protocol")
    one = script.ask("GET", "mapping/protocol/1/call")
    none = script.ask("GET", "mapping/protocol/77/none")
    tags = script.ask(
        "GET", 'smart/search/tag/1/call?query={"data":"data_header.method = INVITE AND sip.from_u"}'
    )

    (calls,) = [row for row in answer["data"] if (row["hepid"], row["profile"]) == (1, "call")]
    types = {field["id"]: field["type"] for field in calls["fields_mapping"]}
    assert (status, answer["count"]) == (200, len(answer["data"]))
    assert one == (200, {"count": 1, "data": [calls]})
    assert script.ask("GET", f"mapping/protocol/{calls['guid']}") == one
    assert (calls["hep_alias"], calls["partid"]) == ("SIP", 10)
    assert types["data_header.from_user"] == "string"
    assert types["protocol_header.srcPort"] == "integer"
    assert {rule["lookup_profile"] for rule in calls["correlation_mapping"]} == {"call", "default"}
    assert none == (400, {"data": {}, "message": "failed to get mapping schema"})
    assert tags == (200, {"data": {"data": [{"name": "sip.from_user", "value": "data_header.from_user"}]}})


def test_users_are_made_listed_changed_and_deleted(running: Rhapsode, script: Script) -> None:
    new = {
        "username": "bob",
        "firstname": "Bob",
        "lastname": "Builder",
        "email": "bob@example.com",
        "department": "NOC",
        "usergroup": "user",
        "partid": 10,
        "guid": UUID,
        "password": "a long enough one",
    }
    made = script.ask("POST", "users", new)
    status, listed = script.ask("GET", "users")
    with Script(running.web, "bob", "a long enough one") as bob:
        own = bob.ask("GET", "users")
        refused = bob.ask("POST", "alias", {})
        renamed = bob.ask("PUT", f"users/{UUID}", {"firstname": "Robert", "usergroup": "admin"})
        groups = bob.ask("GET", "users/groups")
    _, profile = script.ask("GET", "users")
    deleted = script.ask("DELETE", f"users/{UUID}")

    assert made == (201, {"data": UUID, "message": "successfully created user"})
    assert (status, listed["count"]) == (201, 2)
    (shown,) = [user for user in listed["data"] if user["username"] == "bob"]
    assert {name: shown[name] for name in new} == new | {"password": ""}
    assert shown["enabled"] is True
    assert own == (201, {"count": 1, "data": [shown]})
    assert refused == (403, {"message": "This API requires admin access."})
    assert groups == (200, {"count": 3, "data": ["admin", "user", "support"]})
    assert renamed == (201, {"data": UUID, "message": "successfully updated user"})
    (changed,) = [user for user in profile["data"] if user["username"] == "bob"]
    assert (changed["firstname"], changed["usergroup"]) == ("Robert", "user")
    assert deleted == (201, {"data": UUID, "message": "successfully deleted user"})


@pytest.fixture(scope="module")
def token(script: Script) -> str:
    """Of an API, for an administrator."""
    status, answer = script.ask("POST", "token/auth", a_token("scripts", "admin"))
    assert (status, answer["message"]) == (201, "successfully created auth token")
    return str(answer["data"]["token"])


def a_token(name: str, group: str) -> dict[str, Any]:
    return {
        "name": name,
        "active": True,
        "expire_date": (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z"),
        "user_object": {"username": "robot", "usergroup": group},
    }


@pytest.mark.parametrize("header", ["Auth-Token", "auth-token", "AUTH-TOKEN", "Authorization"])
def test_api_token_does_what_a_login_does(script: Script, token: str, call: ACall, header: str) -> None:
    given = {header: f"Bearer {token}" if header == "Authorization" else token}

    found = script.send("POST", "search/call/data", question(call.window, []), given)
    saved = script.send(
        "POST", "export/call/messages/pcap", question(call.window, {"callid": [call.call_id]}), given
    )
    made = script.send("GET", "token/auth", headers=given)
    profile = script.send("GET", "users/profile", headers=given)

    assert (found.status_code, found.json()["total"]) == (201, 7)
    assert (saved.status_code, saved.content[:4]) == (200, b"\xd4\xc3\xb2\xa1")
    assert made.status_code == 200
    assert (profile.status_code, profile.json()["message"]) == (400, "failed to get user profile")


@pytest.mark.parametrize("given", [{"Auth-Token": "no such token"}, {"Auth-Token": ""}, {}])
def test_api_token_that_is_none_is_no_login(script: Script, given: dict[str, str]) -> None:
    answer = script.send("GET", "alias", headers=given)

    assert (answer.status_code, answer.json()) == (401, {"message": "missing or malformed jwt"})


def test_api_tokens_are_listed_changed_and_deleted(script: Script, token: str) -> None:
    new = a_token("for a while", "user")
    _, made = script.ask("POST", "token/auth", new)
    status, listed = script.ask("GET", "token/auth")
    (row,) = [each for each in listed["data"] if each["name"] == "for a while"]
    path = f"token/auth/{row['guid']}"
    given = {"Auth-Token": made["data"]["token"]}

    works = script.send("GET", "alias", headers=given)
    refused = script.send("POST", "alias", {}, given)
    changed = script.ask("PUT", path, new | {"active": False})
    ended = script.send("GET", "alias", headers=given)
    deleted = script.ask("DELETE", path)

    assert (status, listed["count"]) == (200, len(listed["data"]))
    assert "token" not in row
    assert (row["ip_address"], row["active"], row["user_object"]["username"]) == ("0.0.0.0/0", True, "robot")
    assert (works.status_code, refused.status_code) == (201, 403)
    assert refused.json() == {"message": "This API requires admin access. The AuthToken in use!"}
    assert changed == (
        200,
        {"data": row["guid"], "message": "successfully updated auth token settings"},
    )
    assert (ended.status_code, ended.json()) == (401, {"message": "missing or malformed jwt"})
    assert deleted == (200, {"data": row["guid"], "message": "successfully deleted authtoken"})
    words = f"token has been not found for guid [{row['guid']}]"
    assert script.ask("GET", path) == (400, {"data": {}, "message": words})


def test_agent_subscribes_and_is_listed(script: Script, token: str) -> None:
    agent = {
        "uuid": UUID,
        "host": "192.0.2.7",
        "port": 18088,
        "protocol": "http",
        "path": "/get",
        "type": "cdr",
        "ttl": 300,
        "node": "test-endpoint",
        "gid": 10,
    }
    before = datetime.now(UTC)
    answer = script.send("POST", "agent/subscribe", agent, {"Auth-Token": token})
    without = script.send("POST", "agent/subscribe", agent)
    unknown = script.send("POST", "agent/subscribe", agent, {"Auth-Token": "no such token"})
    status, listed = script.ask("GET", "agent/subscribe")
    of_type = [script.ask("GET", f"agent/type/{type_}") for type_ in ("cd", "wav")]
    deleted = script.ask("DELETE", f"agent/subscribe/{UUID}")

    data = answer.json()["data"]
    until = datetime.fromisoformat(data["expire_date"])
    assert (answer.status_code, answer.json()["message"]) == (201, "successfully created agent record")
    assert (data["uuid"], data["expire_ts"]) == (UUID, int(until.timestamp()))
    assert timedelta(seconds=299) < until - before < timedelta(seconds=360)
    assert (without.status_code, without.json()) == (
        400,
        {"data": {}, "message": "Auth-Token header not present or has empty value"},
    )
    assert (unknown.status_code, unknown.json()) == (400, {"data": {}, "message": "record not found"})
    (shown,) = listed["data"]
    assert (status, listed["message"]) == (200, "successfully retrieved agent records")
    assert {name: shown[name] for name in agent if name != "ttl"} == {
        name: value for name, value in agent.items() if name != "ttl"
    }
    assert shown["active"] == 1
    assert of_type[0] == (200, {"data": [shown], "message": "agent record"})
    words = "no agent subscription object found for type wav"
    assert of_type[1] == (400, {"data": {}, "message": words})
    assert deleted == (200, {"data": UUID, "message": "successfully deleted agent record"})


def test_dashboards_are_kept_and_listed(script: Script) -> None:
    board = {"id": "noc", "name": "NOC", "param": "noc", "type": 1, "weight": 5, "shared": 1, "widgets": []}
    kept = script.ask("POST", "dashboard/store/noc", board)
    changed = script.ask("PUT", "dashboard/store/noc", board | {"weight": 7})
    shown = script.ask("GET", "dashboard/store/noc")
    status, listed = script.ask("GET", "dashboard/info")
    deleted = script.ask("DELETE", "dashboard/store/noc")
    missing = script.ask("GET", "dashboard/store/noc")

    done = {"auth": "ok", "status": "ok", "total": 1}
    assert [kept, changed] == [(200, done)] * 2
    data = board | {"weight": 7, "dashboardId": "noc"}
    assert shown == (200, done | {"owner": "admin", "data": data})
    assert (status, listed["auth"], listed["status"]) == (200, "ok", "ok")
    assert listed["total"] == len(listed["data"])
    (row,) = [row for row in listed["data"] if row["id"] == "noc"]
    assert row == {
        "cssclass": "fa",
        "href": "noc",
        "id": "noc",
        "name": "NOC",
        "owner": "admin",
        "param": "noc",
        "shared": True,
        "type": 1,
        "weight": 7,
    }
    assert {"home", "smartsearch"} <= {row["id"] for row in listed["data"]}
    assert deleted[0] == 200
    assert missing == (400, {"data": {}, "message": "dashboard for the user doesn't exist"})


def test_settings_are_kept_under_their_categories(script: Script) -> None:
    zone = {"category": "system", "param": "timezone", "partid": 10, "username": "admin"}
    data = {"name": "Europe/Berlin", "value": -60}
    status, made = script.ask("POST", "user/settings", zone | {"data": data})
    listed = script.ask("GET", "user/settings/system")
    changed = script.ask("PUT", f"user/settings/{made['data']}", zone | {"guid": made["data"], "data": 0})
    deleted = script.ask("DELETE", f"user/settings/{made['data']}")

    (row,) = listed[1]["data"]
    assert (status, made["message"]) == (201, "successfully created userObject")
    assert (listed[0], listed[1]["count"]) == (200, 1)
    assert {name: row[name] for name in zone} == zone
    assert (row["data"], row["guid"], row["external"]) == (data, made["data"], False)
    assert changed == (201, {"data": made["data"], "message": "successfully updated alias"})
    assert deleted == (201, {"data": made["data"], "message": "successfully deleted userobject"})


@pytest.mark.parametrize(
    ("path", "row", "changed_status", "messages"),
    [
        (
            "advanced",
            {"partid": 10, "category": "scripts", "param": "mine", "data": {"a": 1}},
            200,
            ["successfully {}d advanced settings", "successfully {}d global_settings settings"],
        ),
        (
            "hepsub/protocol",
            {"profile": "mine", "hepid": 9, "hep_alias": "X", "version": 1, "mapping": {"lookup_id": 0}},
            200,
            ["successfully {}d hepsub settings", "successfully {}d hepsub settings"],
        ),
    ],
)
def test_settings_for_all_are_made_listed_changed_and_deleted(
    script: Script, path: str, row: dict[str, Any], changed_status: int, messages: list[str]
) -> None:
    status, made = script.ask("POST", path, row | {"guid": UUID})
    guid = made["data"]
    listed_status, listed = script.ask("GET", path)
    one = script.ask("GET", f"{path}/{guid}")
    changed = script.ask("PUT", f"{path}/{guid}", row | {"guid": guid})
    deleted = script.ask("DELETE", f"{path}/{guid}")

    assert (status, made["message"]) == (201, messages[0].format("create"))
    assert guid != UUID
    assert (listed_status, listed["count"]) == (201 if path == "advanced" else 200, len(listed["data"]))
    (shown,) = [each for each in listed["data"] if each["guid"] == guid]
    assert {name: shown[name] for name in row} == row
    assert one == (200, {"count": 1, "data": [shown]})
    assert changed == (changed_status, {"data": guid, "message": messages[1].format("update")})
    assert deleted == (200, {"data": guid, "message": messages[1].format("delete")})


def test_server_says_what_it_has(script: Script) -> None:
    nodes = script.ask("GET", "database/node/list")
    modules = script.ask("GET", "modules/status")
    ways = script.ask("GET", "auth/type/list")

    (node,) = nodes[1]["data"]
    assert (nodes[0], nodes[1]["count"], node["value"], node["name"]) == (200, 1, "localnode", "LocalNode")
    assert (modules[0], modules[1]["message"]) == (200, "Modules status")
    assert modules[1]["data"]["loki"]["enable"] is False
    assert ways == (
        200,
        {
            "count": 1,
            "message": "all good",
            "data": {
                "internal": {"enable": True, "name": "Internal", "position": 1, "type": "internal"},
                "ldap": {"enable": False, "name": "LDAP", "position": 2, "type": "ldap"},
            },
        },
    )
