"""What answers say about themselves, in headers that any server sends."""

import h11
import pytest

from api.schemas.search import MAX_WARNING_CHARS, answer_headers


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("unknown data node: ", "unknown data node:"),
        ("\t \r\n", "%09 %0D%0A"),
        (" ", ""),
        ("x" * (MAX_WARNING_CHARS - 1) + " y", "x" * (MAX_WARNING_CHARS - 1)),
        ("%" * MAX_WARNING_CHARS, "%25" * (MAX_WARNING_CHARS // 3)),
        ("é\udcff\0", "%C3%A9?%00"),
    ],
)
def test_words_of_users_are_sent_as_headers(said: str, sent: str) -> None:
    headers = answer_headers(None, [said], [said], {"n": said})

    assert headers["X-Rhapsode-Skipped"] == sent
    # Refuses what no header may hold.
    h11.Response(status_code=200, headers=[*headers.items()])
    assert answer_headers(None, [said])["X-Rhapsode-Warning"] == sent
