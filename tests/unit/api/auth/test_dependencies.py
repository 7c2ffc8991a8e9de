"""Who may pass."""

import pytest

from api.auth.caller import Caller
from api.auth.dependencies import admin_user, logged_in_user
from api.errors import AdminNeeded, LoginNeeded


async def test_administrator_passes() -> None:
    caller = Caller("alice", "admin")

    assert await admin_user(caller) is caller


@pytest.mark.parametrize("group", ["", "user", "nonadmin", "Admin", "admin "])
async def test_anyone_else_does_not_whatever_the_group_is_called(group: str) -> None:
    with pytest.raises(AdminNeeded):
        await admin_user(Caller("admin", group))


async def test_api_token_is_no_login() -> None:
    with pytest.raises(LoginNeeded):
        await logged_in_user(Caller("alice", "admin", token_name="script"))  # noqa: S106
