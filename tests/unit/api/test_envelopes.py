"""Bad input to the whole application: always 4xx, always one of Homer's shapes. No database is there."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.settings import HttpSettings
from tests.support.api import KEY, Api, an_api, bearer

JSON = {"Content-Type": "application/json"}
FORMAT = {"data": {}, "message": "request format is not correct"}
MISSING = {"message": "missing or malformed jwt"}
INVALID = {"message": "invalid or expired jwt"}


def a_token(**changes: Any) -> dict[str, str]:
    return bearer(**changes)


def knows_key(api: Api) -> Api:
    """As if it had read its key before the database went away."""
    api.trust(alice="user")
    return api


BAD_BODIES = {
    "not JSON": b"username=admin",
    "cut off": b'{"username":"admin"',
    "more behind it": b'{"username":"a","password":"b"} x',
    "an array": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "a number for a string": b'{"username":1,"password":"b"}',
    "an object for a string": b'{"username":{},"password":"b"}',
    "deeply nested": b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deeply nested and cut off": b'{"x":' + b'{"x":' * 200_000,
    "not UTF-8": b'{"username":"\xff","password":"b"}',
    "a lone surrogate": b'{"username":"\\ud800","password":"b"}',
    "a lone low surrogate": b'{"username":"\\udc00","password":"b"}',
    "a byte order mark": b'\xef\xbb\xbf{"username":"a","password":"b"}',
    "NaN": b'{"username":NaN}',
    "a control character": b'{"username":"a\nb","password":"b"}',
    "UTF-16": '{"username":"a","password":"b"}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_body_that_is_not_json_of_the_right_types_is_refused(body: bytes) -> None:
    async with an_api() as api:
        answer = await api.client.post("/api/v3/auth", content=body, headers=JSON)

    assert (answer.status_code, answer.json()) == (400, FORMAT)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_body_of_another_kind_is_refused(kind: str) -> None:
    async with an_api() as api:
        body = b'{"username":"a","password":"b"}'
        answer = await api.client.post("/api/v3/auth", content=body, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()) == (400, FORMAT)


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (b"", ["Username", "Password"]),
        (b"{}", ["Username", "Password"]),
        (b'{"username":"","password":null}', ["Username", "Password"]),
        (b'{"username":"admin"}', ["Password"]),
        (b'{"password":"x","type":"internal"}', ["Username"]),
    ],
)
async def test_missing_field_is_named_in_the_validators_words(body: bytes, missing: list[str]) -> None:
    async with an_api() as api:
        answer = await api.client.post("/api/v3/auth", content=body, headers=JSON)

    lines = [
        f"Key: 'UserloginDetails.{name}' Error:Field validation for '{name}' failed on the 'required' tag"
        for name in missing
    ]
    assert (answer.status_code, answer.json()) == (400, {"data": {}, "message": "\n".join(lines)})


async def test_body_that_is_too_large_is_refused() -> None:
    async with an_api(http=HttpSettings(max_body_bytes=1024)) as api:
        answer = await api.client.post("/api/v3/auth", content=b" " * 1025, headers=JSON)

    assert answer.status_code == 413
    assert answer.json() == {"data": {}, "message": "request body is larger than 1024 bytes"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path",
    ["/api/v3", "/api/v3/", "/api/v3/aliases", "/api/v3/auth/", "/api/v3/call/report", "/api/v3/%00"],
)
async def test_unknown_path_is_known_to_be_so_only_after_login(method: str, path: str) -> None:
    async with an_api() as api:
        knows_key(api)
        stranger = await api.client.request(method, path)
        expired = await api.client.request(method, path, headers=a_token(exp=1))
        user = await api.client.request(method, path, headers=a_token())

    assert (stranger.status_code, stranger.json()) == (401, MISSING)
    assert (expired.status_code, expired.json()) == (401, INVALID)
    assert (user.status_code, user.json()) == (404, {"message": "Not Found"})


async def test_wrong_method_is_known_to_be_so_only_after_login() -> None:
    async with an_api() as api:
        knows_key(api)
        stranger = await api.client.put("/api/v3/mapping/protocol")
        user = await api.client.put("/api/v3/mapping/protocol", headers=a_token())

    assert (stranger.status_code, stranger.json()) == (401, MISSING)
    assert (user.status_code, user.json()) == (405, {"message": "Method Not Allowed"})
    assert user.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/v30", "/api/v2/auth"])
async def test_unknown_path_outside_the_base_needs_no_login_to_be_unknown(path: str) -> None:
    async with an_api() as api:
        answer = await api.client.get(path)

    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


async def test_prefix_moves_the_base() -> None:
    async with an_api(http=HttpSettings(prefix="/homer")) as api:
        moved = await api.client.get("/homer/api/v3/auth/type/list")
        gone = await api.client.get("/api/v3/auth/type/list")

    assert (moved.status_code, gone.status_code) == (200, 404)


BAD_CREDENTIALS = {
    "none": ({}, MISSING),
    "empty": ({"Authorization": ""}, MISSING),
    "no token": ({"Authorization": "Bearer"}, MISSING),
    "another scheme": ({"Authorization": "Basic YWRtaW46eA=="}, MISSING),
    "rubbish": ({"Authorization": "Bearer x"}, INVALID),
    "bytes": ({"Authorization": b"Bearer \xff\xfe"}, INVALID),
}


@pytest.mark.parametrize(("headers", "expected"), BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS)
async def test_credentials_that_are_none_are_refused(headers: dict[str, str], expected: object) -> None:
    async with an_api() as api:
        answer = await knows_key(api).client.get("/api/v3/mapping/protocol", headers=headers)

    assert (answer.status_code, answer.json()) == (401, expected)


async def test_body_of_a_stranger_is_not_read() -> None:
    async with an_api() as api:
        answer = await api.client.post("/api/v3/search/call/data", content=b"[" * 100, headers=JSON)

    assert (answer.status_code, answer.json()) == (401, MISSING)


async def test_database_that_is_away_is_said_and_no_empty_answer() -> None:
    async with an_api() as api:
        login = await api.client.post("/api/v3/auth", json={"username": "a", "password": "b"})
        api.context.remember_token_key(KEY)
        profile = await api.client.get("/api/v3/users/profile", headers=a_token())
        mapping = await knows_key(api).client.get("/api/v3/mapping/protocol", headers=a_token())

    for answer in (login, profile, mapping):
        assert (answer.status_code, answer.json()) == (503, {"data": {}, "message": "db data retrieve error"})


@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["username", "password", "x"]), inner, max_size=3)
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
@settings(max_examples=200, deadline=None)
async def test_any_body_is_answered_in_one_of_the_shapes(body: bytes) -> None:
    async with an_api() as api:
        answer = await api.client.post("/api/v3/auth", content=body, headers=JSON)

    # 503: names and a password, and no database to compare them with.
    assert answer.status_code in (400, 401, 503)
    assert_envelope(answer)


def assert_envelope(answer: httpx.Response) -> None:
    content = answer.json()
    assert isinstance(content["message"], str)
    assert content.keys() in ({"data", "message"}, {"message"}, {"statuscode", "error", "message"})
    assert content.get("data", {}) == {}
    assert "Traceback" not in answer.text
