"""The audit in answers."""

from typing import Any

import msgspec


class AuditRow(msgspec.Struct):
    """One thing that somebody did."""

    id: int
    at: str
    username: str
    address: str
    action: str
    object: str
    detail: Any


class AuditAnswer(msgspec.Struct):
    data: list[AuditRow]
    count: int
