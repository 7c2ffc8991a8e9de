"""The rules of a mapping, followed through a real database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from api.database import connect
from api.errors import DatabaseError
from api.search.fields import class_fields
from api.search.rules import read_rules
from api.search.run import Searcher
from api.search.transaction import Calls, Transaction, find_transaction
from api.settings import SearchSettings
from capture.hep.packet import Packet
from capture.route import MessageClass
from tests.support.api import add_user, an_api
from tests.support.database import Server
from tests.support.searching import a_searcher
from tests.support.stored import a_packet, store

START_US = 1_765_000_012_345_678
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
FIELDS = {c: class_fields(c, ["X-CID"], ["customer"]) for c in MessageClass}


@pytest.fixture
async def searcher(database_url: str) -> AsyncIterator[Searcher]:
    async with a_searcher(database_url) as made:
        yield made


def sip(
    offset_us: int, call_id: str, *, from_user: str = "alice", method: str = "INVITE", **given: Any
) -> Packet:
    payload = (
        f"{method} sip:bob@example.com SIP/2.0\r\nFrom: <sip:{from_user}@from.example>;tag=1\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n"
    )
    return a_packet(START_US + offset_us, payload.encode(), **given)


def other(offset_us: int, protocol_type: int, sid: str, **given: Any) -> Packet:
    packet = {"protocol_type": protocol_type, "correlation_id": sid.encode(), **given}
    return a_packet(START_US + offset_us, b'{"type":200}', **packet)


def rule(source: str, target: str, field: str = "sid", **more: Any) -> dict[str, Any]:
    number, _, profile = target.partition("_")
    return {
        "source_field": source,
        "lookup_id": int(number),
        "lookup_profile": profile,
        "lookup_field": field,
        "lookup_range": [-300, 200],
        **more,
    }


async def correlate(searcher: Searcher, call_id: str, *rules: Any, **given: Any) -> Transaction:
    key = given.pop("key", "1_call")
    read = read_rules(MessageClass(key), list(rules), FIELDS)
    assert read.warnings == ()
    asked = [Calls(MessageClass(key), [call_id], read)]
    window = given.pop("window", (START_US, START_US + MINUTE_US))
    return await find_transaction(searcher, asked, *window, **{"limit": 1000, **given})


async def found(searcher: Searcher, call_id: str, *rules: Any, **given: Any) -> list[str]:
    """Class and session id of each message, oldest first."""
    transaction = await correlate(searcher, call_id, *rules, **given)
    assert transaction.page.incomplete is None
    return [f"{m.stored.message_class.key} {m.fields['sid']}" for m in reversed(transaction.page.rows)]


async def test_without_rules_a_call_is_what_has_its_session_id_in_sip(database_url: str, searcher: Searcher):
    packets = [sip(0, "a"), sip(1, "a", method="MESSAGE"), other(2, 5, "a"), other(3, 100, "a"), sip(4, "b")]
    await store(database_url, packets)

    assert await found(searcher, "a") == ["1_call a", "1_default a"]
    assert await found(searcher, "a", key="5_default") == ["5_default a"]


async def test_rule_leads_from_a_field_to_a_field_of_another_class(database_url: str, searcher: Searcher):
    await store(database_url, [sip(0, "a"), other(1, 35, "alice"), other(2, 35, "bob"), other(3, 5, "alice")])

    to_reports = rule("data_header.from_user", "35_default")
    assert await found(searcher, "a", to_reports) == ["1_call a", "35_default alice"]


@pytest.mark.parametrize("tells", [False, True])
async def test_values_come_from_the_calls_and_from_session_ids_that_a_rule_tells(
    database_url: str, searcher: Searcher, tells: bool
):
    packets = [sip(0, "a", correlation_id=b"b"), sip(1, "b"), other(2, 5, "a"), other(3, 5, "b")]
    await store(database_url, packets)
    legs = rule("protocol_header.correlation_id", "1_call", append_sid=tells)
    rtcp = rule("data_header.callid", "5_default")

    shown = await found(searcher, "a", legs, rtcp)

    assert shown == ["1_call a", "1_call b", "5_default a", *(["5_default b"] if tells else [])]
    # Told to later rules only.
    assert "5_default b" not in await found(searcher, "a", rtcp, legs)


async def test_rules_that_are_looked_up_together_tell_each_its_own_session_ids(
    database_url: str, searcher: Searcher
):
    packets = [sip(0, "a", correlation_id=b"leg"), sip(1, "leg"), sip(2, "a-2"), sip(3, "a-2-3")]
    reports = [other(number, 5, sid) for number, sid in enumerate(["leg", "a-2", "a-2-3"], 4)]
    await store(database_url, [*packets, *reports])
    ending = {"input_function_js": "data.map(function (x) { return x + '-2'; })"}
    by_name = rule("data_header.callid", "1_call", "data_header.callid", **ending)
    legs = rule("protocol_header.correlation_id", "1_call", "data_header.callid")
    rtcp = rule("data_header.from_domain", "5_default")
    tells = {"append_sid": True}

    calls = ["1_call a", "1_call leg", "1_call a-2"]
    assert await found(searcher, "a", by_name, legs, rtcp) == calls
    assert await found(searcher, "a", by_name, legs | tells, rtcp) == [
        *calls,
        "5_default leg",
        "5_default a-2",
    ]
    assert await found(searcher, "a", legs, by_name | tells, rtcp) == [*calls, "5_default a-2"]


async def test_each_rule_has_its_own_window(database_url: str, searcher: Searcher):
    times = [-21, -20, 0, 60, 90, 91]
    await store(database_url, [other(second * SECOND_US, 5, "a") for second in times] + [sip(0, "a")])
    window = (START_US // 1000 * 1000, START_US // 1000 * 1000 + 60 * SECOND_US + 999)

    async def seconds(*lookup_range: int) -> list[int]:
        rtcp = rule("data_header.callid", "5_default", lookup_range=list(lookup_range))
        rows = (await correlate(searcher, "a", rtcp, window=window)).page.rows
        reports = [m for m in reversed(rows) if m.stored.message_class is MessageClass.RTCP]
        return [(m.stored.time_us - START_US) // SECOND_US for m in reports]

    assert await seconds(-20, 30) == [-20, 0, 60, 90]
    assert await seconds(0, 0) == [0, 60]
    assert await seconds(10, -10) == []
    assert await seconds(100, -100) == []
    assert await seconds(-(10**12), 10**12) == times


async def test_patterns_are_those_of_like(database_url: str, searcher: Searcher):
    sids = ["a-1", "a-2", "b-1", "a_1"]
    await store(database_url, [sip(0, "c", from_user="a_1"), *(other(1, 5, sid) for sid in sids)])

    exact, like = rule("data_header.from_user", "5_default"), {"like_search": True}
    assert await found(searcher, "c", exact) == ["1_call c", "5_default a_1"]
    assert await found(searcher, "c", exact | like) == ["1_call c", "5_default a-1", "5_default a_1"]


async def test_more_values_than_can_be_patterns_are_named(database_url: str, searcher: Searcher):
    packets = [sip(index, "a", from_user=f"u{index:03d}") for index in range(501)]
    await store(database_url, [*packets, other(0, 5, "u000")])
    like = rule("data_header.from_user", "5_default", like_search=True)

    transaction = await correlate(searcher, "a", like)

    assert len(transaction.page.rows) == 502
    assert transaction.warnings == ["1_call rule 1: 1 values are too long or too many for patterns"]


async def test_empty_values_join_nothing(database_url: str, searcher: Searcher):
    packets = [sip(0, "a", from_user=""), sip(1, "b", from_user="")]
    await store(database_url, packets)

    same_user = rule("data_header.from_user", "1_call", "data_header.from_user")
    assert await found(searcher, "a", same_user) == ["1_call a"]


async def test_numbers_are_looked_up_as_numbers(database_url: str, searcher: Searcher):
    await store(database_url, [sip(0, "a", source_port=6000), sip(1, "b", source_port=6000), sip(2, "c")])

    same_port = rule("protocol_header.srcPort", "1_call", "protocol_header.srcPort")
    assert await found(searcher, "a", same_port) == ["1_call a", "1_call b"]
    by_text = rule("data_header.from_user", "1_call", "protocol_header.srcPort")
    assert await found(searcher, "a", by_text) == ["1_call a"]


async def test_times_are_values_too(database_url: str, searcher: Searcher):
    await store(database_url, [sip(0, "a"), other(SECOND_US // 2, 5, "x"), other(SECOND_US, 5, "y")])

    same_second = rule("protocol_header.timeSeconds", "5_default", "protocol_header.timeSeconds")
    assert await found(searcher, "a", same_second) == ["1_call a", "5_default x"]


async def test_address_that_is_left_out_gives_no_values_either(database_url: str, searcher: Searcher):
    there = bytes([10, 0, 0, 7])
    packets = [sip(0, "a"), sip(1, "a", from_user="mallory", source=there), other(2, 5, "alice")]
    await store(database_url, [*packets, other(3, 5, "mallory"), other(4, 5, "alice", destination=there)])
    rtcp = rule("data_header.from_user", "5_default")

    assert await found(searcher, "a", rtcp, without=["10.0.0.0/8"]) == ["1_call a", "5_default alice"]
    assert len(await found(searcher, "a", rtcp)) == 5


async def test_what_several_rules_find_is_there_once_and_in_order_of_time(
    database_url: str, searcher: Searcher
):
    await store(
        database_url, [other(3, 5, "a"), sip(2, "a"), other(2, 5, "a"), other(1, 5, "a"), sip(0, "a")]
    )
    rtcp = rule("data_header.callid", "5_default")

    transaction = await correlate(searcher, "a", rtcp, rtcp | {"source_field": "sid"})

    times = [m.stored.time_us - START_US for m in reversed(transaction.page.rows)]
    assert times == [0, 1, 2, 2, 3]


async def test_what_a_second_agent_sent_too_is_left_out_where_that_is_wanted(
    database_url: str, searcher: Searcher
):
    again, elsewhere = sip(5, "a"), sip(1, "a", capture_id=7, source=bytes([10, 0, 0, 1]))
    await store(
        database_url, [sip(0, "a"), elsewhere, again, other(6, 5, "a"), other(7, 5, "a", capture_id=7)]
    )
    rtcp = rule("data_header.callid", "5_default")

    assert len(await found(searcher, "a", rtcp)) == 5
    once = await correlate(searcher, "a", rtcp, deduplicate=True)
    # The same agent's own repetition stays: it was sent twice.
    assert [(m.stored.time_us - START_US, m.fields["node"]) for m in reversed(once.page.rows)] == [
        (0, "2001"),
        (5, "2001"),
        (6, "2001"),
    ]


async def test_calls_of_several_classes_follow_each_its_own_rules(database_url: str, searcher: Searcher):
    register = sip(1, "r", method="REGISTER")
    await store(database_url, [sip(0, "a"), register, other(2, 5, "a"), other(3, 5, "r"), other(4, 100, "r")])
    rtcp, log = rule("data_header.callid", "5_default"), rule("sid", "100_default")
    asked = [
        Calls(MessageClass.CALL, ["a"], read_rules(MessageClass.CALL, [rtcp], FIELDS)),
        Calls(MessageClass.REGISTRATION, ["r"], read_rules(MessageClass.REGISTRATION, [log], FIELDS)),
    ]

    page, _ = await find_transaction(searcher, asked, START_US, START_US + MINUTE_US, limit=100)

    assert [m.stored.message_class.key for m in reversed(page.rows)] == [
        "1_call",
        "1_registration",
        "5_default",
        "100_default",
    ]


SEARCHES = [rule("data_header.from_user", f"{key}_default", like_search=True) for key in (5, 35, 100)]


@pytest.mark.parametrize("pool_size", [1, 2, 5])
async def test_searches_share_the_connections_that_are_free(database_url: str, pool_size: int):
    reports = [other(index, kind, "alice") for index, kind in enumerate([5, 35, 100], 1)]
    await store(database_url, [sip(0, "a"), *reports])
    engine = connect(database_url, SearchSettings(pool_size=pool_size))
    searcher = Searcher(engine, SearchSettings(pool_size=pool_size))

    shown = await asyncio.gather(*(found(searcher, "a", *SEARCHES) for _ in range(8)))

    assert shown == [["1_call a", "5_default alice", "35_default alice", "100_default alice"]] * 8
    await searcher.close()
    await engine.dispose()


WAITING = (
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


async def until_waiting(connection: Any, count: int) -> None:
    async with asyncio.timeout(10):
        while await connection.fetchval(WAITING) != count:  # noqa: ASYNC110 (the database tells no other way)
            await asyncio.sleep(0.01)


async def test_searches_run_at_the_same_time_and_are_given_up_together(database_url: str, searcher: Searcher):
    await store(
        database_url, [sip(0, "a"), other(1, 5, "alice"), other(2, 35, "alice"), other(3, 100, "alice")]
    )
    await found(searcher, "a", *SEARCHES)
    connection = await asyncpg.connect(database_url)
    watcher = await asyncpg.connect(database_url)
    leaves = await connection.fetch(
        "select oid::regclass::text from pg_class where relispartition and relkind = 'r'"
        " and (relname like 'messages_5%' or relname like 'messages_35%' or relname like 'messages_100%')"
    )

    async with connection.transaction():
        for (leaf,) in leaves:
            await connection.execute(f"lock table {leaf} in access exclusive mode")
        asking = asyncio.create_task(correlate(searcher, "a", *SEARCHES))
        await until_waiting(watcher, 3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until_waiting(watcher, 0)

    assert len(await found(searcher, "a", *SEARCHES)) == 4
    await connection.close()
    await watcher.close()


async def test_connection_that_is_not_to_be_had_is_done_without(
    database_url: str, searcher: Searcher, server: Server
):
    reports = [other(index, kind, "alice") for index, kind in enumerate([5, 35, 100], 1)]
    await store(database_url, [sip(0, "a"), *reports])
    # From now on it has one connection, and gets no other.
    await found(searcher, "a")
    name = urlsplit(database_url).path.removeprefix("/")
    server.execute(f'alter database "{name}" allow_connections false')

    shown = await found(searcher, "a", *SEARCHES)

    assert shown == ["1_call a", "5_default alice", "35_default alice", "100_default alice"]


async def test_deadline_cuts_rules_off_and_keeps_the_call(database_url: str):
    await store(database_url, [sip(0, "a"), other(1, 5, "alice"), other(2, 35, "alice")])
    settings = SearchSettings(deadline_s=1.0)
    engine = connect(database_url, settings)
    searcher = Searcher(engine, settings)
    # From now on it knows the partitions.
    await correlate(searcher, "a", *SEARCHES[:2])
    connection = await asyncpg.connect(database_url)
    (leaf,) = await connection.fetchrow(
        "select oid::regclass::text from pg_class where relispartition and relname like 'messages_35%'"
        " and relkind = 'r'"
    )

    async with connection.transaction():
        await connection.execute(f"lock table {leaf} in access exclusive mode")
        page, _ = await correlate(searcher, "a", *SEARCHES[:2])

    assert page.incomplete == "time"
    assert {m.stored.message_class for m in page.rows} >= {MessageClass.CALL}
    await connection.close()
    await searcher.close()
    await engine.dispose()


async def test_error_in_one_of_the_searches_is_no_answer(database_url: str, searcher: Searcher):
    await store(
        database_url, [sip(0, "a"), other(1, 5, "alice"), other(2, 35, "alice"), other(3, 100, "alice")]
    )
    connection = await asyncpg.connect(database_url)
    await connection.execute("alter table messages_100_default rename column method to gone")

    with pytest.raises(DatabaseError):
        await correlate(searcher, "a", *SEARCHES)

    await connection.close()


# Over HTTP


async def test_rules_that_people_have_changed_count_and_their_scripts_are_named(database_url: str):
    await store(database_url, [sip(0, "a"), other(1, 35, "alice"), other(2, 5, "a")])
    rules = [
        rule("data_header.from_user", "35_default", output_script="rows", input_function_js="data"),
        rule("data_header.grüße", "5_default"),
        rule("sid", "0_remote"),
    ]
    body = {
        "param": {"search": {"1_call": {"callid": ["a"]}}},
        "timestamp": {"from": START_US // 1000, "to": START_US // 1000 + 1},
    }
    async with an_api(database_url) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())
        (mapping,) = (await api.client.get("/api/v3/mapping/protocol/1/call")).json()["data"]
        before = await api.client.post("/api/v3/call/transaction", json=body)

        changed = await api.client.put(
            f"/api/v3/mapping/protocol/{mapping['guid']}", json=mapping | {"correlation_mapping": rules}
        )
        after = await api.client.post("/api/v3/call/transaction", json=body)
        text = await api.client.post("/api/v3/export/call/messages/text", json=body)

    def classes(answer: Any) -> list[str]:
        return [message["profile"] for message in answer.json()["data"]["messages"]]

    assert changed.status_code == 200, changed.text
    assert classes(before) == ["1_call", "5_default"]
    assert not before.headers.keys() & {"x-rhapsode-skipped", "x-rhapsode-warning"}
    assert classes(after) == ["1_call", "35_default"]
    for answer in (after, text):
        assert answer.headers["X-Rhapsode-Skipped"] == (
            "1_call rule 1: input_function_js; 1_call rule 1: output_script;"
            " 1_call rule 3: a look-up on another machine (lookup_id 0)"
        )
        warning = answer.headers["X-Rhapsode-Warning"]
        assert warning == "1_call rule 2: unknown field: data_header.gr%C3%BC%C3%9Fe"


async def test_profile_without_a_mapping_of_the_program_has_its_session_ids_alone(database_url: str):
    await store(database_url, [other(0, 54, "a"), other(1, 5, "a")])
    body = {
        "param": {"search": {"54_default": {"callid": ["a"]}}},
        "timestamp": {"from": START_US // 1000, "to": START_US // 1000 + 1},
    }
    async with an_api(database_url) as api:
        await add_user(api.context.engine)
        api.client.headers.update(await api.log_in())

        answer = await api.client.post("/api/v3/call/transaction", json=body)

    assert [message["profile"] for message in answer.json()["data"]["messages"]] == ["54_default"]
