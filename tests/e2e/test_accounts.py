"""Logins and API tokens of the real command, under many requests at once, and by who would like to get in."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.rhapsode import ADMIN_PASSWORD, Rhapsode, rhapsode_up, up_arguments

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PASSWORD = "a long enough one"  # noqa: S105 - of users that live for one test
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
NO_PROXY = {"RHAPSODE_WEB__PROXIES": "[]"}
"""This machine's own proxies are believed, unless it is said otherwise."""
AT_ONCE = 50
END_S = 30
LAST = "this is the last administrator who can log in"
numbers = itertools.count()


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with (
        TemporaryDirectory(prefix="rhapsode-accounts-") as directory,
        rhapsode_up(Path(directory) / "data", extra=NO_PROXY) as running,
    ):
        yield running.web


class Client:
    """Somebody with an address of the API, and what they have made there."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def log_in(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> dict[str, str]:
        answer = await self.http.post("/auth", json={"username": username, "password": password})
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    async def user(self, **columns: Any) -> tuple[str, str]:
        """Name and guid of a new one."""
        name = f"user{next(numbers)}"
        new = {"username": name, "usergroup": "user", "password": PASSWORD} | columns
        answer = await self.http.post("/users", json=new)
        assert answer.status_code == 201, answer.text
        return name, answer.json()["data"]

    async def token(self, **columns: Any) -> tuple[str, str]:
        """A new API token, and its guid."""
        name = f"token{next(numbers)}"
        new = {"name": name, "expire_date": TOMORROW, "active": True} | columns
        token = (await self.http.post("/token/auth", json=new)).json()["data"]["token"]
        rows = (await self.http.get("/token/auth")).json()["data"]
        return token, next(row["guid"] for row in rows if row["name"] == name)

    async def statuses(self, *requests: Any) -> list[int]:
        """Of requests sent at once."""
        return sorted(answer.status_code for answer in await asyncio.gather(*requests))


@pytest.fixture
async def client(web: str) -> AsyncIterator[Client]:
    """An administrator."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=f"{web}/api/v3", timeout=60, limits=limits) as http:
        client = Client(http)
        http.headers.update(await client.log_in())
        yield client


async def test_calls_of_an_api_token_are_counted_exactly_though_many_come_at_once(client: Client) -> None:
    token, guid = await client.token(limit_calls=30)

    headers = {"Authorization": f"Bearer {token}"}
    statuses = await client.statuses(*(client.http.get("/alias", headers=headers) for _ in range(AT_ONCE)))
    (row,) = (await client.http.get(f"/token/auth/{guid}")).json()["data"]

    assert statuses == [201] * 30 + [403] * 20
    assert row["usage_calls"] == 30


async def test_of_many_who_make_a_user_of_one_name_one_does(client: Client) -> None:
    new = {"username": "one", "usergroup": "user", "password": PASSWORD}
    _, guid = await client.user()
    made = [client.http.post("/users", json=new) for _ in range(4)]
    imported = client.http.post("/users/import", json={"data": [new]})
    renamed = client.http.put(f"/users/{guid}", json={"username": "one"})

    statuses = await client.statuses(*made, imported, renamed)
    rows = (await client.http.get("/users")).json()["data"]

    assert statuses == [201] + [400] * 5
    assert [row["username"] for row in rows].count("one") == 1


async def test_administrators_who_remove_each_other_leave_one(client: Client) -> None:
    name, guid = await client.user(usergroup="admin")
    other = await client.log_in(name, PASSWORD)
    (admin,) = [row for row in (await client.http.get("/users")).json()["data"] if row["username"] == "admin"]

    answers = await asyncio.gather(
        client.http.delete(f"/users/{guid}"),
        client.http.put(f"/users/{admin['guid']}", json={"usergroup": "user"}, headers=other),
        client.http.put(f"/users/{admin['guid']}", json={"enabled": False}, headers=other),
    )
    left = [
        headers
        for headers in ({}, other)
        if (await client.http.get("/token/auth", headers=headers)).status_code == 200
    ]

    assert len(left) == 1
    assert any(answer.json()["message"] == LAST for answer in answers) or 401 in [
        answer.status_code for answer in answers
    ]
    # As it was, for the tests behind this one.
    await client.http.put(
        f"/users/{admin['guid']}", json={"usergroup": "admin", "enabled": True}, headers=left[0]
    )
    await client.http.delete(f"/users/{guid}", headers=await client.log_in())


