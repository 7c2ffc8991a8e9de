"""The live feed over a real connection: all that is stored, once, to whoever is logged in and asked."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.app import create_app
from api.auth.login import login, token_for
from api.context import ApiContext
from api.feed import feed as feed_module
from api.feed import subscription as subscription_module
from api.feed.subscription import Subscription
from api.routes import live as live_module
from api.settings import ApiOptions, HttpSettings
from capture.hep.packet import Packet
from tests.support.api import SESAME, add_user
from tests.support.served import served
from tests.support.stored import a_packet, store

pytestmark = pytest.mark.slow

WAIT_S = 20
NOW_US = time.time_ns() // 1000
ALL: dict[str, Any] = {}


def sip(number: int, method: str = "INVITE", caller: str = "alice") -> bytes:
    return (
        f"{method} sip:b@x SIP/2.0\r\nFrom: <sip:{caller}@x>;tag=1\r\nTo: <sip:bob@x>\r\n"
        f"Call-ID: call-{number}\r\nCSeq: 1 {method}\r\n\r\n"
    ).encode()


def packets(*numbers: int, time_us: int = NOW_US, **given: Any) -> list[Packet]:
    return [a_packet(time_us + number, sip(number, **given)) for number in numbers]


class Listener:
    """A program that listens."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **said: Any) -> None:
        await self.connection.send(json.dumps(said))

    async def hear(self) -> dict[str, Any]:
        """The next thing that is said."""
        heard: dict[str, Any] = json.loads(await asyncio.wait_for(self.connection.recv(), WAIT_S))
        return heard

    async def ask(self, **question: Any) -> dict[str, Any]:
        await self.say(**question)
        return await self.hear()

    async def rows(self, count: int) -> list[dict[str, Any]]:
        """So many messages; nothing else may come."""
        rows: list[dict[str, Any]] = []
        while len(rows) < count:
            said = await self.hear()
            assert said["type"] == "messages", said
            rows += said["data"]
        return rows

    async def call_ids(self, count: int) -> list[str]:
        return [row["callid"] for row in await self.rows(count)]

    async def end(self) -> tuple[int, dict[str, Any]]:
        """The code with which it is ended, and the last thing that was said."""
        last: dict[str, Any] = {}
        while True:
            try:
                last = await self.hear()
            except ConnectionClosed as closed:
                return (closed.rcvd.code if closed.rcvd else 0), last


class Live:
    """A served application with a user."""

    def __init__(self, address: str, context: ApiContext, url: str) -> None:
        self.address, self.context, self.url = address, context, url
        self.token = ""
        self._numbers = itertools.count(1)

    async def log_in(self, username: str = "admin") -> Self:
        self.token, _ = await token_for(
            self.context, await login(self.context, username, SESAME, "127.0.0.1")
        )
        return self

    async def store(self, *packets: Packet, **given: Any) -> None:
        await store(self.url, list(packets), **given)

    @asynccontextmanager
    async def listener(self, *, header: bool = True, token: str | None = None) -> AsyncIterator[Listener]:
        headers = {"Authorization": f"Bearer {token or self.token}"} if header else {}
        async with connect(
            f"ws://{self.address}/api/v3/ws", additional_headers=headers, close_timeout=5
        ) as connection:
            yield Listener(connection)


@asynccontextmanager
async def a_live(url: str, **http: Any) -> AsyncIterator[Live]:
    app: FastAPI = create_app(ApiOptions(database_url=url, http=HttpSettings(**http)))
    context: ApiContext = app.state.context
    await add_user(context.engine)
    async with served(app) as address:
        yield await Live(address, context, url).log_in()


@pytest.fixture
async def live(database_url: str) -> AsyncIterator[Live]:
    async with a_live(database_url) as live:
        yield live


async def test_what_is_stored_comes_as_a_row_of_a_search(live: Live) -> None:
    async with live.listener() as listener:
        assert await listener.ask() == {"type": "ready", "profile": None, "warnings": []}

        await live.store(*packets(1))

        (row,) = await listener.rows(1)
    assert row["profile"] == "1_call"
    assert (row["callid"], row["method"], row["from_user"]) == ("call-1", "INVITE", "alice")
    assert row["create_date"] == (NOW_US + 1) // 1000
    assert "raw" not in row


async def test_every_message_comes_once_whatever_its_time_and_its_class(live: Live) -> None:
    day_us = 86_400_000_000
    async with live.listener() as listener:
        await listener.ask()

        await live.store(*packets(1, 2, 3))
        await live.store(*packets(4, time_us=NOW_US - 3 * day_us), *packets(5, method="REGISTER"))
        await live.store(*packets(6, 7), a_packet(NOW_US, b'{"type": 200}', protocol_type=5))
        await live.store(*packets(8))

        rows = await listener.rows(9)
    assert sorted(row["callid"] for row in rows if "callid" in row) == [f"call-{n}" for n in range(1, 9)]
    assert [row["profile"] for row in rows].count("5_default") == 1
    assert len({row["id"] for row in rows}) == 9


