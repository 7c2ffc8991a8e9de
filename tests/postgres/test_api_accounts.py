"""The first administrator, passwords, and the key of the tokens, each made once however many ask at once."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from api.audit import newest
from api.auth.accounts import Account, ensure_admin, find_account, set_password, token_key
from api.auth.passwords import matches
from api.database import connect
from api.errors import AccountError, DatabaseError
from api.tables import users
from tests.support.api import AWAY, SESAME, add_user
from tests.support.database import run_elsewhere


async def _accounts(database_url: str) -> list[Account]:
    engine = connect(database_url)
    async with engine.connect() as connection:
        names = (await connection.execute(select(users.c.username).order_by(users.c.id))).scalars().all()
    found = [await find_account(engine, name) for name in names]
    await engine.dispose()
    return [account for account in found if account]


async def _noted(database_url: str) -> list[tuple[str, str, str]]:
    engine = connect(database_url)
    entries = await newest(engine, 10)
    await engine.dispose()
    return [(each.username, each.action, each.object) for each in entries]


async def _email(database_url: str) -> str:
    engine = connect(database_url)
    async with engine.connect() as connection:
        email = (await connection.execute(select(users.c.email))).scalar_one()
    await engine.dispose()
    return str(email)


async def _add(database_url: str, **columns: Any) -> None:
    engine = connect(database_url)
    await add_user(engine, **columns)
    await engine.dispose()


def test_first_start_makes_an_admin_with_a_random_password(database_url: str) -> None:
    password = ensure_admin(database_url, None)

    (account,) = run_elsewhere(_accounts(database_url))
    assert password is not None
    assert (account.username, account.enabled, account.is_admin) == ("admin", True, True)
    assert matches(account.hash, password)


def test_first_admin_has_an_email_that_the_web_ui_takes_for_one(database_url: str) -> None:
    ensure_admin(database_url, None)

    email = run_elsewhere(_email(database_url))

    assert re.fullmatch(r"[^@\s]+@([^@.\s]+\.)+[^@.\s]{2,}", email)


def test_given_password_is_used_and_not_told_again(database_url: str) -> None:
    assert ensure_admin(database_url, "given once") is None

    (account,) = run_elsewhere(_accounts(database_url))
    assert matches(account.hash, "given once")


def test_second_start_changes_nothing(database_url: str) -> None:
    ensure_admin(database_url, "the first")

    assert ensure_admin(database_url, None) is None
    assert ensure_admin(database_url, "second") is None, "not even looked at"

    (account,) = run_elsewhere(_accounts(database_url))
    assert matches(account.hash, "the first")


def test_starts_at_once_make_one_admin_and_tell_one_password(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: ensure_admin(database_url, None), range(4)))

    (account,) = run_elsewhere(_accounts(database_url))
    (password,) = [password for password in told if password]
    assert matches(account.hash, password)


@pytest.mark.parametrize("columns", [{"enabled": False}, {"usergroup": "nonadmin"}, {"usergroup": "Admin"}])
def test_user_who_is_no_enabled_admin_does_not_count_as_one(
    database_url: str, columns: dict[str, Any]
) -> None:
    run_elsewhere(_add(database_url, username="alice", **columns))

    assert ensure_admin(database_url, None)

    assert [account.username for account in run_elsewhere(_accounts(database_url))] == ["alice", "admin"]


def test_another_enabled_admin_suffices(database_url: str) -> None:
    run_elsewhere(_add(database_url, username="alice"))

    assert ensure_admin(database_url, None) is None


def test_disabled_admin_is_made_one_again_when_there_is_no_other(database_url: str) -> None:
    run_elsewhere(_add(database_url, username="admin", enabled=False))

    password = ensure_admin(database_url, None)

    (account,) = run_elsewhere(_accounts(database_url))
    assert password
    assert account.enabled
    assert matches(account.hash, password)


def test_password_is_changed(database_url: str) -> None:
    run_elsewhere(_add(database_url, username="alice"))

    set_password(database_url, "alice", "another one", "root (command line)")

    (account,) = run_elsewhere(_accounts(database_url))
    assert matches(account.hash, "another one")
    assert not matches(account.hash, SESAME)
    assert run_elsewhere(_noted(database_url)) == [("root (command line)", "change user", "alice")]


@pytest.mark.parametrize(
    ("password", "words"),
    [("short", "shorter than 8"), ("aaaaaaaaaa", "fewer than 4 different"), ("", "shorter than 8")],
)
def test_password_that_no_user_could_choose_is_refused_here_too(
    database_url: str, password: str, words: str
) -> None:
    with pytest.raises(AccountError, match=f"^admin_password: .*({words})"):
        ensure_admin(database_url, password)
    assert run_elsewhere(_accounts(database_url)) == []
    run_elsewhere(_add(database_url, username="alice"))

    with pytest.raises(AccountError, match=words):
        set_password(database_url, "alice", password, "root")

    (account,) = run_elsewhere(_accounts(database_url))
    assert matches(account.hash, SESAME)
    assert run_elsewhere(_noted(database_url)) == []


@pytest.mark.parametrize("username", ["nobody", "", "a\0b", "x" * 101])
def test_password_of_an_unknown_user_is_refused_in_words(database_url: str, username: str) -> None:
    with pytest.raises(AccountError, match="there is no user"):
        set_password(database_url, username, "another one", "root")


def test_database_that_is_away_is_said() -> None:
    with pytest.raises(DatabaseError, match="cannot be reached"):
        ensure_admin(AWAY, None)


async def test_key_is_made_once_however_many_ask(database_url: str) -> None:
    engines = [connect(database_url) for _ in range(4)]

    keys = await asyncio.gather(*(token_key(engine) for engine in engines))

    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert await token_key(engines[0]) == keys[0]
    for engine in engines:
        await engine.dispose()
