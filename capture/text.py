"""The one text form: how bytes off the wire become text.

Rows, hashes, keys, queries and answers all use `to_text`, so that what was stored is what a search compares.
"""


def to_text(data: bytes) -> str:
    """UTF-8 with U+FFFD for broken sequences and for NUL, which PostgreSQL text cannot hold."""
    text = data.decode("utf-8", "replace")
    return text.replace("\0", "\ufffd") if "\0" in text else text
