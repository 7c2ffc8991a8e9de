"""The routes of homer-app and those that its web UI calls beside them: a row a route, asked by everybody.

Whoever is refused changes nothing, and nothing of it is in the audit. Who is answered changes settings where
the row says so and nowhere else, and the audit has what the row says.
"""

import json
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import select

from api.auth.api_tokens import hash_of, new_token
from api.tables import api_tokens, audit, metadata
from capture.settings import ImportSettings, JournalSettings
from tests.support.api import SESAME, Api, add_user, an_api
from tests.support.api_requests import BASE, BODIES, RECORDS

TABLE = """
 1 POST   /auth                             201 none  - login           token,scope,user,expires,expires_in
 2 GET    /auth/type/list                   200 none  - -               count,data,message
 3 GET    /oauth2/redirect/google           501 none  - -               data,message
 4 GET    /oauth2/auth/google               501 none  - -               data,message
 5 POST   /oauth2/token                     501 none  - -               data,message
 6 GET    /users                            201 user  - -               count,data
 7 GET    /users/groups                     200 user  - -               count,data
 8 GET    /users/profile                    200 login - -               count,data
 9 GET    /users/{own}                      201 user  - -               count,data
10 POST   /users                            201 admin + create_user     data,message
11 PUT    /users/{own}                      201 self  + change_user     data,message
12 DELETE /users/{made}                     201 admin + delete_user     data,message
13 GET    /token/auth                       200 admin - -               count,data
14 GET    /token/auth/{made}                200 admin - -               count,data
15 POST   /token/auth                       201 admin + create_API_token data,message
16 PUT    /token/auth/{made}                200 admin + change_API_token data,message
17 DELETE /token/auth/{made}                200 admin + delete_API_token data,message
18 POST   /search/call/data                 201 user  - -               data,keys,total
19 POST   /search/call/message              201 user  - -               data,keys,total
20 POST   /search/call/decode/message       201 user  - -               data,total
21 POST   /call/transaction                 201 user  - view_call       data,keys,total
22 POST   /call/report/qos                  201 user  - view_reports    rtcp,rtp
23 POST   /call/report/log                  201 user  - view_logs       data,total
24 POST   /export/call/messages/pcap        200 user  - export_pcap     file
25 POST   /export/call/messages/text        200 user  - export_txt      file
26 POST   /import/data/pcap                 201 user  - import_pcap     data,message
27 POST   /import/data/pcap/now             201 user  - import_pcap     data,message
28 GET    /mapping/protocol                 200 user  - -               count,data
29 GET    /mapping/protocol/reset           200 reset + reset_mapping   nothing
30 GET    /mapping/protocol/reset/{first}   200 reset + reset_mapping   nothing
31 GET    /mapping/protocol/1/call          200 user  - -               count,data
32 GET    /mapping/protocol/{first}         200 user  - -               count,data
33 POST   /mapping/protocol                 201 admin + create_mapping  data,message
34 PUT    /mapping/protocol/{made}          200 admin + change_mapping  data,message
35 DELETE /mapping/protocol/{made}          200 admin + delete_mapping  data,message
36 GET    /smart/search/tag/1/call          200 user  - -               data
37 GET    /dashboard/info                   200 user  - -               auth,data,status,total
38 GET    /dashboard/reset                  200 user  + reset_dashboards auth,data,status,total
39 GET    /dashboard/store/mine             200 user  - -               auth,data,owner,status,total
40 POST   /dashboard/store/mine             200 user  + create_dashboard auth,status,total
41 PUT    /dashboard/store/mine             200 user  + change_dashboard auth,status,total
42 DELETE /dashboard/store/mine             200 user  + delete_dashboard auth,status,total
43 GET    /user/settings                    200 user  - -               count,data
44 GET    /user/settings/system             200 user  - -               count,data
45 POST   /user/settings                    201 user  + create_user_setting data,message
46 PUT    /user/settings/{mine}             201 user  + change_user_setting data,message
47 DELETE /user/settings/{mine}             201 user  + delete_user_setting data,message
48 GET    /alias                            201 user  - -               data
49 POST   /alias                            201 admin + create_alias    data,message
50 PUT    /alias/{made}                     201 admin + change_alias    data,message
51 DELETE /alias/{made}                     201 admin + delete_alias    data,message
52 GET    /advanced                         201 user  - -               count,data
53 GET    /advanced/{made}                  200 user  - -               count,data
54 POST   /advanced                         201 admin + create_advanced_setting data,message
55 PUT    /advanced/{made}                  200 admin + change_advanced_setting data,message
56 DELETE /advanced/{made}                  200 admin + delete_advanced_setting data,message
57 GET    /hepsub/protocol                  200 user  - -               count,data
58 GET    /hepsub/protocol/1/call           200 user  - -               count,data
59 GET    /hepsub/protocol/{made}           200 user  - -               count,data
60 POST   /hepsub/protocol                  201 admin + create_hepsub   data,message
61 PUT    /hepsub/protocol/{made}           200 admin + change_hepsub   data,message
62 DELETE /hepsub/protocol/{made}           200 admin + delete_hepsub   data,message
63 POST   /hepsub/search                    201 user  - -               data,message
64 POST   /agent/subscribe                  201 agent + create_agent_subscription data,message
65 GET    /agent/subscribe                  200 user  - -               data,message
66 GET    /agent/type                       200 user  - -               data,message
67 GET    /agent/type/cdr                   200 user  - -               data,message
68 GET    /agent/subscribe/{made}           200 user  - -               data,message
69 PUT    /agent/subscribe/{made}           200 admin + change_agent_subscription data,message
70 DELETE /agent/subscribe/{made}           200 admin + delete_agent_subscription data,message
71 POST   /agent/search/none/cdr            400 user  - -               data,message
72 GET    /admin/profiles                   400 user  - -               data,message
73 GET    /database/node/list               200 user  - -               count,data
74 GET    /modules/status                   200 user  - -               data,message
75 POST   /statistic/data                   400 user  - -               data,message
76 GET    /statistic/_db                    400 user  - -               data,message
77 POST   /statistic/_retentions            400 user  - -               data,message
78 GET    /statistic/_measurements/homer    400 user  - -               data,message
79 POST   /statistic/_metrics               400 user  - -               data,message
80 POST   /statistic/_tags                  400 user  - -               data,message
81 POST   /prometheus/data                  400 user  - -               data,message
82 POST   /prometheus/value                 400 user  - -               data,message
83 GET    /prometheus/labels                400 user  - -               data,message
84 GET    /prometheus/label/up              400 user  - -               data,message
85 GET    /search/remote/label              400 user  - -               data,message
86 GET    /search/remote/values             400 user  - -               data,message
87 POST   /search/remote/data               400 user  - -               data,message
88 GET    /proxy/grafana/url                400 user  - -               data,message
89 GET    /proxy/grafana/path               201 user  - -               data
90 GET    /proxy/grafana/status             201 user  - -               data
91 GET    /proxy/grafana/org                400 user  - -               data,message
92 GET    /proxy/grafana/folders            400 user  - -               data,message
93 GET    /proxy/grafana/search/x           400 user  - -               data,message
94 GET    /proxy/grafana/dashboards/uid/x   400 user  - -               data,message
95 GET    /proxy/grafana/request/d/x/y      400 user  - -               data,message
-- PUT    /users/update/password/{made}     201 admin + change_user     data,message
-- GET    /users/export                     200 admin - export_users    count,data
-- POST   /users/import                     201 admin + create_user     data,message
-- POST   /users/{made}/logout              201 admin + end_logins      data,message
-- GET    /script                           200 user  - -               count,data
-- GET    /script/{made}                    200 user  - -               count,data
-- POST   /script                           201 admin + create_script   data,message
-- PUT    /script/{made}                    200 admin + change_script   data,message
-- DELETE /script/{made}                    200 admin + delete_script   data,message
-- GET    /version/api/info                 200 user  - -               data
-- GET    /version/ui/check/7.11.0          200 user  - -               data,message
-- GET    /statistic/database/info          200 user  - -               data
-- GET    /statistic/configdb/info          200 user  - -               data
-- GET    /configdb/tables/list             200 user  - -               data
-- POST   /configdb/tables/resync           501 admin - -               data,message
-- GET    /protocol/search/1                200 user  - -               data
-- POST   /alias/import                     201 admin + create_alias    data,message
-- POST   /export/call/transaction/link     200 user  - -               data
-- POST   /export/call/messages/sipp        501 user  - -               data,message
-- POST   /export/call/transaction/report   501 user  - -               data,message
-- POST   /export/call/stenographer         501 user  - -               data,message
-- GET    /export/action/active             501 user  - -               data,message
-- GET    /rhapsode/audit                   200 admin - -               count,data
-- POST   /rhapsode/logout                  204 login + logout          nothing
"""
"""Number in homer-app's list, method, path, status, who may ask, whether settings change, what is noted, and
the names of the answer. The settings name no other servers here: tests of their own have their answers."""


