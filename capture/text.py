"""The one text form: how bytes off the wire become text, and how such a text is said to people.

Rows, hashes, keys, queries and answers all use `to_text`, so that what was stored is what a search compares.
"""


def to_text(data: bytes) -> str:
    """UTF-8 with U+FFFD for broken sequences and for NUL, which PostgreSQL text cannot hold."""
    text = data.decode("utf-8", "replace")
    return text.replace("\0", "\ufffd") if "\0" in text else text


def in_one_line(text: str, most_chars: int) -> str:
    """Packets may hold anything: neither a second line nor the colours of a terminal come through."""
    cut = text if len(text) <= most_chars else text[: most_chars - 1] + "…"
    return (
        cut
        if cut.isprintable()
        else "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in cut
        )
    )
