"""Passwords and their hashes."""

import pytest
from argon2 import PasswordHasher

from api.auth.passwords import (
    MAX_CHARS,
    NOBODY,
    PasswordChecker,
    generate_password,
    hash_password,
    matches,
)
from api.errors import AccountError


def test_hash_fits_its_password_only() -> None:
    hash_ = hash_password("correct horse")

    assert hash_.startswith("$argon2id$")
    assert len(hash_) <= 128
    assert matches(hash_, "correct horse")
    assert not matches(hash_, "correct horsf")


def test_unknown_users_cost_what_known_ones_do() -> None:
    assert not PasswordHasher().check_needs_rehash(NOBODY)


@pytest.mark.parametrize("password", ["", "x" * (MAX_CHARS + 1)])
def test_password_that_cannot_be_is_refused(password: str) -> None:
    with pytest.raises(AccountError):
        hash_password(password)


def test_longer_password_is_not_cut_to_fit() -> None:
    hash_ = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x" * MAX_CHARS)

    assert matches(hash_, "x" * MAX_CHARS)
    assert not matches(hash_, "x" * (MAX_CHARS + 1))


@pytest.mark.parametrize("hash_", ["", "secret", "$2a$10$" + "x" * 53, "$argon2id$v=19$m=1,t=1,p=1$AA$AA"])
def test_hash_of_another_kind_fits_nothing(hash_: str) -> None:
    assert not matches(hash_, "secret")


def test_generated_passwords_are_long_and_never_the_same() -> None:
    made = {generate_password() for _ in range(100)}

    assert len(made) == 100
    assert min(map(len, made)) >= 20


async def test_checker_knows_no_password_of_nobody() -> None:
    checker = PasswordChecker()
    hash_ = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret")

    assert await checker.matches(hash_, "secret")
    assert not await checker.matches(None, "secret")

    checker.close()
