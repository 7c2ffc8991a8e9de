"""Bounds, the map of leaves and the plan for a time that nothing covers."""

from datetime import UTC, datetime

import pytest

from capture.route import MessageClass
from capture.store.partitions import (
    DAY_US,
    HIGHEST_US,
    HOUR_US,
    LOWEST_US,
    Bounds,
    CatalogEntry,
    Leaf,
    PartitionMap,
    leaves_of,
    occupied,
    parse_bounds,
    plan,
)

STEP_US = 2 * HOUR_US


def us(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type, misc]


NOW_US = us(2026, 11, 23, 10, 30)


def entry(
    name: str, lower: int, upper: int, *, parent: str | None = None, detaching: bool = False
) -> CatalogEntry:
    bound = f"FOR VALUES FROM ('{lower}') TO ('{upper}')"
    return CatalogEntry(parent or name.rpartition("_p")[0], name, bound, detaching)


def pair(number: int, lower: int, upper: int) -> list[CatalogEntry]:
    return [entry(f"{kind}_1_call_p{number}", lower, upper) for kind in ("messages", "keys")]


def test_bounds_are_read_as_the_catalog_writes_them() -> None:
    assert parse_bounds("FOR VALUES FROM ('1764000000000000') TO ('1764007200000000')") == Bounds(
        1764000000000000, 1764007200000000
    )
    assert parse_bounds("FOR VALUES FROM ('-5') TO ('7')") == Bounds(-5, 7)
    assert parse_bounds("FOR VALUES FROM (MINVALUE) TO (MAXVALUE)") == Bounds(LOWEST_US, HIGHEST_US)


def test_default_partition_has_no_bounds() -> None:
    assert parse_bounds("DEFAULT") is None


def test_leaf_takes_times_from_its_lower_bound_to_before_its_upper() -> None:
    first, second = Leaf(MessageClass.CALL, 1, 100, 200), Leaf(MessageClass.CALL, 2, 300, 400)
    partitions = PartitionMap([second, first])

    found = [partitions.find(MessageClass.CALL, time) for time in (99, 100, 199, 200, 299, 300, 399, 400)]

    assert found == [None, first, first, None, None, second, second, None]


def test_classes_do_not_share_leaves() -> None:
    partitions = PartitionMap([Leaf(MessageClass.CALL, 1, 100, 200)])

    assert partitions.find(MessageClass.REGISTRATION, 150) is None


def test_added_leaf_is_found_and_the_old_map_stays_as_it_was() -> None:
    before = PartitionMap([Leaf(MessageClass.CALL, 1, 100, 200)])
    leaf = Leaf(MessageClass.CALL, 2, 200, 300)

    after = before.with_leaf(leaf)

    assert after.find(MessageClass.CALL, 250) == leaf
    assert before.find(MessageClass.CALL, 250) is None


def test_leaf_names_its_tables() -> None:
    leaf = Leaf(MessageClass.LOG, 12, 0, 1)

    assert (leaf.messages_table, leaf.keys_table) == ("messages_100_default_p12", "keys_100_default_p12")


def test_leaf_needs_both_its_tables() -> None:
    assert leaves_of(pair(3, 100, 200)) == [Leaf(MessageClass.CALL, 3, 100, 200)]
    assert leaves_of(pair(3, 100, 200)[:1]) == []


@pytest.mark.parametrize(
    "catalog",
    [
        pytest.param([pair(3, 100, 200)[0], entry("keys_1_call_p3", 100, 300)], id="bounds differ"),
        pytest.param([pair(3, 100, 200)[0], entry("keys_1_call_p4", 100, 200)], id="numbers differ"),
        pytest.param([e._replace(detaching=True) for e in pair(3, 100, 200)], id="being detached"),
        pytest.param(
            [e._replace(parent="messages_5_default") for e in pair(3, 100, 200)], id="of another class"
        ),
        pytest.param([entry("archive_2025", 100, 200, parent="messages_1_call")], id="not ours"),
    ],
)
def test_what_is_no_pair_of_ours_takes_up_room_and_no_rows(catalog: list[CatalogEntry]) -> None:
    parents = {e.parent for e in catalog}
    message_class = MessageClass.RTCP if "messages_5_default" in parents else MessageClass.CALL

    assert leaves_of(catalog) == []
    assert Bounds(100, 200) in occupied(catalog, message_class)


def test_new_partition_is_a_step_aligned_to_the_epoch() -> None:
    bounds = plan(us(2026, 11, 23, 11, 59), NOW_US, STEP_US, [])

    assert bounds == Bounds(us(2026, 11, 23, 10), us(2026, 11, 23, 12))


def test_new_partition_is_clipped_to_its_neighbours() -> None:
    neighbours = [
        Bounds(us(2026, 11, 23, 9), us(2026, 11, 23, 10, 20)),
        Bounds(us(2026, 11, 23, 11, 10), us(2026, 11, 23, 13)),
        Bounds(us(2026, 11, 23, 15), us(2026, 11, 23, 17)),
    ]

    bounds = plan(us(2026, 11, 23, 11), NOW_US, STEP_US, neighbours)

    assert bounds == Bounds(us(2026, 11, 23, 10, 20), us(2026, 11, 23, 11, 10))


def test_covered_time_needs_no_plan() -> None:
    assert plan(150, NOW_US, STEP_US, [Bounds(100, 200)]) is None


@pytest.mark.parametrize(
    ("moment", "lower", "upper"),
    [
        ((2026, 2, 14), (2026, 2, 1), (2026, 3, 1)),
        ((2025, 12, 31, 23, 59), (2025, 12, 1), (2026, 1, 1)),
        ((2024, 2, 29), (2024, 2, 1), (2024, 3, 1)),
        ((2000, 1, 1), (2000, 1, 1), (2000, 2, 1)),
    ],
)
def test_old_time_gets_a_calendar_month(
    moment: tuple[int, ...], lower: tuple[int, ...], upper: tuple[int, ...]
) -> None:
    assert plan(us(*moment), NOW_US, STEP_US, []) == Bounds(us(*lower), us(*upper))


def test_sixty_days_are_not_old_yet() -> None:
    edge = NOW_US - 60 * DAY_US

    steps = [plan(time, NOW_US, STEP_US, []) for time in (edge, edge - 1)]

    widths = [bounds.upper_us - bounds.lower_us for bounds in steps if bounds]
    assert widths == [STEP_US, 30 * DAY_US]


def test_month_is_clipped_too() -> None:
    taken = [Bounds(us(2026, 2, 10), us(2026, 2, 11))]

    assert plan(us(2026, 2, 20), NOW_US, STEP_US, taken) == Bounds(us(2026, 2, 11), us(2026, 3, 1))
