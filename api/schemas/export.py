"""What exports answer besides files.

Source: homer-ui's share links, which hold a whole question, and its way to put `url` and `uuid` together.
"""

from typing import Any
from urllib.parse import quote

import msgspec

_LEFT_AS_THEY_ARE = "!'()*~"
"""What JavaScript's encodeURIComponent does not encode, besides what `quote` leaves."""


class ShareLink(msgspec.Struct):
    """Where a call is shown."""

    url: str
    uuid: str = ""
    """Always empty: the web UI sets it behind the URL, which holds all by itself."""


class LinkAnswer(msgspec.Struct):
    """A link for people."""

    data: ShareLink


def shown_at(page: str, from_ms: int, to_ms: int, calls: dict[str, list[str]]) -> str:
    """The web UI's address for Call-IDs by profile; `page` is that of its search results."""
    question: dict[str, Any] = {
        "timestamp": {"from": from_ms, "to": to_ms},
        "param": {
            "search": {key: {"id": 0, "callid": call_ids, "uuid": []} for key, call_ids in calls.items()},
            "location": {},
            "transaction": {
                "call": "1_call" in calls,
                "registration": "1_registration" in calls,
                "rest": "1_default" in calls,
            },
            "id": {},
            "timezone": {"value": 0, "name": "Local"},
        },
    }
    # The page cuts the last character off: what its own links end with.
    return f"{page}?{quote(msgspec.json.encode(question), safe=_LEFT_AS_THEY_ARE)}="
