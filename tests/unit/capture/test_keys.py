"""Which values of a message its call has not shown in a bucket."""

from capture.keys import KEY_RULES, KEY_VALUE_CHARS, KeyMemory, keyed_rules
from capture.store.columns import KEY_TEXT_COLUMNS

ALICE = bytes((192, 0, 2, 1))
BOB = bytes((192, 0, 2, 2))


def values(**given: str) -> list[str]:
    return [given.get(column, "") for column in KEY_TEXT_COLUMNS]


def column(name: str) -> int:
    return KEY_TEXT_COLUMNS.index(name)


def test_every_key_column_has_a_rule() -> None:
    assert set(KEY_RULES) == {*KEY_TEXT_COLUMNS, "address", "custom"}


def test_first_message_of_a_call_brings_all_its_values() -> None:
    row = KeyMemory(10).new_values(1, 7, values(sid="a", from_user="1"), ALICE, BOB)

    assert row is not None
    assert row.values[column("sid")] == "a"
    assert row.values[column("from_user")] == "1"
    assert row.values[column("to_user")] is None
    assert (row.source, row.destination, row.cut, row.extra) == (ALICE, BOB, False, None)


def test_answer_with_swapped_ends_brings_nothing() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(sid="a"), ALICE, BOB)

    assert memory.new_values(1, 7, values(sid="a"), BOB, ALICE) is None


def test_message_to_oneself_brings_its_address_once() -> None:
    row = KeyMemory(10).new_values(1, 7, values(sid="a"), ALICE, ALICE)

    assert row is not None
    assert (row.source, row.destination) == (ALICE, None)


def test_new_value_comes_alone() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(sid="a", to_user="1"), ALICE, BOB)

    row = memory.new_values(1, 7, values(sid="a", to_user="2"), ALICE, BOB)

    assert row is not None
    assert [v for v in row.values if v is not None] == ["2"]
    assert row.source is None


def test_equal_value_in_another_column_is_new() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(from_user="1"), None, None)

    row = memory.new_values(1, 7, values(from_user="1", to_user="1"), None, None)

    assert row is not None
    assert row.values[column("to_user")] == "1"


def test_another_leaf_and_another_call_know_nothing() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(sid="a"), ALICE, BOB)

    assert memory.new_values(2, 7, values(sid="a"), ALICE, BOB) is not None
    assert memory.new_values(1, 8, values(sid="a"), ALICE, BOB) is not None


def test_forgetting_writes_again() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(sid="a"), ALICE, BOB)

    memory.forget()

    assert memory.new_values(1, 7, values(sid="a"), ALICE, BOB) is not None


def test_evicted_call_is_written_again_and_a_used_one_is_kept() -> None:
    memory = KeyMemory(4)
    memory.new_values(1, 0, values(sid="kept"), None, None)
    for call in range(1, 20):
        memory.new_values(1, call, values(sid="x"), None, None)
        assert memory.new_values(1, 0, values(sid="kept"), None, None) is None

    assert memory.new_values(1, 1, values(sid="x"), None, None) is not None


def test_long_value_is_cut_and_marks_the_row() -> None:
    row = KeyMemory(10).new_values(1, 7, values(from_user="é" * 300), None, None)

    assert row is not None
    assert row.values[column("from_user")] == "é" * KEY_VALUE_CHARS
    assert row.cut


def test_two_long_values_with_one_beginning_are_two() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(from_user="1" * 300), None, None)

    assert memory.new_values(1, 7, values(from_user="1" * 301), None, None) is not None


def test_long_value_is_known_again_though_it_is_not_kept() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(from_user="1" * 300), None, None)

    assert memory.new_values(1, 7, values(from_user="1" * 300), None, None) is None
    assert memory.new_values(1, 7, values(from_user="1" * 200), None, None) is not None


def test_values_that_come_back_in_turn_are_all_known() -> None:
    memory = KeyMemory(10)
    users = ("1", "2", "3")
    for user in users:
        assert memory.new_values(1, 7, values(from_user=user, node="n"), ALICE, BOB) is not None

    assert [memory.new_values(1, 7, values(from_user=user), BOB, ALICE) for user in users] == [None] * 3


def test_value_within_a_known_one_is_new() -> None:
    memory = KeyMemory(10)
    memory.new_values(1, 7, values(from_user="123"), None, None)

    assert memory.new_values(1, 7, values(from_user="2"), None, None) is not None


def test_custom_header_is_keyed_by_name_and_value() -> None:
    memory = KeyMemory(10)

    row = memory.new_values(1, 7, values(sid="a"), None, None, {"custom:X-Trunk": "blue"})
    again = memory.new_values(1, 7, values(sid="a"), None, None, {"custom:X-Trunk": "blue"})
    other = memory.new_values(1, 7, values(sid="a"), None, None, {"custom:X-Trunk": "red"})

    assert row is not None
    assert row.extra == {"custom:X-Trunk": ["blue"]}
    assert again is None
    assert other is not None
    assert other.extra == {"custom:X-Trunk": ["red"]}


def test_call_with_ever_new_values_stays_bounded_and_writes_again() -> None:
    memory = KeyMemory(10)
    for number in range(1000):
        assert memory.new_values(1, 7, values(to_user=str(number)), None, None) is not None

    assert memory.new_values(1, 7, values(to_user="0"), None, None) is not None


def test_keying_version_names_each_custom_header() -> None:
    rules = keyed_rules(["X-Trunk"])

    assert rules["custom:X-Trunk"] == KEY_RULES["custom"]
    assert "custom" not in rules
