"""JSON in and out of HTTP: bodies read up to a limit into a typed struct, answers, and both for OpenAPI.

Source: homer-app's binding rules: JSON of the right types or 400, an empty body is the zero value, unknown
names are ignored. Knows nothing of routes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Request, Response
from starlette.requests import ClientDisconnect

from api.depth import check_depth
from api.errors import BodyTooLarge, RequestError

BODY_TIMEOUT_S = 60
"""A body that has not come by then is given up, so that a stalled client holds nothing."""

T = TypeVar("T", bound=msgspec.Struct)
JsonSchema = dict[str, Any]
Responses = dict[int | str, JsonSchema]
"""What a route answers, by status, as FastAPI takes it."""


class JsonAnswer(Response):
    """Anything that msgspec can encode, as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def json_body(model: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency that reads the request's body as `model`; declare it after the one that checks the login.

    RequestError when it is not JSON of the right types, BodyTooLarge as soon as it is longer than allowed.
    """
    decoder = msgspec.json.Decoder(model)

    async def read(request: Request) -> T:
        body = await read_body(request, request.app.state.context.options.http.max_body_bytes)
        if not body:
            return _zero_value(model)
        if not _is_json(request.headers.get("content-type", "")):
            raise RequestError
        try:
            return decoder.decode(body)
        # RecursionError: nested deeper than the decoder's stack.
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise RequestError from error

    return read


async def _read_object(request: Request) -> Any:
    body = await read_body(request, request.app.state.context.options.http.max_body_bytes)
    if not _is_json(request.headers.get("content-type", "")):
        raise RequestError
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RequestError from error
    if not isinstance(value, dict):
        raise RequestError
    check_depth(value)
    return value


JsonObject = Annotated[dict[str, Any], Depends(_read_object)]
"""The request's body, any JSON object; declare it after the login. RequestError, BodyTooLarge."""


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body; BodyTooLarge without reading on when it is, or says that it is, longer."""
    declared = request.headers.get("content-length", "")
    # No int() of more digits than a size can have.
    if declared.isascii() and declared.isdigit() and (len(declared) > 15 or int(declared) > limit_bytes):
        raise BodyTooLarge(limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    raise BodyTooLarge(limit_bytes)
    except (TimeoutError, ClientDisconnect) as error:
        raise RequestError("the request's body did not come") from error
    return bytes(body)


def describe_body(model: type[msgspec.Struct], example: JsonSchema | None = None) -> JsonSchema:
    """`openapi_extra` of a route whose body `json_body(model)` reads, with an example to start from."""
    schema = schema_of(model)
    if example is not None:
        schema["examples"] = [example]
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def describe_object(description: str, properties: JsonSchema) -> JsonSchema:
    """The same of a route that takes an object of these names (`JsonObject`)."""
    content = {"application/json": {"schema": {"type": "object", "properties": properties}}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


def describe_path(**parameters: str) -> JsonSchema:
    """`openapi_extra` of a route with parts of its path: what each is."""
    return {
        "parameters": [
            {"name": name, "in": "path", "required": True, "description": words, "schema": {"type": "string"}}
            for name, words in parameters.items()
        ]
    }


def describe_answer(model: Any, description: str) -> JsonSchema:
    """One entry of a route's `responses`."""
    return {"description": description, "content": {"application/json": {"schema": schema_of(model)}}}


def schema_of(model: Any) -> JsonSchema:
    """The JSON Schema of a type, complete in itself: no references, so it can stand anywhere."""
    schema = msgspec.json.schema(model)
    definitions = schema.pop("$defs", {})
    inlined: JsonSchema = _inline(schema, definitions)
    return inlined


def _inline(schema: Any, definitions: JsonSchema) -> Any:
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _inline(definitions[reference.rpartition("/")[2]], definitions)
    return {key: _inline(value, definitions) for key, value in schema.items()}


def _zero_value(model: type[T]) -> T:
    try:
        return msgspec.convert({}, model)
    except msgspec.ValidationError as error:
        raise RequestError from error


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"
