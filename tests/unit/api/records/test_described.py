"""The description of settings objects is held by what is taken and what is refused."""

from typing import Any

import pytest

from api.errors import RequestError
from api.records.described import schema_of_kind
from api.records.kind import Kind, read_values
from api.records.kinds import ADVANCED, AGENT, ALIAS, HEPSUB, MAPPING, SCRIPT, USER_SETTING
from api.records.tokens import TOKEN
from api.records.users import USER

KINDS = [ALIAS, ADVANCED, MAPPING, HEPSUB, SCRIPT, AGENT, USER_SETTING, TOKEN, USER]
EVERY = [(kind, name) for kind in KINDS for name in schema_of_kind(kind, is_new=False)["properties"]]
OF_ALL_KINDS = pytest.mark.parametrize("kind", KINDS, ids=[kind.what for kind in KINDS])
OF_ALL_FIELDS = pytest.mark.parametrize(
    ("kind", "name"), EVERY, ids=[f"{kind.what}: {name}" for kind, name in EVERY]
)


def is_taken(kind: Kind, name: str, value: Any) -> bool:
    try:
        read_values(kind, {name: value}, is_new=False)
    except RequestError:
        return False
    return True


def edges(schema: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Values that are just within a schema, and some that are just outside of it."""
    if "anyOf" in schema:
        return ["192.0.2.1", "2001:db8::1"], ["192.0.2.256", "x"]
    match schema.get("type"):
        case "integer":
            least, most = schema["minimum"], schema["maximum"]
            return [least, most], [least - 1, most + 1, 1.5, "x", True, [], {}]
        case "boolean":
            return [True, False], ["x", 2, [], {}]
        case "array":
            return [[], [1]], [{"a": 1}, 5, "x"]
        case "object":
            return [{}, {"a": 1}], [[1], 5, "x"]
        case "string" if schema.get("format") == "date-time":
            return ["2030-12-31T23:59:59Z"], ["2030-13-01T00:00:00Z", "", [], {}]
        case "string" if "pattern" in schema:
            return ["é" * schema["maxLength"], "...", "a b"], ["", "a/b", ".", "..", "é" * 51, "a\0", []]
        case "string" if "examples" in schema:
            return schema["examples"], ["x", "192.0.2.0/33"]
        case "string":
            most = schema.get("maxLength")
            within = ["é" * schema.get("minLength", 0), "é" * (most or 2_000_000)]
            outside = [] if most is None else ["é" * (most + 1)]
            return within, [*outside, *([""] if schema.get("minLength") else []), "a\0b", [], {}]
    return [None, 0, "", [], {"a": "\0"}], []


@OF_ALL_FIELDS
def test_field_takes_what_is_described_and_nothing_beyond(kind: Kind, name: str) -> None:
    within, outside = edges(schema_of_kind(kind, is_new=False)["properties"][name])
    values = [value for value in within if value is not None]

    assert [value for value in values if not is_taken(kind, name, value)] == []
    assert [value for value in outside if is_taken(kind, name, value)] == []


@OF_ALL_KINDS
def test_new_object_needs_exactly_what_is_described(kind: Kind) -> None:
    schema = schema_of_kind(kind, is_new=True)
    least = {name: edges(schema["properties"][name])[0][-1] for name in schema["required"]}

    assert read_values(kind, least, is_new=True)
    for name in least:
        with pytest.raises(RequestError, match=f"'{name}' failed on the 'required' tag"):
            read_values(kind, {**least, name: None}, is_new=True)


def test_secrets_are_described_and_are_needed_of_a_new_one_alone() -> None:
    new, changed = (schema_of_kind(USER, is_new=is_new, secrets=["password"]) for is_new in (True, False))

    assert new["properties"]["password"] == {"type": "string", "format": "password"}
    assert new["required"] == [*USER.required, "password"]
    assert "required" not in changed
