"""What the statements of a search touch."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.database import PLANNED_ONCE, connect, read_only
from api.search.buckets import grouped
from api.search.catalog import Catalog
from api.search.narrow import Narrowing, narrow
from api.search.query import Condition, Operator, Query
from api.search.snapshot import CallAt, by_time, newest_of_calls, of_calls, open_snapshot, probe
from api.search.sql import Sql, render
from capture.draft import Draft
from capture.hep.packet import Packet
from capture.route import MessageClass
from capture.settings import StorageSettings
from tests.support.stored import a_packet, store

START_US = 1_765_000_800_000_000
HOUR_US = 3_600_000_000
BUCKETS = 12


def _packets(buckets: int, calls: int) -> list[Packet]:
    return [
        a_packet(
            START_US + bucket * HOUR_US + call * 1_000_000,
            f"INVITE sip:b@x SIP/2.0\r\nFrom: <sip:user{call}@x>\r\nTo: <sip:b@x>\r\n"
            f"Call-ID: {bucket}-{call}\r\nCSeq: 1 INVITE\r\n\r\n".encode(),
        )
        for bucket in range(buckets)
        for call in range(calls)
    ]


@asynccontextmanager
async def _filled(
    database_url: str,
    packets: list[Packet],
    script: Callable[[Draft], None] | None = None,
    *,
    analyzed: bool = True,
) -> AsyncIterator[AsyncEngine]:
    await store(database_url, packets, storage=StorageSettings(partition_hours=1), script=script)
    engine = connect(database_url)
    if analyzed:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("analyze"))
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Twelve buckets of an hour."""
    async with _filled(database_url, _packets(BUCKETS, 20)) as engine:
        yield engine


@pytest.fixture
async def busy_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """One bucket, with so many calls that an index is worth it."""
    async with _filled(database_url, _packets(1, 3000)) as engine:
        yield engine