async def test_feed_ends_with_what_has_let_its_listener_in(client: Client, web: str) -> None:
    users = [await client.user() for _ in range(5)]
    logins = [await client.log_in(name, PASSWORD) for name, _ in users]
    tokens = [await client.token() for _ in range(4)]
    shown = [login["Authorization"] for login in logins] + [f"Bearer {token}" for token, _ in tokens]
    sockets = [await listening(web, each) for each in shown]
    stays = await listening(web, client.http.headers["Authorization"])

    http, guids = client.http, [guid for _, guid in users] + [guid for _, guid in tokens]
    answers = [
        await http.post("/rhapsode/logout", headers=logins[0]),
        await http.put(f"/users/{guids[1]}", json={"password": "another one entirely"}),
        await http.put(f"/users/{guids[2]}", json={"enabled": False}),
        await http.delete(f"/users/{guids[3]}"),
        await http.post(f"/users/{guids[4]}/logout"),
        await http.delete(f"/token/auth/{guids[5]}"),
        await http.put(f"/token/auth/{guids[6]}", json={"active": False}),
        await http.put(f"/token/auth/{guids[7]}", json={"expire_date": "2020-01-01T00:00:00Z"}),
        await http.put(f"/token/auth/{guids[8]}", json={"ip_address": "192.0.2.1"}),
    ]

    assert [answer.status_code for answer in answers] == [204, 201, 201, 201, 201, 200, 200, 200, 200]
    assert [await end_of(socket) for socket in sockets] == [4401] * len(sockets)
    await stays.send("{}")
    assert json.loads(await asyncio.wait_for(stays.recv(), END_S))["type"] == "ready"
    await stays.close()


async def listening(web: str, authorization: str) -> ClientConnection:
    socket = await connect(
        f"{web.replace('http', 'ws', 1)}/api/v3/ws", additional_headers={"Authorization": authorization}
    )
    await socket.send("{}")
    assert json.loads(await socket.recv())["type"] == "ready"
    return socket


async def end_of(socket: ClientConnection) -> int:
    """The code with which it is ended."""
    try:
        async with asyncio.timeout(END_S):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0


async def test_nobody_gets_in_by_a_token_that_is_forged_or_old(client: Client) -> None:
    (gone, guid), (changed, other_guid) = await client.user(), await client.user()
    of_gone, of_changed = await client.log_in(gone, PASSWORD), await client.log_in(changed, PASSWORD)
    await client.http.delete(f"/users/{guid}")
    await client.http.put(f"/users/{other_guid}", json={"password": "another one entirely"})
    header, claims, signature = client.http.headers["Authorization"].removeprefix("Bearer ").split(".")
    said = jwt.decode(f"{header}.{claims}.{signature}", options={"verify_signature": False})

    forged = [
        f"{segment({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        f"{segment({'alg': 'none'})}.{claims}.{signature}",
        f"{segment({'alg': 'nOnE'})}.{claims}.",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-4]}",
        f"{header}.{segment(said | {'exp': said['exp'] + 1})}.{signature}",
        f"{header}.{segment(said | {'username': gone})}.{signature}",
        jwt.encode(said, "k" * 64, algorithm="HS256"),
        jwt.encode(said, "k" * 64, algorithm="HS512"),
        jwt.encode(said, "k" * 64, algorithm="HS256", headers={"kid": "../../dev/null", "jku": "http://x"}),
    ]
    shown = [of_gone, of_changed, *({"Authorization": f"Bearer {token}"} for token in forged)]

    for headers in shown:
        answer = await client.http.get("/users/profile", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"message": "invalid or expired jwt"}), headers
    assert (await client.http.get("/users/profile")).status_code == 200


def segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_administrator_no_more_keeps_nothing(client: Client) -> None:
    name, guid = await client.user(usergroup="admin")
    old = await client.log_in(name, PASSWORD)
    before = (await client.http.get("/token/auth", headers=old)).status_code

    await client.http.put(f"/users/{guid}", json={"usergroup": "user"})
    answers = [
        await client.http.get("/token/auth", headers=old),
        await client.http.post("/token/auth", headers=old, json={}),
        await client.http.post("/users", headers=old, json={}),
        await client.http.put(f"/users/{guid}", headers=old, json={"usergroup": "admin"}),
        await client.http.get("/rhapsode/audit", headers=old),
    ]
    rows = (await client.http.get("/users", headers=old)).json()["data"]

    assert before == 200
    assert [answer.status_code for answer in answers] == [403, 403, 403, 201, 403]
    assert [(row["username"], row["usergroup"]) for row in rows] == [(name, "user")]


async def test_headers_of_who_is_no_proxy_are_not_believed(client: Client) -> None:
    token, _ = await client.token(ip_address="203.0.113.9, 2001:db8::/32")
    names = ["X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"]
    said = [{name: address} for name in names for address in ("203.0.113.9", "2001:db8::1")]
    said.append({"Forwarded": "for=203.0.113.9"})

    for headers in said:
        answer = await client.http.get("/alias", headers=headers | {"Auth-Token": token, "Authorization": ""})
        assert answer.status_code == 403, headers
    await client.log_in()
    rows = (await client.http.get("/rhapsode/audit?limit=5")).json()["data"]
    assert {row["address"] for row in rows} == {"127.0.0.1"}


async def test_addresses_of_both_families_are_told_apart_on_one_socket() -> None:
    allowed = {
        "::1": ["::1", "::/0", "::1/64", "2001:db8::/32, ::1", "0.0.0.0/0"],
        "127.0.0.1": ["127.0.0.1", "0.0.0.0/1", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104", "0.0.0.0/0"],
    }
    with TemporaryDirectory(prefix="rhapsode-accounts-") as directory:
        arguments = up_arguments(Path(directory) / "data", http="[::]:0")
        with Rhapsode(*arguments, extra=NO_PROXY) as running:
            port = urlsplit(running.wait_until_ready().web).port
            for host, networks in allowed.items():
                base = f"http://{f'[{host}]' if ':' in host else host}:{port}/api/v3"
                async with httpx.AsyncClient(base_url=base, timeout=60) as http:
                    client = Client(http)
                    http.headers.update(await client.log_in())
                    for text in {*allowed["::1"], *allowed["127.0.0.1"]}:
                        token, _ = await client.token(ip_address=text)
                        answer = await http.get("/alias", headers={"Authorization": f"Bearer {token}"})
                        assert answer.status_code == (201 if text in networks else 403), (host, text)


async def test_guesses_at_once_and_from_pretended_places_are_counted() -> None:
    with (
        TemporaryDirectory(prefix="rhapsode-accounts-") as directory,
        rhapsode_up(Path(directory) / "data", extra=NO_PROXY) as running,
    ):
        async with httpx.AsyncClient(base_url=f"{running.web}/api/v3", timeout=60) as http:
            guesses = [
                http.post(
                    "/auth",
                    json={"username": f"admin{number % 2 or ''}", "password": f"guess {number}"},
                    headers={"X-Forwarded-For": f"198.51.100.{number}"},
                )
                for number in range(40)
            ]
            answers = await asyncio.gather(*guesses)
            right = await http.post("/auth", json={"username": "admin", "password": ADMIN_PASSWORD})

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 30)
    assert right.status_code == 429
    assert 0 < int(right.headers["Retry-After"]) <= 300
