"""Any body to any route that takes one, by a user who is logged in: an answer of 201 or 4xx, never a 5xx."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api import an_api, bearer

KEY = b"k" * 32
PATHS = ["/api/v3/search/call/data", "/api/v3/search/call/message", "/api/v3/call/transaction"]
NAMES = ["timestamp", "from", "to", "param", "search", "1_call", "5_default", "name", "value", "type", "id"]
NAMES += ["uuid", "callid", "limit", "orlogic", "location", "node", "whitelist", "transaction", "config"]
WORDS = ["sid", "data_header.from_user", "limit", "smartinput", "raw", "id", "string", "integer", "isEmpty"]
WORDS += ["!=", "%", "a;b", "\0", "\ud800", "9" * 40, "-1", "||x", "sid = ", "(((", "'"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=10)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
elements = st.lists(
    st.dictionaries(st.sampled_from(["name", "value", "type", "hepid", "func"]), scalars, max_size=5),
    max_size=3,
)
ids = st.fixed_dictionaries({}, optional={"id": scalars, "uuid": anything, "callid": anything})
times = st.none() | st.integers(-(2**53), 2**53)
parameters = st.fixed_dictionaries(
    {
        "search": st.dictionaries(
            st.sampled_from(["1_call", "5_default", "range"]), elements | ids, max_size=2
        )
    },
    optional={
        "limit": st.integers(-5, 2**31),
        "orlogic": st.booleans(),
        "location": st.just({"node": ["localnode"]}),
        "whitelist": st.lists(st.sampled_from(WORDS), max_size=2),
    },
)
nearly_right = st.fixed_dictionaries(
    {"timestamp": st.fixed_dictionaries({"from": times, "to": times}), "param": parameters}
)
broken = st.fixed_dictionaries({"timestamp": nearly_right | anything, "param": parameters | anything})


@pytest.mark.parametrize("path", PATHS)
@given(body=nearly_right | broken | anything)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_body_is_answered_without_a_failure(database_url: str, path: str, body: Any) -> None:
    async with an_api(database_url) as api:
        api.trust(a="user")
        headers = {"Content-Type": "application/json"} | _token()

        answer = await api.client.post(path, content=json.dumps(body).encode(), headers=headers)

    assert answer.status_code in (201, 400), answer.text
    assert isinstance(answer.json(), dict)


def _token() -> dict[str, str]:
    return bearer("a")
