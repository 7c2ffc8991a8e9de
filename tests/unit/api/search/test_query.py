"""Windows and the text form of a question."""

import msgspec

from api.search.query import (
    And,
    Condition,
    Not,
    Operator,
    Or,
    Position,
    Query,
    fields_of,
    query_text,
    window,
)
from capture.route import MessageClass


def test_end_of_window_includes_its_whole_millisecond():
    assert window(1000, 2000) == (1_000_000, 2_000_999)


def test_window_beyond_all_times_still_fits_a_bigint():
    from_us, to_us = window(-(2**63), 2**63 - 1)

    assert -(2**63) < from_us < to_us < 2**63


def test_text_that_postgresql_cannot_hold_becomes_what_a_stored_message_shows():
    assert query_text("a\0b") == "a\ufffdb"
    assert query_text("\ud800").encode()
    assert query_text("grüße & 'so'") == "grüße & 'so'"


def test_query_survives_the_way_to_another_process():
    where = And((Or((Condition("a", Operator.EQUAL, (1, "x")), Not(Condition("b", Operator.NULL)))),))
    query = Query(MessageClass.CALL, 1, 2, 3, where)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(query), type=Query) == query


def test_fields_of_an_expression_are_all_that_it_names():
    where = And((Or((Condition("a", Operator.NULL), Not(Condition("b", Operator.NULL)))),))

    assert fields_of(where) == {"a", "b"}


def test_positions_sort_by_time_then_id():
    assert Position(1, 9) < Position(2, 1) < Position(2, 3)
