"""Where requests come from, as proxies before the API say it."""

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api.peer import peer_of
from api.run import server_config
from api.settings import ApiOptions, HttpSettings
from tests.support.api import AWAY


async def say_peer(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(peer_of(Request(scope)))(scope, receive, send)


async def peer(client: str, http: HttpSettings | None = None) -> str:
    config = server_config(say_peer, ApiOptions(database_url=AWAY, http=http or HttpSettings()))
    config.load()
    transport = httpx.ASGITransport(app=config.loaded_app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as asking:
        return (await asking.get("/", headers={"X-Forwarded-For": "203.0.113.5"})).text


@pytest.mark.parametrize(
    ("client", "seen"),
    [
        ("127.0.0.1", "203.0.113.5"),
        ("::ffff:127.0.0.1", "203.0.113.5"),
        ("::1", "203.0.113.5"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
async def test_only_proxies_of_this_machine_are_believed(client: str, seen: str) -> None:
    assert await peer(client) == seen


@pytest.mark.parametrize(
    ("client", "seen"),
    [("192.0.2.9", "203.0.113.5"), ("::ffff:192.0.2.9", "203.0.113.5"), ("127.0.0.1", "127.0.0.1")],
)
async def test_proxies_of_the_settings_are_believed(client: str, seen: str) -> None:
    assert await peer(client, HttpSettings(proxies=("192.0.2.0/24",))) == seen


def test_proxy_is_an_address_or_a_network() -> None:
    with pytest.raises(ValueError, match="a proxy is an IP address or a network"):
        HttpSettings(proxies=("*",))