async def test_what_commits_late_comes_though_newer_ids_have_come_before(live: Live) -> None:
    async with live.listener() as listener:
        await listener.ask()
        blocker = await asyncpg.connect(live.url)
        try:
            await live.store(*packets(1))
            assert await listener.call_ids(1) == ["call-1"]
            # Another worker's transaction: its rows have older ids and times, and commit last.
            slow = blocker.transaction()
            await slow.start()
            xid = await blocker.fetchval("select pg_current_xact_id()::xid::text")
            await blocker.execute(
                "insert into messages_1_call (time_us, delay_us, call, flags, protocol_type, raw_codec, raw)"
                " select time_us - 1, delay_us, call, flags, protocol_type, raw_codec, raw"
                " from messages_1_call"
            )
            await live.store(*packets(2, 3))
            assert await listener.call_ids(2) == ["call-2", "call-3"]

            await blocker.execute(f"notify rhapsode_stored, '{xid} 1_call {NOW_US} {NOW_US} 1'")
            await slow.commit()

            (row,) = await listener.rows(1)
            assert row["micro_ts"] == NOW_US / 1000
        finally:
            await blocker.close()


async def test_more_than_a_slice_comes_whole(live: Live) -> None:
    count = 1234
    async with live.listener() as listener:
        await listener.ask()

        # Many at the same microsecond, so that slices end between equals.
        await live.store(*[a_packet(NOW_US, sip(number)) for number in range(count)])

        assert sorted(await listener.call_ids(count)) == sorted(f"call-{n}" for n in range(count))


async def test_question_is_that_of_a_search(live: Live) -> None:
    elements = [{"name": "data_header.from_user", "value": "bo%", "type": "string"}]
    smart = [{"name": "smartinput", "value": "data_header.method = BYE OR data_header.from_user = bobo"}]
    async with live.listener() as listener, live.listener() as other, live.listener() as third:
        assert (await listener.ask(profile="1_call", elements=elements))["type"] == "ready"
        assert (await other.ask(profile="1_call", elements=smart))["type"] == "ready"
        assert (await third.ask(profile="1_registration"))["type"] == "ready"

        await live.store(*packets(1), *packets(2, caller="bob"), *packets(3, method="BYE"))
        await live.store(*packets(4, method="REGISTER", caller="bob"), *packets(5, caller="bobo"))

        assert await listener.call_ids(2) == ["call-2", "call-5"]
        assert await other.call_ids(2) == ["call-3", "call-5"]
        assert await third.call_ids(1) == ["call-4"]


async def test_question_can_be_changed_and_a_wrong_one_changes_nothing(live: Live) -> None:
    by_bob = [{"name": "data_header.from_user", "value": "bob"}]
    async with live.listener() as listener:
        await listener.ask(profile="1_call", elements=by_bob)
        for wrong in (
            {"profile": "9_none"},
            {"elements": by_bob},
            {"profile": "1_call", "elements": [7]},
            {"profile": 7},
        ):
            assert (await listener.ask(**wrong))["type"] == "error"
        await listener.connection.send("no json")
        assert (await listener.hear())["type"] == "error"
        await listener.connection.send("[" * 10_000)
        assert (await listener.hear())["type"] == "error"

        await live.store(*packets(1), *packets(2, caller="bob"))
        assert await listener.call_ids(1) == ["call-2"]

        await listener.ask(profile="1_call")
        await live.store(*packets(3))
        assert await listener.call_ids(1) == ["call-3"]


async def test_unknown_field_matches_nothing_and_is_named(live: Live) -> None:
    unknown = [{"name": "data_header.nothing", "value": "x"}]
    async with live.listener() as listener, live.listener() as other:
        answer = await listener.ask(profile="1_call", elements=unknown)
        assert answer["warnings"] == ["unknown field: data_header.nothing"]
        await other.ask()
        await live.store(*packets(1))
        # Both get what has been read at once, or do not.
        assert await other.call_ids(1) == ["call-1"]
        await listener.ask(profile="1_call")
        await live.store(*packets(2))

        assert await listener.call_ids(1) == ["call-2"]


async def test_payload_comes_when_asked_for_and_is_audited(live: Live) -> None:
    async with live.listener() as listener:
        await listener.ask(profile="1_call", payload=True)
        await live.store(*packets(1))

        assert (await listener.rows(1))[0]["raw"] == sip(1).decode()
    await live.context.audit.flush()
    connection = await asyncpg.connect(live.url)
    try:
        noted = await connection.fetch("select * from audit where action = 'watch payloads'")
    finally:
        await connection.close()
    assert len(noted) == 1


async def test_login_may_come_in_the_first_message(live: Live) -> None:
    async with live.listener(header=False) as listener:
        assert (await listener.ask(token=live.token, profile="1_call"))["type"] == "ready"
        await live.store(*packets(1))
        assert await listener.call_ids(1) == ["call-1"]


