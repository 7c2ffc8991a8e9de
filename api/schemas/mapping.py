"""Homer's names for mappings, as far as OpenAPI describes them; the rows themselves are `api.mapping`'s."""

from typing import Any

import msgspec


class MappingRow(msgspec.Struct):
    """One message class and its fields."""

    guid: str
    profile: str
    hepid: int
    hep_alias: str
    partid: int
    version: int
    retention: int
    partition_step: int
    create_index: dict[str, Any]
    create_table: str
    correlation_mapping: list[dict[str, Any]]
    fields_mapping: list[dict[str, Any]]
    fields_settings: dict[str, Any]
    schema_mapping: dict[str, Any]
    schema_settings: dict[str, Any]
    user_mapping: list[dict[str, Any]] | None
    """In the web UI these take the place of fields of the same id."""


class Tag(msgspec.Struct):
    """A field as the smart input offers it."""

    name: str
    value: str


class Tags(msgspec.Struct):
    data: list[Tag] = []


class TagsAnswer(msgspec.Struct):
    data: Tags


class MappingAnswer(msgspec.Struct):
    count: int
    data: list[MappingRow]