async def _plan(engine: AsyncEngine, statement: Sql) -> dict[str, list[dict[str, Any]]]:
    """The nodes of the plan that touch a table, by that table."""
    words, values = render(statement)
    async with read_only(engine, 30) as reading:
        ((document,),) = await reading.fetch(f"explain (format json) {words}", *values)
    nodes: dict[str, list[dict[str, Any]]] = {}

    def collect(node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            nodes.setdefault(node["Relation Name"], []).append(node)
        for inner in node.get("Plans", []):
            collect(inner)

    (whole,) = json.loads(document) if isinstance(document, str) else document
    collect(whole["Plan"])
    return nodes


def _probe(narrowing: Narrowing) -> Sql:
    """The statement for the calls of the first key atom."""
    places = narrowing.calls[0].places
    assert places is not None
    return probe(places)


async def _narrowed(engine: AsyncEngine, query: Query) -> list[tuple[Any, Any]]:
    async with open_snapshot(engine, Catalog(), 30) as snapshot:
        found = await snapshot.buckets([query.message_class], query.from_us, query.to_us)
    return [(group, narrow(query, group)) for group in grouped(found[query.message_class])]


async def test_only_the_windows_partitions_are_touched(engine: AsyncEngine):
    from_us, to_us = START_US + 4 * HOUR_US, START_US + 7 * HOUR_US - 1
    query = Query(MessageClass.CALL, from_us, to_us, 200, Condition("from_user", Operator.EQUAL, ("user7",)))

    narrowed = await _narrowed(engine, query)

    lowers = [lower for group, _ in narrowed for lower in group.lowers]
    assert lowers == [START_US + hour * HOUR_US for hour in (6, 5, 4)]
    for group, narrowing in narrowed:
        plan = await _plan(engine, by_time(MessageClass.CALL, narrowing, None, 256))
        kinds = sorted(name.partition("_")[0] for name in plan)
        assert kinds == ["keys"] * len(group.lowers) + ["messages"] * len(group.lowers)


async def test_buckets_are_asked_in_groups_that_double(engine: AsyncEngine):
    everything = Query(MessageClass.CALL, 0, START_US + 99 * HOUR_US, 200)

    narrowed = await _narrowed(engine, everything)

    assert [len(group.lowers) for group, _ in narrowed] == [1, 2, 4, 5]
    lowers = [lower for group, _ in narrowed for lower in group.lowers]
    assert lowers == sorted(lowers, reverse=True)
    assert len(lowers) == BUCKETS


async def test_keys_are_found_by_their_index(busy_engine: AsyncEngine):
    for condition in (
        Condition("from_user", Operator.EQUAL, ("user7",)),
        Condition("from_user", Operator.EQUAL, ("user7", "user8")),
        Condition("from_user", Operator.LIKE, ("user199%",)),
        Condition("source", Operator.EQUAL, ("198.51.100.1",)),
    ):
        query = Query(MessageClass.CALL, START_US, START_US + HOUR_US - 1, 200, condition)

        ((_, narrowing),) = await _narrowed(busy_engine, query)
        (nodes,) = (await _plan(busy_engine, _probe(narrowing))).values()

        assert {node["Node Type"] for node in nodes} <= {"Bitmap Heap Scan", "Index Scan"}, condition


async def test_newest_rows_are_read_off_the_time_index(busy_engine: AsyncEngine):
    query = Query(MessageClass.CALL, START_US, START_US + HOUR_US - 1, 200)

    ((_, narrowing),) = await _narrowed(busy_engine, query)
    (nodes,) = (await _plan(busy_engine, by_time(MessageClass.CALL, narrowing, None, 20))).values()

    assert [node["Node Type"] for node in nodes] == ["Index Scan"]
    assert nodes[0]["Scan Direction"] == "Backward"


async def test_rare_status_is_found_by_its_index(busy_engine: AsyncEngine):
    query = Query(
        MessageClass.CALL,
        START_US,
        START_US + HOUR_US - 1,
        200,
        Condition("method", Operator.EQUAL, ("604",)),
    )

    ((_, narrowing),) = await _narrowed(busy_engine, query)
    (nodes,) = (await _plan(busy_engine, by_time(MessageClass.CALL, narrowing, None, 20))).values()

    # In its own order, so that none but the newest are read.
    assert [node["Node Type"] for node in nodes] == ["Index Scan"]
    assert "method" in nodes[0]["Index Cond"]


async def test_indexes_serve_where_a_script_tags_every_message(database_url: str):
    def script(draft: Draft) -> None:
        draft.write("custom:trunk", f"trunk-{draft.meaning.sid}")

    by_tag = Condition("custom:trunk", Operator.EQUAL, ("trunk-0-7",))
    by_status = Condition("method", Operator.EQUAL, ("604",))
    async with _filled(database_url, _packets(1, 3000), script) as engine:
        (of_tag,) = [
            await _plan(engine, _probe(narrowing))
            for _, narrowing in await _narrowed(engine, _of_an_hour(by_tag))
        ]
        (of_status,) = [
            await _plan(engine, by_time(MessageClass.CALL, narrowing, None, 20))
            for _, narrowing in await _narrowed(engine, _of_an_hour(by_status))
        ]

    (tags,), (statuses,) = of_tag.values(), of_status.values()
    assert [node["Node Type"] for node in tags] == ["Bitmap Heap Scan"]
    assert "method" in statuses[0]["Index Cond"]


def _of_an_hour(condition: Condition) -> Query:
    return Query(MessageClass.CALL, START_US, START_US + HOUR_US - 1, 200, condition)


async def test_many_calls_are_walked_from_the_newest_on(busy_engine: AsyncEngine):
    query = Query(
        MessageClass.CALL,
        START_US,
        START_US + HOUR_US - 1,
        200,
        Condition("from_user", Operator.LIKE, ("u%",)),
    )

    ((_, narrowing),) = await _narrowed(busy_engine, query)
    plan = await _plan(busy_engine, by_time(MessageClass.CALL, narrowing, None, 20))

    (messages,) = (nodes for table, nodes in plan.items() if table.startswith("messages"))
    assert [(node["Node Type"], node["Scan Direction"]) for node in messages] == [("Index Scan", "Backward")]


async def test_messages_of_hundreds_of_calls_are_looked_up_call_by_call(busy_engine: AsyncEngine):
    # A column that nothing has this value in tempts the planner to begin with the messages.
    condition = Condition("source_port", Operator.EQUAL, (1,))
    query = Query(MessageClass.CALL, START_US, START_US + HOUR_US - 1, 200, condition)
    async with busy_engine.connect() as connection:
        rows = await connection.execute(text("select call, bucket from keys_1_call limit 900"))
        calls = [CallAt(*row) for row in rows]

    ((_, narrowing),) = await _narrowed(busy_engine, query)
    statement = of_calls("m.id", MessageClass.CALL, narrowing, calls, 20_000)
    (nodes,) = (await _plan(busy_engine, statement)).values()

    assert [(node["Node Type"], node["Index Name"].rpartition("_p")[2][2:]) for node in nodes] == [
        ("Index Scan", "call_idx")
    ]


@pytest.mark.parametrize(
    "condition",
    [
        Condition("from_user", Operator.EQUAL, ("user7",)),
        Condition("from_user", Operator.LIKE, ("user19%",)),
        Condition("sid", Operator.LIKE, ("1-19%",)),
    ],
)
async def test_plan_for_all_values_finds_keys_by_their_index(database_url: str, condition: Condition):
    query = Query(MessageClass.CALL, START_US, START_US + 4 * HOUR_US - 1, 200, condition)
    async with _filled(database_url, _packets(4, 700)) as engine:
        async with open_snapshot(engine, Catalog(), 30) as snapshot:
            found = await snapshot.buckets([query.message_class], query.from_us, query.to_us)
        (group,) = grouped(found[query.message_class], first=4)
        plan = await _plan_for_all_values(engine, _probe(narrow(query, group)))

    assert "$1" in plan
    assert plan.count("_idx") >= 4
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize(
    "condition",
    [
        Condition("from_user", Operator.EQUAL, ("user7",)),
        Condition("from_user", Operator.LIKE, ("user19%",)),
        Condition("source", Operator.EQUAL, ("198.51.100.1",)),
        Condition("call_id", Operator.EQUAL, ("0-1",)),
    ],
    ids=["value", "beginning", "address", "call"],
)
async def test_plan_for_all_values_is_made_for_what_a_partition_will_hold(
    database_url: str, condition: Condition, analyzed: bool
):
    # So few rows that to read all of them costs least; the plan is kept while more come.
    async with _filled(database_url, _packets(1, 20), analyzed=analyzed) as engine:
        ((_, narrowing),) = await _narrowed(engine, _of_an_hour(condition))
        plan = await _plan_for_all_values(engine, _probe(narrowing))

    assert "_idx" in plan
    assert "Seq Scan" not in plan


async def test_plan_for_all_addresses_is_not_made_for_one_that_all_calls_have(busy_engine: AsyncEngine):
    query = _of_an_hour(Condition("source", Operator.EQUAL, ("198.51.100.1",)))
    ((_, narrowing),) = await _narrowed(busy_engine, query)

    plan = await _plan_for_all_values(busy_engine, _probe(narrowing))

    assert "_source_idx" in plan
    assert "_destination_idx" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("calls_each", [20, 700])
@pytest.mark.parametrize("known", [True, False], ids=["buckets known", "any bucket"])
async def test_plan_for_all_calls_looks_them_up_in_the_windows_partitions(
    database_url: str, known: bool, calls_each: int, analyzed: bool
):
    # A column beside the calls, with which a plan for all values could begin.
    condition = Condition("method", Operator.EQUAL, ("604",))
    query = Query(MessageClass.CALL, START_US, START_US + 3 * HOUR_US - 1, 200, condition)
    calls = [CallAt(number, START_US if known else None) for number in range(9)]
    async with _filled(database_url, _packets(4, calls_each), analyzed=analyzed) as engine:
        async with open_snapshot(engine, Catalog(), 30) as snapshot:
            found = await snapshot.buckets([query.message_class], query.from_us, query.to_us)
        (group,) = grouped(found[query.message_class], first=4)
        statement = newest_of_calls(MessageClass.CALL, narrow(query, group), calls, 256)
        plan = await _plan_for_all_values(engine, statement)

    assert statement.planned_once
    assert plan.count("_call_idx") == len(group.lowers) == 3
    assert "Seq Scan" not in plan
    assert "time_us_id_idx" not in plan


async def test_calls_are_looked_for_in_the_partitions_of_their_buckets_alone(engine: AsyncEngine):
    query = Query(MessageClass.CALL, START_US, START_US + BUCKETS * HOUR_US - 1, 200)
    async with open_snapshot(engine, Catalog(), 30) as snapshot:
        found = await snapshot.buckets([query.message_class], query.from_us, query.to_us)
    (group,) = grouped(found[query.message_class], first=BUCKETS)
    calls = [CallAt(1, group.lowers[2]), CallAt(2, group.lowers[2]), CallAt(3, group.lowers[7])]
    words, values = render(newest_of_calls(MessageClass.CALL, narrow(query, group), calls, 256))

    async with read_only(engine, 30, (), PLANNED_ONCE) as reading:
        await reading.execute(f"prepare planned as {words}")
        given = ", ".join("'{" + ", ".join(map(str, value)) + "}'" for value in values)
        explained = await reading.fetch(f"explain (analyze, timing off) execute planned ({given})")

    scans = [line for (line,) in explained if "_call_idx" in line]
    assert len(scans) == BUCKETS
    assert sum("never executed" not in scan for scan in scans) == 2


async def _plan_for_all_values(engine: AsyncEngine, statement: Sql) -> str:
    words, values = render(statement)
    async with read_only(engine, 30) as reading:
        await reading.fetch(words, *values, planned_once=True)
        # The values make no difference to this plan, so none are given.
        await reading.execute(f"prepare planned as {words}")
        explained = await reading.fetch(f"explain execute planned ({', '.join(['null'] * len(values))})")
    return "\n".join(line for (line,) in explained)
