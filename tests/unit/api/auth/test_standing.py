"""What is remembered of accounts."""

from api.auth.standing import Standings
from tests.support.one_row import answering


async def test_account_that_changes_while_it_is_read_is_read_again() -> None:
    row = ("guid", True, "admin", "", "", 1, None)
    changes = [lambda: standings.forget("alice"), lambda: None]
    standings = Standings(answering([row, ("guid", True, "user", "", "", 2, None)], lambda: changes.pop(0)()))

    found = [await standings.of("alice") for _ in range(2)]

    assert [each and each.usergroup for each in found] == ["user", "user"]
