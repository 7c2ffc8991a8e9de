"""What is said over the live feed, both ways, as JSON."""

from typing import Any, Literal

import msgspec

from api.feed.subscription import Gap


class Ask(msgspec.Struct):
    """From the listener: the login, unless a header had it, and what to send from now on."""

    token: str | None = None
    """Of `POST /auth`, or an API token; in the first message only."""
    profile: str | None = None
    """`hepid_profile`, as in a search; without one all of them."""
    elements: list[Any] | None = None
    """As in a search; without any all of the profile."""
    orlogic: bool | None = None
    payload: bool | None = None
    """Whether messages come with their payload (`raw`)."""


class Ready(msgspec.Struct, tag="ready"):
    """All that matches and is stored from now on will come."""

    profile: str | None
    warnings: list[str]
    """What of the question is false, naming an unknown field or being unreadable."""


class Refused(msgspec.Struct, tag="error"):
    """A question that cannot be read; the one before, if any, goes on."""

    message: str


class Missed(msgspec.Struct, tag="missed"):
    """Messages that are missing at this place."""

    reason: Literal["slow", "unread", "gone", "database"]
    messages: int | None
    """How many; null: unknown."""


class End(msgspec.Struct, tag="end"):
    """Nothing more comes, and why."""

    message: str


def missed(gap: Gap) -> Missed:
    """A gap as it is told."""
    return Missed(gap.why.value, gap.messages)


def messages_frame(rendered: list[bytes]) -> str:
    """Some messages, each JSON already."""
    return (b'{"type":"messages","data":[' + b",".join(rendered) + b"]}").decode()