class Row(NamedTuple):
    number: str
    method: str
    path: str
    ok: int
    level: str
    writes: bool
    noted: tuple[str, ...]
    names: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def _row(line: str) -> Row:
    number, method, path, ok, level, writes, noted, names = line.split()
    actions = () if noted == "-" else (noted.replace("_", " "),)
    return Row(number, method, path, int(ok), level, writes == "+", actions, frozenset(names.split(",")))


ROWS = [_row(line) for line in TABLE.strip().splitlines()]
TOMORROW = datetime.now(UTC) + timedelta(days=1)
PCAP = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
COUNTED = ("usage_calls", "lastusage_date")
"""Columns that asking itself changes."""
CALLERS = ("stranger", "user", "token", "admin", "admin token")
NO_LOGIN = (401, {"message": "missing or malformed jwt"})
NO_ADMIN = (403, {"message": "This API requires admin access."})
NO_ADMIN_TOKEN = (403, {"message": "This API requires admin access. The AuthToken in use!"})
NO_RESET = (400, {"data": {}, "message": "failed to recreated all mappings"})
NO_API_TOKEN = (400, {"data": {}, "message": "Auth-Token header not present or has empty value"})
NO_PROFILE = (400, {"data": {}, "message": "failed to get user profile"})
NO_LOGOUT = (400, {"data": {}, "message": "this needs a login: an API token is no user"})
MESSAGES = {
    "POST /users": "successfully created user",
    "PUT /users/{own}": "successfully updated user",
    "DELETE /users/{made}": "successfully deleted user",
    "POST /token/auth": "successfully created auth token",
    "PUT /token/auth/{made}": "successfully updated auth token settings",
    "DELETE /token/auth/{made}": "successfully deleted authtoken",
    "POST /mapping/protocol": "successfully created mappings settings",
    "PUT /mapping/protocol/{made}": "successfully updated hepsub settings",
    "DELETE /mapping/protocol/{made}": "successfully deleted mapping settings",
    "POST /user/settings": "successfully created userObject",
    "PUT /user/settings/{mine}": "successfully updated alias",
    "DELETE /user/settings/{mine}": "successfully deleted userobject",
    "POST /alias": "successfully created alias",
    "PUT /alias/{made}": "successfully updated alias",
    "DELETE /alias/{made}": "successfully deleted alias",
    "POST /advanced": "successfully created advanced settings",
    "PUT /advanced/{made}": "successfully updated global_settings settings",
    "DELETE /advanced/{made}": "successfully deleted global_settings settings",
    "POST /hepsub/protocol": "successfully created hepsub settings",
    "PUT /hepsub/protocol/{made}": "successfully updated hepsub settings",
    "DELETE /hepsub/protocol/{made}": "successfully deleted hepsub settings",
    "POST /hepsub/search": "successfully created DoHepSubSearch",
    "POST /agent/subscribe": "successfully created agent record",
    "GET /agent/subscribe": "successfully retrieved agent records",
    "GET /agent/type": "successfully retrieved agent records",
    "GET /agent/type/cdr": "agent record",
    "GET /agent/subscribe/{made}": "agent record",
    "PUT /agent/subscribe/{made}": "successfully updated agent record",
    "DELETE /agent/subscribe/{made}": "successfully deleted agent record",
    "POST /agent/search/none/cdr": "record not found",
    "GET /admin/profiles": "failed to get dashboards",
    "GET /oauth2/redirect/google": "oauth2 is not enabled [1]",
    "GET /oauth2/auth/google": "oauth2 is not enabled [2]",
    "POST /oauth2/token": "oauth2 is not enabled [3]",
    "GET /auth/type/list": "all good",
    "GET /modules/status": "Modules status",
    "POST /import/data/pcap": "All good",
}
"""homer-app's sentences."""
NOT_ENABLED = {"statistic": "Influxdb", "prometheus": "Prometheus", "search": "Loki"}


