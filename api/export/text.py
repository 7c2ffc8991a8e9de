"""Messages as text: a line with time, transport and both ends, then the payload as it is.

Source: homer-app's text export. Times are UTC.
"""

from datetime import UTC, datetime, timedelta

from api.export.captured import Captured

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_text(message: Captured) -> bytes:
    """One message; lines end as those of SIP do."""
    head = (
        f"proto:{message.transport} {rfc3339(message.time_us)}"
        f"  {message.source.name} ---> {message.destination.name}\r\n\r\n"
    )
    return head.encode() + message.payload + b"\r\n"


def rfc3339(time_us: int) -> str:
    """To the microsecond, without zeros at the end, as Go writes it."""
    whole = _EPOCH + timedelta(microseconds=time_us)
    fraction = f".{whole.microsecond:06d}".rstrip("0") if whole.microsecond else ""
    return f"{whole:%Y-%m-%dT%H:%M:%S}{fraction}Z"
