"""Homer's envelopes for settings objects."""

from typing import Any

import msgspec


class RowsAnswer(msgspec.Struct):
    """Objects; some lists do not count them."""

    data: list[dict[str, Any]]
    count: int = 0


class GroupsAnswer(msgspec.Struct):
    """Names of groups."""

    data: list[str]
    count: int


class NewToken(msgspec.Struct):
    token: str
    """The secret: it is kept as a hash alone."""


class NewTokenAnswer(msgspec.Struct):
    """An API token that was made."""

    data: NewToken
    message: str


class AgentsAnswer(msgspec.Struct):
    """Agents that have subscribed."""

    data: list[dict[str, Any]]
    message: str


class Subscribed(msgspec.Struct):
    uuid: str
    expire_date: str
    expire_ts: int
    """The same, in seconds since the Unix epoch."""


class SubscribedAnswer(msgspec.Struct):
    data: Subscribed
    message: str


class DashboardsAnswer(msgspec.Struct):
    """Dashboards as a menu has them."""

    data: list[dict[str, Any]]
    total: int
    auth: str = "ok"
    status: str = "ok"


class DashboardAnswer(msgspec.Struct):
    """One dashboard, as the web UI has stored it."""

    data: Any
    owner: str
    total: int = 1
    auth: str = "ok"
    status: str = "ok"


class KeptAnswer(msgspec.Struct):
    """What became of a dashboard that was written."""

    total: int
    """How many the user has."""
    auth: str = "ok"
    status: str = "ok"


class ChangedAnswer(msgspec.Struct):
    """What was done, in words."""

    data: str
    """The guid of what it was done to."""
    message: str