class World:
    """An API with everybody who may ask it, and something of everything."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.headers: dict[str, dict[str, str]] = {"stranger": {}}
        self.guids: dict[str, str] = {}

    async def begin(self) -> "World":
        engine = self.api.context.engine
        for name, group in (("alice", "user"), ("root", "admin")):
            self.guids[name] = await add_user(engine, name, usergroup=group)
        self.headers["user"] = await self.api.log_in("alice")
        self.headers["admin"] = await self.api.log_in("root")
        for name, group in (("token", "user"), ("admin token", "admin")):
            token = new_token()
            row = {"name": name, "token_hash": hash_of(token), "guid": str(uuid.uuid4())}
            row |= {"user_object": {"username": name, "usergroup": group}, "expire_date": TOMORROW}
            async with engine.begin() as connection:
                await connection.execute(api_tokens.insert().values(row))
            self.headers[name] = {"Auth-Token": token}
        await self.made("/agent/subscribe")
        return self

    async def ask(self, caller: str, method: str, path: str, body: Any = None) -> httpx.Response:
        files = {"file": b"[]", "fileKey": PCAP} if body == "file" else None
        if path.endswith("/alias/import"):
            files = {"file": json.dumps([RECORDS["/alias"]]).encode()}
        return await self.api.client.request(
            method,
            f"{BASE}{path}",
            headers=self.headers[caller],
            json=None if body == "file" else body,
            files={part: ("calls.pcap", content) for part, content in files.items()} if files else None,
        )

    async def made(self, where: str, caller: str = "admin token") -> str:
        """The guid of a new one."""
        new = a_new(where)
        answer = await self.ask(caller, "POST", where, new)
        assert answer.status_code == 201, (where, answer.text)
        if where == "/token/auth":
            rows = (await self.ask(caller, "GET", where)).json()["data"]
            return next(str(row["guid"]) for row in rows if row["name"] == new["name"])
        return str(new["uuid"] if where == "/agent/subscribe" else answer.json()["data"])

    async def path_of(self, row: Row, caller: str) -> str:
        """With an object that is there, and what the row is about made ready."""
        maker = "admin token" if caller == "stranger" else caller
        path = row.path
        if "{made}" in path:
            where = "/users" if path.startswith("/users") else path.rpartition("/{")[0]
            path = path.replace("{made}", await self.made(where))
        elif "{mine}" in path:
            path = path.replace("{mine}", await self.made("/user/settings", maker))
        elif "{own}" in path:
            own = {"user": "alice", "admin": "root"}.get(caller)
            path = path.replace("{own}", self.guids[own] if own else await self.made("/users"))
        elif "{first}" in path:
            first = (await self.ask("admin", "GET", "/mapping/protocol")).json()["data"][0]["guid"]
            path = path.replace("{first}", first)
        if "/reset" in path:
            first = (await self.ask("admin", "GET", "/mapping/protocol")).json()["data"][0]["guid"]
            await self.ask("admin", "PUT", f"/mapping/protocol/{first}", {"version": uuid.uuid4().int >> 96})
            await self.ask(maker, "POST", "/dashboard/store/another", {"name": "n"})
        if path == "/dashboard/store/mine":
            await self.ask(maker, "POST", path, {"name": str(uuid.uuid4())})
        return path

    async def settings(self) -> dict[str, list[Any]]:
        """All rows of all tables but the audit."""
        found = {}
        async with self.api.context.engine.connect() as connection:
            for name, table in metadata.tables.items():
                if name not in ("audit", "api_secret"):
                    columns = [column for column in table.c if column.name not in COUNTED]
                    rows = await connection.execute(select(*columns).order_by(columns[0]))
                    found[name] = [tuple(row) for row in rows]
        return found

    async def noted(self) -> list[tuple[str, str]]:
        """Who did what, so far."""
        await self.api.context.audit.flush()
        async with self.api.context.engine.connect() as connection:
            rows = await connection.execute(select(audit.c.username, audit.c.action).order_by(audit.c.id))
            return [(username, action) for username, action in rows]


def a_new(where: str) -> dict[str, Any]:
    """A valid new object."""
    name = uuid.uuid4().hex
    own = {
        "/users": {"username": name},
        "/token/auth": {"name": name},
        "/agent/subscribe": {"uuid": name, "host": "127.0.0.1"},
        "/user/settings": {"param": name},
    }
    return RECORDS[where] | own.get(where, {})


def body_of(row: Row, caller: str) -> Any:
    if row.name in BODIES and row.path != "/auth":
        return BODIES[row.name]
    match row.name.split("/{")[0]:
        case "POST /auth":
            return {"username": "root" if caller == "admin" else "alice", "password": SESAME}
        case "POST /users/import":
            return {"data": [{"username": uuid.uuid4().hex, "usergroup": "user"}]}
        case "PUT /users/update/password":
            return {"password": "a long enough one"}
        case "PUT /users":
            return {"firstname": uuid.uuid4().hex}
        case "POST /dashboard/store/mine" | "PUT /dashboard/store/mine":
            return {"name": uuid.uuid4().hex}
        case "POST /import/data/pcap" | "POST /import/data/pcap/now" | "POST /alias/import":
            return "file"
        case named if named.startswith(("POST", "PUT")):
            where = row.path.partition("/{")[0]
            if where in RECORDS:
                changed = {"version": 7, "partid": 7, "limit_calls": 7, "gid": 7}
                known = {name: value for name, value in changed.items() if name in RECORDS[where]}
                return a_new(where) if row.method == "POST" else known
            return {}
    return None


def refusal(row: Row, caller: str) -> tuple[int, Any] | None:
    """What this caller is told in place of an answer."""
    is_token, is_admin = "token" in caller, "admin" in caller
    match row.level:
        case "agent":
            return None if is_token else NO_API_TOKEN
        case "none":
            return None
    if caller == "stranger":
        return NO_LOGIN
    match row.level:
        case "admin" if not is_admin:
            by_oneself = row.path.startswith(("/users/update", "/users/{made}/logout"))
            return NO_ADMIN_TOKEN if is_token and not by_oneself else NO_ADMIN
        case "self" if caller == "token":
            return NO_ADMIN
        case "reset" if not is_admin:
            return NO_RESET
        case "login" if is_token:
            return NO_LOGOUT if row.path.endswith("logout") else NO_PROFILE
    return None


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    imports, journal = ImportSettings(wait_s=0, stalled_s=0.5), JournalSettings(min_free_bytes=1)
    async with an_api(database_url, data_dir=tmp_path, imports=imports, journal=journal) as api:
        yield await World(api).begin()


def test_table_has_all_routes_of_homer_app_but_its_web_socket() -> None:
    assert [row.number for row in ROWS if row.number != "--"] == [str(number) for number in range(1, 96)]
    assert len({row.name for row in ROWS}) == len(ROWS) == 119


@pytest.mark.parametrize("caller", CALLERS)
async def test_route_answers_writes_and_notes_what_the_table_says(world: World, caller: str) -> None:
    wrong = {row.name: found for row in ROWS if (found := await _differs(world, row, caller))}

    assert wrong == {}


async def _differs(world: World, row: Row, caller: str) -> list[str]:
    """What is not as the row says."""
    path, body = await world.path_of(row, caller), body_of(row, caller)
    before, noted = await world.settings(), len(await world.noted())
    answer = await world.ask(caller, row.method, path, body)
    after, news = await world.settings(), (await world.noted())[noted:]
    said = answer.json() if "json" in answer.headers.get("content-type", "") else None
    refused = refusal(row, caller)
    if refused is not None:
        checks = {
            "refusal": (answer.status_code, said) == refused,
            "writes": before == after,
            "notes": not news,
        }
        return [
            f"{name}: {answer.status_code} {said} {news}" for name, is_right in checks.items() if not is_right
        ]
    named = (answer.json().get("message") if isinstance(said, dict) else None, MESSAGES.get(row.name))
    if row.ok == 400 and row.path.split("/")[1] in NOT_ENABLED:
        named = (named[0], f"{NOT_ENABLED[row.path.split('/')[1]]} service is not enabled")
    checks = {
        "status": answer.status_code == row.ok,
        "names": _names(answer, said) == row.names,
        "message": named[1] is None or named[0] == named[1],
        "count": not isinstance(said, dict) or "count" not in said or _is_counted(row, said),
        "writes": (before != after) == row.writes,
        "notes": [action for _, action in news] == list(row.noted),
        "who": row.level == "none" or all(who.startswith(_shown(caller)) for who, _ in news),
    }
    return [
        f"{name}: {answer.status_code} {said} {news}" for name, is_right in checks.items() if not is_right
    ]


def _names(answer: httpx.Response, said: Any) -> frozenset[str]:
    if isinstance(said, dict):
        return frozenset(said)
    return frozenset(["file" if "content-disposition" in answer.headers else "nothing"])


def _is_counted(row: Row, said: dict[str, Any]) -> bool:
    """Homer counts all lists but the login's and the profile."""
    if row.path in ("/auth/type/list", "/users/profile"):
        return True
    return bool(said["count"] == len(said["data"]))


