"""Tokens: Homer's claims, our key and algorithm only."""

import base64
import json
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.tokens import Claims, expiry, read_token, write_token
from api.errors import TokenInvalid

KEY = b"k" * 32


def some_claims(**changes: object) -> dict[str, object]:
    claims: dict[str, object] = {
        "username": "alice",
        "useradmin": False,
        "usergroup": "user",
        "externalauth": False,
        "externaltype": "",
        "displayname": "Alice A",
        "avatar": "",
        "jti": "",
        "epoch": 0,
        "exp": int(time.time()) + 60,
    }
    return claims | changes


def unsigned(header: object, claims: object) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)
    )
    return ".".join(parts)


def test_written_token_is_read_back() -> None:
    claims = Claims("alice", useradmin=True, usergroup="admin", displayname="Alice A", exp=expiry(1))

    assert read_token(KEY, write_token(KEY, claims)) == claims


def test_claims_are_those_that_homer_writes_and_what_ends_a_login() -> None:
    claims = Claims("alice", useradmin=False, usergroup="user", displayname="Alice A", exp=expiry(1))

    written = jwt.decode(write_token(KEY, claims), KEY, algorithms=["HS256"])

    assert written == some_claims(exp=claims.exp)


def test_expiry_is_in_minutes_from_now() -> None:
    assert abs(expiry(5) - (time.time() + 300)) < 2


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(jwt.encode(some_claims(), b"x" * 32, algorithm="HS256"), id="another key"),
        pytest.param(jwt.encode(some_claims(), b"k" * 64, algorithm="HS512"), id="another algorithm"),
        pytest.param(jwt.encode(some_claims(), None, algorithm="none"), id="no algorithm"),
        pytest.param(unsigned({"alg": "none", "typ": "JWT"}, some_claims()) + ".", id="no signature"),
        pytest.param(unsigned({"alg": "HS256"}, some_claims()) + ".AAAA", id="made-up signature"),
        pytest.param(jwt.encode(some_claims(exp=int(time.time()) - 1), KEY), id="expired"),
        pytest.param(jwt.encode({"username": "alice"}, KEY), id="no expiry"),
        pytest.param(jwt.encode(some_claims(useradmin="true"), KEY), id="claim of a wrong type"),
        pytest.param(jwt.encode({"exp": int(time.time()) + 60}, KEY), id="claims missing"),
        pytest.param("", id="empty"),
        pytest.param("abc", id="no dots"),
        pytest.param("ä.ö.ü", id="not ASCII"),
        pytest.param(
            base64.urlsafe_b64encode(b"[" * 30_000 + b"]" * 30_000).decode().rstrip("=") + ".e30.AAAA",
            id="deeply nested header",
        ),
    ],
)
def test_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        read_token(KEY, token)


@given(st.text(max_size=300))
def test_any_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(TokenInvalid):
        read_token(KEY, text)


def test_token_that_was_read_before_is_refused_once_it_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    token = jwt.encode(some_claims(exp=int(time.time()) + 60), KEY)
    claims = read_token(KEY, token)
    monkeypatch.setattr("api.auth.tokens.time.time", lambda: float(claims.exp))

    with pytest.raises(TokenInvalid):
        read_token(KEY, token)
    with pytest.raises(TokenInvalid):
        read_token(b"x" * 32, token)
