"""The description of the API in the words of OpenAPI 3.0, for viewers that know no other.

The page of the web UI is one: of 3.1, which FastAPI writes, it shows nothing. Source: OpenAPI 3.0.3, "Schema
Object"; "Migrating from OpenAPI 3.0 to 3.1". Pure.
"""

from typing import Any

Json = Any  # a value of JSON

VERSION = "3.0.3"


def to_openapi_3_0(description: dict[str, Json]) -> dict[str, Json]:
    """The same description; null, constants and examples as 3.0 spells them."""
    older: dict[str, Json] = _older(description)
    return {**older, "openapi": VERSION}


def _older(value: Json) -> Json:
    if isinstance(value, list):
        return [_older(item) for item in value]
    if not isinstance(value, dict):
        return value
    # A property may have the name of a keyword: those are schemas, no lists of examples or types.
    if isinstance(properties := value.get("properties"), dict):
        others = {key: item for key, item in value.items() if key != "properties"}
        return {**_older(others), "properties": {name: _older(item) for name, item in properties.items()}}
    older = {key: _older(item) for key, item in value.items()}
    if isinstance(examples := older.get("examples"), list):
        del older["examples"]
        older |= {"example": examples[0]} if examples else {}
    if "const" in older:
        older["enum"] = [older.pop("const")]
    if isinstance(types := older.get("type"), list):
        del older["type"]
        older |= _any_of([{"type": name} for name in types])
    if isinstance(alternatives := older.get("anyOf"), list):
        del older["anyOf"]
        older |= _any_of(alternatives)
    if older.get("type") == "null":
        older = {"nullable": True, "enum": [None]}
    return older


def _any_of(alternatives: list[Json]) -> dict[str, Json]:
    others = [
        item for item in alternatives if item not in ({"type": "null"}, {"nullable": True, "enum": [None]})
    ]
    nullable = {"nullable": True} if len(others) < len(alternatives) else {}
    if len(others) == 1:
        return {**others[0], **nullable}
    return {"anyOf": others, **nullable}