def _shown(caller: str) -> str:
    names = {"user": "alice", "admin": "root", "stranger": "alice"}
    return names.get(caller, f"{caller} (API token")


UNKNOWN = "00000000-0000-0000-0000-000000000000"
NOT_FOUND = {
    "PUT /users/{own}": f"the user with id '{UNKNOWN}' was not found",
    "DELETE /users/{made}": f"the user with id '{UNKNOWN}' was not found",
    "PUT /users/update/password/{made}": f"the user with id '{UNKNOWN}' was not found",
    "POST /users/{made}/logout": f"the user with id '{UNKNOWN}' was not found",
    "GET /token/auth/{made}": f"token has been not found for guid [{UNKNOWN}]",
    "GET /mapping/protocol/{first}": "failed to get mapping schema by uuid",
    "GET /mapping/protocol/reset/{first}": "failed to get mapping schema by uuid",
    "GET /advanced/{made}": "failed to get advanced setting",
    "GET /hepsub/protocol/{made}": f"no hepsub object found for guid [{UNKNOWN}]",
    "GET /agent/subscribe/{made}": f"no agent's record found for guid {UNKNOWN}",
}
"""homer-app's sentences, where they are not the usual one."""


async def test_unknown_object_is_an_error_and_changes_nothing(world: World) -> None:
    asked = 0
    for row in ROWS:
        if "{" not in row.path or row.name == "GET /users/{own}":
            continue
        path = re.sub(r"{\w+}", UNKNOWN, row.path)
        before, noted = await world.settings(), await world.noted()

        answer = await world.ask("admin", row.method, path, body_of(row, "admin"))

        message = NOT_FOUND.get(row.name, "data was not found")
        assert (answer.status_code, answer.json()) == (400, {"data": {}, "message": message}), row.name
        assert (await world.settings(), await world.noted()) == (before, noted), row.name
        asked += 1
    empty = await world.ask("admin", "GET", f"/users/{UNKNOWN}")

    assert asked == 27
    assert (empty.status_code, empty.json()) == (201, {"count": 0, "data": []})