@pytest.mark.parametrize("first", [{}, {"token": "no.such.token"}, {"token": "x" * 1000}, {"token": "ä"}])
async def test_without_a_login_nothing_comes(live: Live, first: dict[str, Any]) -> None:
    async with live.listener(header=False) as listener:
        await listener.say(**first)
        code, last = await listener.end()

    assert code == 4401
    assert last["type"] == "end"
    assert last["message"] in ("missing or malformed jwt", "invalid or expired jwt")


async def test_who_says_nothing_is_sent_away(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "ASK_S", 0.1)
    async with live.listener(header=False) as listener:
        assert await listener.end() == (4401, {"type": "end", "message": "no question has come"})
    assert live.context.strangers == 0


async def test_feed_ends_with_the_login(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOGIN_CHECK_S", 0.05)
    await add_user(live.context.engine, "carol", usergroup="user")
    other = (await Live(live.address, live.context, live.url).log_in("carol")).token
    async with live.listener(token=other) as listener, live.listener() as stays:
        await listener.ask()
        await stays.ask()

        connection = await asyncpg.connect(live.url)
        await connection.execute("update users set enabled = false where username = 'carol'")
        await connection.close()
        live.context.standings.forget("carol")

        assert await listener.end() == (4401, {"type": "end", "message": "invalid or expired jwt"})
        await live.store(*packets(1))
        assert await stays.call_ids(1) == ["call-1"]


async def test_no_more_listen_than_may(database_url: str) -> None:
    async with a_live(database_url, listeners=1) as live, live.listener() as listener:
        await listener.ask()
        async with live.listener() as refused:
            await refused.say()
            assert await refused.end() == (
                1013,
                {"type": "end", "message": "1 listen already, and no more may"},
            )
        await live.store(*packets(1))
        assert await listener.call_ids(1) == ["call-1"]


async def test_place_of_who_has_left_is_free(database_url: str) -> None:
    async with a_live(database_url, listeners=1) as live:
        for number in (1, 2, 3):
            async with asyncio.timeout(WAIT_S):
                while True:
                    async with live.listener() as listener:
                        if (await listener.ask())["type"] == "ready":
                            await live.store(*packets(number))
                            assert await listener.call_ids(1) == [f"call-{number}"]
                            break


async def test_slow_listener_is_told_what_it_has_missed(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "MOST_MESSAGES", 10)
    async with live.listener() as listener:
        await listener.ask()

        # All of one slice is offered before anything can be sent.
        await live.store(*packets(*range(30)))

        said = [await listener.hear()]
        while said[-1]["type"] != "missed":
            said.append(await listener.hear())
        await live.store(*packets(99))
        assert await listener.call_ids(1) == ["call-99"]
    came = sum(len(part["data"]) for part in said[:-1])
    assert said[-1] == {"type": "missed", "reason": "slow", "messages": 30 - came}


async def test_more_than_can_be_looked_at_is_told(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MOST_ROWS", 5)
    monkeypatch.setattr(feed_module, "ROUND_S", 3.0)
    async with live.listener() as listener:
        await listener.ask()
        await live.store(*packets(1))
        assert await listener.call_ids(1) == ["call-1"]
        # Heard during the pause, and read together after it.
        await live.store(*packets(2, 3, 4))
        await live.store(*packets(5, 6, 7, 8))

        assert await listener.hear() == {"type": "missed", "reason": "unread", "messages": 3}
        assert await listener.call_ids(4) == ["call-5", "call-6", "call-7", "call-8"]


async def test_lost_connection_is_told_and_made_again(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "AGAIN_S", 0.05)
    async with live.listener() as listener:
        await listener.ask()
        connection = await asyncpg.connect(live.url)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            " and datname = current_database()"
        )
        await connection.close()

        assert await listener.hear() == {"type": "missed", "reason": "database", "messages": None}
        async with asyncio.timeout(WAIT_S):
            # Told again once it hears again: until then nothing was heard.
            assert await listener.hear() == {"type": "missed", "reason": "database", "messages": None}
        await live.store(*packets(1))
        assert await listener.call_ids(1) == ["call-1"]


async def test_fault_of_ours_is_told_and_ends_nothing(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feed_module, "AGAIN_S", 0.01)
    async with live.listener() as listener:
        await listener.ask()

        with monkeypatch.context() as broken:
            broken.setattr(feed_module, "data_row", None)
            await live.store(*packets(1))
            told = [await listener.hear(), await listener.hear()]
        while told[-1]["reason"] != "database":
            told.append(await listener.hear())
        # What is stored while nobody hears is among the missing.
        number = itertools.count(2)
        while (said := await listener.ask())["type"] != "messages":
            await live.store(*packets(next(number)))

    assert {(each["type"], each["reason"]) for each in told} == {("missed", "unread"), ("missed", "database")}
    assert said["data"][0]["callid"] != "call-1"
    assert "the live feed has failed, and begins anew" in caplog.text


async def test_nobody_listens_to_the_database_while_nobody_listens_here(live: Live) -> None:
    feed = live.context.feed
    one, other = Subscription(), Subscription()
    for each in (one, other):
        await feed.join(each)

    await feed.leave(one)
    assert feed.is_listening
    await feed.leave(other)
    assert not feed.is_listening
