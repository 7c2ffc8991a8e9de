"""What is remembered of API tokens, and where they may come from."""

from datetime import UTC, datetime, timedelta

import pytest

from api.auth.api_tokens import ApiTokens, addresses_of
from tests.support.one_row import answering


async def test_token_that_is_deleted_while_it_is_read_is_of_no_more_use() -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    changes = [lambda: tokens.forget(), lambda: None]
    row = (1, "script", {}, "0.0.0.0/0", tomorrow, 0, 0)
    tokens = ApiTokens(answering([row, None], lambda: changes.pop(0)()))

    assert [await tokens.check("x", "192.0.2.1", counted=False) for _ in range(2)] == [None, None]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", "0.0.0.0/0"),
        (" 192.0.2.1 ,2001:db8::1/32,", "192.0.2.1/32, 2001:db8::/32"),
        ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::/0", "::/0"),
    ],
)
def test_networks_are_kept_in_their_usual_form(given: str, kept: str) -> None:
    assert addresses_of(given) == kept