BOB_S = "of nobody but bob"


@pytest.mark.parametrize("caller", ["user", "token"])
async def test_nothing_of_another_user_is_seen_or_changed(world: World, caller: str) -> None:
    guid = await add_user(world.api.context.engine, "bob", usergroup="user", department=BOB_S)
    world.headers["bob"] = await world.api.log_in("bob")
    await world.ask("bob", "POST", "/dashboard/store/own", {"name": BOB_S})
    await world.ask("bob", "POST", "/dashboard/store/all", {"name": "for all", "shared": True})
    setting = {"category": "system", "param": "p", "data": BOB_S}
    his = (await world.ask("bob", "POST", "/user/settings", setting)).json()["data"]
    before, noted = await world.settings(), await world.noted()
    board: dict[str, Any] = {"name": "mine now", "shared": False}
    tries: list[tuple[str, str, Any, int]] = [
        ("GET", "/users", None, 201),
        ("GET", f"/users/{guid}", None, 201),
        ("PUT", f"/users/{guid}", {"firstname": "x"}, 403),
        ("PUT", "/users/x", {"firstname": "x", "guid": guid}, 403),
        ("DELETE", f"/users/{guid}", None, 403),
        ("PUT", f"/users/update/password/{guid}", {"password": "a long enough one"}, 403),
        ("PUT", f"/users/update/password/{guid}", {"password": "a long one", "old_password": SESAME}, 403),
        ("POST", f"/users/{guid}/logout", {}, 403),
        ("GET", "/user/settings", None, 200),
        ("GET", "/user/settings/system", None, 200),
        ("GET", "/user/settings/dashboard", None, 200),
        ("PUT", f"/user/settings/{his}", {"data": 1}, 403),
        ("PUT", f"/user/settings/{his}", {"username": "alice"}, 403),
        ("DELETE", f"/user/settings/{his}", None, 403),
        ("GET", "/dashboard/info", None, 200),
        ("GET", "/dashboard/store/own", None, 400),
        ("PUT", "/dashboard/store/own", board, 200),
        ("PUT", "/dashboard/store/all", board, 200),
        ("POST", "/dashboard/store/own", board, 400),
        ("POST", "/dashboard/store/all", board, 400),
        ("DELETE", "/dashboard/store/own", None, 200),
        ("DELETE", "/dashboard/store/all", None, 200),
    ]

    for method, path, body, status in tries:
        answer = await world.ask(caller, method, path, body)
        assert (answer.status_code, BOB_S in answer.text) == (status, False), (method, path, answer.text)
        if method == "PUT" and status == 200:
            assert answer.json()["status"] == "not my dashboard"

    assert await world.settings() == before
    assert await world.noted() == noted
    assert (await world.ask("bob", "GET", "/users/profile")).status_code == 200
