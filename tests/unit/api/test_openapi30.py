"""The description of the API for viewers of OpenAPI 3.0."""

from collections.abc import Iterator
from typing import Any

from api.openapi30 import to_openapi_3_0
from api.settings import HttpSettings
from tests.support.api import an_api


def older(schema: dict[str, Any]) -> dict[str, Any]:
    described = to_openapi_3_0({"openapi": "3.1.0", "components": {"schemas": {"It": schema}}})
    result: dict[str, Any] = described["components"]["schemas"]["It"]
    return result


def test_null_becomes_a_property_of_the_other_type() -> None:
    text = {"type": "string"}

    assert older({"anyOf": [text, {"type": "null"}]}) == {"type": "string", "nullable": True}
    assert older({"type": ["string", "null"]}) == {"type": "string", "nullable": True}
    assert older({"anyOf": [text, {"type": "integer"}, {"type": "null"}]}) == {
        "anyOf": [text, {"type": "integer"}],
        "nullable": True,
    }
    assert older({"type": "null"}) == {"nullable": True, "enum": [None]}


def test_constants_and_examples_are_spelt_as_before() -> None:
    assert older({"const": 1}) == {"enum": [1]}
    assert older({"type": "string", "examples": ["a", "b"]}) == {"type": "string", "example": "a"}


def test_properties_named_like_keywords_stay_properties() -> None:
    schema = {
        "type": "object",
        "properties": {"type": {"type": ["string", "null"]}, "examples": {"type": "array"}, "const": {}},
    }

    assert older(schema) == {
        "type": "object",
        "properties": {
            "type": {"type": "string", "nullable": True},
            "examples": {"type": "array"},
            "const": {},
        },
    }


async def test_description_is_given_without_a_login_wherever_the_ui_asks() -> None:
    async with an_api(http=HttpSettings(prefix="/homer")) as api:
        answers = [await api.client.get(path) for path in ("/doc/api/json", "/homer/doc/api/json")]
        newer = (await api.client.get("/openapi.json")).json()

    assert [answer.status_code for answer in answers] == [200, 200]
    description = answers[0].json()
    assert answers[1].json() == description
    assert description["openapi"].startswith("3.0.")
    assert description["servers"] == [{"url": "/"}]
    assert description["paths"].keys() == newer["paths"].keys()
    assert "/homer/api/v3/search/call/data" in description["paths"]


async def test_description_has_no_word_that_only_newer_versions_know() -> None:
    async with an_api() as api:
        description = (await api.client.get("/doc/api/json")).json()

    for schema in _schemas(description):
        assert schema.get("type") != "null"
        assert not isinstance(schema.get("type"), list)
        assert not {"const", "examples", "prefixItems", "$defs", "contentMediaType"} & schema.keys()


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema that stands under the key `schema`, and all within."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "schema":
                yield from _parts(item)
            else:
                yield from _schemas(item)
    elif isinstance(value, list):
        for item in value:
            yield from _schemas(item)


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield {key: value for key, value in schema.items() if key != "properties"}
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), schema.get("items")]
    for item in [*inner, schema.get("additionalProperties")]:
        yield from _parts(item)
