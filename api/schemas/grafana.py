"""Homer's names for what is said of Grafana."""

from typing import Any, Literal

import msgspec

from api.proxies.server import Answer


class TextAnswer(msgspec.Struct):
    """One text."""

    data: str


class Enabled(msgspec.Struct):
    enable: bool


class StatusAnswer(msgspec.Struct):
    """Whether there is a Grafana."""

    data: Enabled


class GrafanaRefusal(msgspec.Struct):
    """What Grafana said instead of an answer.

    The web UI knows it by its `errorcode` and shows `data.message`.
    """

    message: str
    data: Any
    errorcode: Literal["1048"] = "1048"


def refusal(answer: Answer) -> GrafanaRefusal:
    """What Grafana said, as it said it, if in JSON."""
    message = f"grafana returned httpcode: {answer.status}"
    try:
        said = msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        said = None
    return GrafanaRefusal(message, said if isinstance(said, dict) else {"message": message})


def failure(words: str) -> GrafanaRefusal:
    """For an answer that never came."""
    return GrafanaRefusal(words, {"message": words})
