"""The writer's names and SQLAlchemy's description say the same."""

import pytest

from capture.route import MessageClass
from capture.row import KEY_FIELDS, MESSAGE_FIELDS
from capture.store.columns import KEY_COLUMNS, MESSAGE_COLUMNS, keys_table, messages_table
from capture.store.tables import KEYS, MESSAGES


@pytest.mark.parametrize("message_class", MessageClass)
def test_columns_are_those_of_the_tables_in_order(message_class: MessageClass) -> None:
    messages, keys = MESSAGES[message_class], KEYS[message_class]

    assert messages.name == messages_table(message_class)
    assert keys.name == keys_table(message_class)
    assert [column.name for column in messages.columns] == ["id", *MESSAGE_COLUMNS]
    assert [column.name for column in keys.columns] == list(KEY_COLUMNS)


def test_rows_have_as_many_fields_as_columns() -> None:
    assert len(MESSAGE_COLUMNS) == MESSAGE_FIELDS
    assert len(KEY_COLUMNS) == KEY_FIELDS
