"""The rows from which the web UI builds forms and columns."""

from typing import Any

import msgspec
import pytest

from api.mapping import mapping_rows
from api.schemas.mapping import MappingRow
from api.search.fields import class_fields
from capture.route import MessageClass

CONTROLS = {"profile", "node", "smartinput"}
FORM_KEYS = {"id", "name", "type", "index", "form_type", "position", "skip", "hide"}


def row_of(message_class: MessageClass, **options: Any) -> dict[str, Any]:
    rows = mapping_rows("LocalNode", **options)
    return next(row for row in rows if f"{row['hepid']}_{row['profile']}" == message_class.key)


def field_of(row: dict[str, Any], id_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(field for field in row["fields_mapping"] if field["id"] == id_)
    return found


def test_there_is_one_row_a_class() -> None:
    rows = mapping_rows("LocalNode")

    assert sorted(f"{row['hepid']}_{row['profile']}" for row in rows) == sorted(c.key for c in MessageClass)
    assert len({row["guid"] for row in rows}) == len(rows)


def test_rows_are_as_described() -> None:
    for row in mapping_rows("LocalNode", ["X-CID"]):
        assert msgspec.structs.asdict(msgspec.convert(row, MappingRow)) == row


def test_what_scripts_set_is_listed_in_every_class_under_its_own_name() -> None:
    for row in mapping_rows("LocalNode", ["X-CID"], ["customer"]):
        field = field_of(row, "data_header.customer")
        assert (field["name"], field["type"], field["form_type"]) == ("customer", "string", "input")


@pytest.mark.parametrize("name", ["method", "msg_name", "proto"])
def test_tag_called_as_a_field_of_another_class_is_a_field_like_any_other_tag(name: str) -> None:
    for message_class in MessageClass:
        row = row_of(message_class, script_names=[name])
        assert [field["id"] for field in row["fields_mapping"]].count(f"data_header.{name}") == 1
        if f"data_header.{name}" in class_fields(message_class):
            assert row == row_of(message_class)
        else:
            field = field_of(row, f"data_header.{name}")
            assert (field["name"], field["hide"], "form_default" in field) == (name, True, False)


def test_guids_stay_the_same() -> None:
    assert row_of(MessageClass.CALL)["guid"] == "44362f39-4211-583c-a624-649e04182085"


@pytest.mark.parametrize("message_class", MessageClass)
def test_every_searchable_field_is_listed_once(message_class: MessageClass) -> None:
    listed = [field["id"] for field in row_of(message_class, custom_headers=["X-CID"])["fields_mapping"]]

    fields = set(class_fields(message_class, ["X-CID"])) - {"id", "create_date"}
    assert set(listed) - CONTROLS == fields
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("message_class", MessageClass)
def test_every_field_has_what_the_form_reads(message_class: MessageClass) -> None:
    for field in row_of(message_class)["fields_mapping"]:
        assert field.keys() >= FORM_KEYS
        assert field["type"] in ("string", "integer")


def test_session_id_is_text_for_share_links() -> None:
    assert field_of(row_of(MessageClass.CALL), "sid")["type"] == "string"


def test_node_list_offers_this_node_in_lower_case() -> None:
    node = field_of(row_of(MessageClass.CALL), "node")

    assert node["form_default"] == [{"value": "localnode", "name": "LocalNode"}]
    assert node["mapping"] == "param.location.node"


def test_call_is_correlated_by_homers_rules_and_its_legs_come_first() -> None:
    rules = row_of(MessageClass.CALL)["correlation_mapping"]

    assert [(rule["source_field"], rule["lookup_id"], rule["lookup_field"]) for rule in rules] == [
        ("data_header.callid", 1, "data_header.callid"),
        ("protocol_header.correlation_id", 1, "sid"),
        ("data_header.callid", 100, "sid"),
        ("data_header.callid", 5, "sid"),
    ]
    assert [rule.get("append_sid", False) for rule in rules] == [False, True, False, False]
    assert all(rule["lookup_range"] == [-300, 200] for rule in rules)
