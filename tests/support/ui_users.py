"""Users for the stock web UI, made by the API."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.rhapsode import Rhapsode

PASSWORD = "Long-enough-4-anybody"  # noqa: S105 - of a server that lives for these tests


@contextmanager
def a_user(running: Rhapsode, name: str, group: str = "user") -> Iterator[str]:
    """A user, deleted at the end; the password."""
    user = {
        "username": name,
        "firstname": name.title(),
        "lastname": "Jones",
        "email": f"{name}@example.com",
        "department": "NOC",
        "usergroup": group,
        "password": PASSWORD,
    }
    with running.login() as client:
        made = client.post("/api/v3/users", json=user).raise_for_status()
        try:
            yield PASSWORD
        finally:
            client.delete(f"/api/v3/users/{made.json()['data']}").raise_for_status()
