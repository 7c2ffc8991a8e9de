"""The names that the writer needs: the tables of each class, and the columns that COPY sends, in their order.

Apart from `tables`, which describes the same to SQLAlchemy (a test holds the two together), so that a worker
is up in half the time. `capture.row` encodes by this order. A message's id is not among the columns: its
default is the next of the sequence.
"""

from capture.route import MessageClass

MESSAGE_COLUMNS = (
    "time_us",
    "delay_us",
    "call",
    "capture_id",
    "source_port",
    "destination_port",
    "flags",
    "protocol_type",
    "ip_protocol",
    "raw_codec",
    "source",
    "destination",
    "method",
    "node_name",
    "correlation_id",
    "session_id",
    "parse_error",
    "extra",
    "raw",
)

KEY_TEXT_COLUMNS = (
    "sid",
    "correlation_id",
    "from_user",
    "from_domain",
    "to_user",
    "to_domain",
    "ruri_user",
    "ruri_domain",
    "pai_user",
    "auth_user",
    "contact_user",
    "user_agent",
    "node",
)
"""A null is: nothing new, or nothing to find."""

KEY_COLUMNS = ("bucket", "call", *KEY_TEXT_COLUMNS, "source", "destination", "cut", "extra")


def messages_table(message_class: MessageClass) -> str:
    """Name of the partitioned table of a class's messages."""
    return f"messages_{message_class.key}"


def keys_table(message_class: MessageClass) -> str:
    """Name of the partitioned table beside it."""
    return f"keys_{message_class.key}"
