"""What Homer 7 answered to its web UI, and what is answered here: the same names, of the same types.

`homer7` holds answers of homer-app 1.5.20. More names may be here, none may be missing.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, add_user, an_api
from tests.support.stored import a_packet, store

REPLIES = Path(__file__).with_name("homer7")
START_US = 1_795_000_000_000_000
INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\nUser-Agent: phone\r\n\r\n"
)
ALIAS = {"alias": "sbc", "ip": "192.0.2.1", "port": 5060, "mask": 32, "captureID": "1", "status": True}
AGENT = {"uuid": "agent-1", "gid": 10, "host": "127.0.0.1", "type": "cdr", "ttl": 60}
SETTING = {"category": "dashboard", "param": "mine", "partid": 10, "data": {"name": "Mine"}}
ROUTES = {
    "GET-advanced": ("GET", "advanced"),
    "GET-agent-subscribe": ("GET", "agent/subscribe"),
    "GET-alias-2": ("GET", "alias"),
    "GET-auth-type-list": ("GET", "auth/type/list"),
    "GET-dashboard-info": ("GET", "dashboard/info"),
    "GET-dashboard-store-home": ("GET", "dashboard/store/home"),
    "GET-hepsub-protocol": ("GET", "hepsub/protocol"),
    "GET-mapping-protocol": ("GET", "mapping/protocol"),
    "GET-modules-status": ("GET", "modules/status"),
    "GET-smart-search-tag-1-call": ("GET", 'smart/search/tag/1/call?query={"data":"m"}'),
    "GET-token-auth": ("GET", "token/auth"),
    "GET-user-settings": ("GET", "user/settings"),
    "GET-users-groups": ("GET", "users/groups"),
    "GET-users-id": ("GET", "users/guid-of-admin"),
    "GET-users-profile": ("GET", "users/profile"),
    "GET-users": ("GET", "users"),
    "POST-search-call-data": ("POST", "search/call/data"),
    "POST-search-call-message": ("POST", "search/call/message"),
}
OPAQUE = {
    "GET-dashboard-store-home": "data",
    "GET-user-settings": "data",
    "GET-advanced": "data",
    "GET-token-auth": "user_object",
}
"""Whose names are anybody's."""


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    await store(database_url, [a_packet(START_US, INVITE)])
    async with an_api(database_url) as api:
        await add_user(api.context.engine, "admin", guid="guid-of-admin", email="a@b", department="x")
        api.client.headers.update(await api.log_in("admin"))
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        new = {"name": "token", "active": True, "expire_date": tomorrow}
        token = (await api.client.post("/api/v3/token/auth", json=new)).json()["data"]["token"]
        await api.client.get("/api/v3/alias", headers={"Auth-Token": token})
        await api.client.post("/api/v3/alias", json=ALIAS)
        await api.client.post("/api/v3/user/settings", json=SETTING)
        await api.client.post("/api/v3/agent/subscribe", json=AGENT, headers={"Auth-Token": token})
        await api.context.api_tokens.flush()
        yield api


def body_of(name: str) -> Any:
    if not name.startswith("POST"):
        return None
    asked: Any = [] if name.endswith("data") else {"id": 1}
    window = {"from": START_US // 1000 - 1000, "to": START_US // 1000 + 1000}
    return {"timestamp": window, "param": {"limit": 1, "search": {"1_call": asked}}}


@pytest.mark.parametrize("name", ROUTES)
async def test_answer_has_the_shape_of_homer_s(api: Api, name: str) -> None:
    method, path = ROUTES[name]
    homer_s = json.loads((REPLIES / f"{name}.json").read_text())

    answer = await api.client.request(method, f"/api/v3/{path}", json=body_of(name))

    assert answer.is_success, answer.text
    assert list(differences(homer_s, answer.json(), OPAQUE.get(name))) == []


def differences(theirs: Any, ours: Any, opaque: str | None, place: str = "") -> Any:
    """Names that are missing or of another type."""
    if isinstance(theirs, bool) or theirs is None or isinstance(ours, bool):
        if isinstance(theirs, bool) != isinstance(ours, bool) and theirs is not None:
            yield f"{place}: {theirs!r} and {ours!r}"
    elif isinstance(theirs, int | float) != isinstance(ours, int | float) or (
        not isinstance(theirs, int | float) and type(theirs) is not type(ours)
    ):
        yield f"{place}: {theirs!r} and {ours!r}"
    elif isinstance(theirs, dict):
        for name, value in theirs.items():
            if name not in ours:
                yield f"{place}.{name} is missing"
            elif name != opaque:
                yield from differences(value, ours[name], opaque, f"{place}.{name}")
    elif isinstance(theirs, list) and theirs:
        if not ours:
            yield f"{place} is empty"
        else:
            yield from differences(theirs[0], ours[0], opaque, f"{place}[0]")
