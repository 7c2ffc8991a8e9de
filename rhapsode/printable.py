"""Text that packets and scripts made up, for a terminal."""


def printable(text: str) -> str:
    """The text in one line, without what a terminal would obey: neither colours nor bells come through."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "·" for char in text)
