"""A valid request of every operation that the API describes."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from api.app import create_app
from api.settings import ApiOptions
from tests.support.api import AWAY

BASE = "/api/v3"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
WINDOW = {"from": 1_765_000_000_000, "to": 1_765_003_600_000}


def _search(value: Any) -> dict[str, Any]:
    location = {"node": ["localnode"]}
    param = {"search": {"1_call": value}, "limit": 10, "orlogic": False, "location": location}
    return {"param": param | {"whitelist": ["192.0.2.77"]}, "timestamp": WINDOW}


ELEMENTS = [
    {"name": "data_header.from_user", "value": "alice", "type": "string", "hepid": 1, "func": None},
    {"name": "smartinput", "value": "data_header.method = INVITE", "type": "string"},
    {"name": "limit", "value": "5", "type": "string"},
]
CALL = {"callid": ["a84b4c76e66710@10.0.0.1"]}
FEW = {"param": {"search": {"1_call": CALL}}, "timestamp": WINDOW}
"""Of routes that read the rest of it as another one does."""
RECORDS: dict[str, dict[str, Any]] = {
    "/alias": {
        "alias": "sbc",
        "ip": "192.0.2.7",
        "port": 5060,
        "mask": 32,
        "captureID": "7",
        "status": True,
        "version": 1,
    },
    "/advanced": {"partid": 10, "category": "c", "param": "p", "data": {"a": [1]}},
    "/hepsub/protocol": {"profile": "call", "hepid": 60, "hep_alias": "X", "version": 1, "mapping": {"a": 1}},
    "/mapping/protocol": {
        "profile": "call",
        "hepid": 60,
        "hep_alias": "X",
        "partid": 10,
        "version": 1,
        "retention": 1,
        "partition_step": 1,
        "create_index": {},
        "create_table": "x",
        "correlation_mapping": [{"a": 1}],
        "fields_mapping": [{"id": "sid", "name": "Call-ID"}],
        "fields_settings": {},
        "schema_mapping": {},
        "schema_settings": {},
        "user_mapping": None,
    },
    "/script": {
        "profile": "call",
        "hepid": 1,
        "hep_alias": "SIP",
        "partid": 10,
        "version": 1,
        "type": "js",
        "status": True,
        "data": "1",
    },
    "/user/settings": {"username": "admin", "partid": 10, "category": "c", "param": "p", "data": {"a": 1}},
    "/agent/subscribe": {
        "gid": 10,
        "host": "192.0.2.9",
        "port": 80,
        "protocol": "http",
        "path": "/x",
        "node": "n",
        "type": "cdr",
        "ttl": 60,
        "active": 1,
    },
    "/token/auth": {
        "name": "n",
        "user_object": {"usergroup": "user"},
        "ip_address": "192.0.2.0/24",
        "expire_date": TOMORROW,
        "limit_calls": 5,
        "active": True,
    },
    "/users": {
        "partid": 10,
        "email": "a@example.org",
        "enabled": True,
        "firstname": "A",
        "lastname": "B",
        "department": "D",
        "usergroup": "user",
        "version": 1,
        "params": {"a": 1},
        "password": "a long enough one",
    },
}
"""What can be made, by where; what has to be unique is added."""
BODIES: dict[str, Any] = {
    "POST /auth": {"username": "admin", "password": "no", "type": "internal"},
    "POST /search/call/data": _search(ELEMENTS),
    "POST /search/call/message": _search({"id": 1, "uuid": [1]}),
    "POST /search/call/decode/message": _search({"uuid": [1]}),
    "POST /call/transaction": _search(CALL),
    "POST /call/report/qos": FEW,
    "POST /call/report/log": FEW,
    "POST /export/call/messages/pcap": FEW,
    "POST /export/call/messages/text": FEW,
    "POST /export/call/transaction/link": FEW,
    "POST /hepsub/search": FEW,
    "POST /agent/search/{guid}/{type}": FEW,
    "POST /users/import": {"data": [{"username": "u", "usergroup": "user", "email": ""}]},
    "PUT /users/update/password/{guid}": {"password": "a long enough one", "old_password": "x"},
    "POST /dashboard/store/{dashboard}": {"name": "n", "param": "p", "weight": 1, "shared": False, "x": {}},
    "PUT /dashboard/store/{dashboard}": {"name": "n", "type": 1, "widgets": [{"config": {"a": "b"}}]},
    "POST /prometheus/value": {"param": {"metrics": ["up"]}},
    "POST /prometheus/data": {"param": {}},
    "POST /search/remote/data": {"param": {"search": "{a}"}},
    # There are no such servers here: see `tests/property/test_other_servers.py`.
    **{f"POST /statistic/{name}": {"param": {}} for name in ("data", "_retentions", "_metrics", "_tags")},
}
"""Valid ones, by operation, beside those of `RECORDS`."""
PARTS = {
    "id": "1",
    "hepid": "1",
    "profile": "call",
    "transaction": "call",
    "dashboard": "mine",
    "type": "cdr",
    "kind": "alias",
    "provider": "x",
    "name": "x",
    "installed": "7",
    "uid": "x",
    "param": "x",
    "label": "x",
    "userlabel": "up",
    "dbid": "homer",
    "category": "system",
    "guid": "x",
}
"""What parts of paths are, where they name no object of `RECORDS`."""


class Operation(NamedTuple):
    """One of those that the description has."""

    method: str
    path: str
    """Below the base path."""
    query: tuple[str, ...]
    takes_json: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body(self) -> Any:
        """A valid one; None where there is none."""
        where = self.path if self.method == "POST" else self.path.rpartition("/")[0]
        return RECORDS.get(where, BODIES.get(self.name)) if self.takes_json else None


def described() -> list[Operation]:
    """Every operation below the base path."""
    found = []
    paths = create_app(ApiOptions(database_url=AWAY)).openapi()["paths"]
    for path, methods in paths.items():
        for method, said in methods.items():
            query = tuple(each["name"] for each in said.get("parameters", []) if each["in"] == "query")
            content = said.get("requestBody", {}).get("content", {})
            below = path.removeprefix(BASE)
            if below != path:
                found.append(Operation(method.upper(), below, query, "application/json" in content))
    return found
