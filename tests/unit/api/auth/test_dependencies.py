"""Who may pass."""

import pytest

from api.auth.dependencies import admin_user
from api.auth.tokens import Claims
from api.errors import AdminNeeded


def claims(*, is_admin: bool) -> Claims:
    return Claims("alice", useradmin=is_admin, usergroup="admin", displayname="Alice", exp=1)


async def test_administrator_passes() -> None:
    bearer = claims(is_admin=True)

    assert await admin_user(bearer) is bearer


async def test_anyone_else_does_not_whatever_the_group_is_called() -> None:
    with pytest.raises(AdminNeeded):
        await admin_user(claims(is_admin=False))
