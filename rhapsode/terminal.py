"""What commands write to a terminal, or to a file in its place."""

from rich.console import Console


def plain_console() -> Console:
    """Colours only where a terminal shows them. Lines are not broken: a file keeps them whole."""
    return Console(highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """Text that packets or scripts made up, in one line and without what a terminal would obey."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "·" for char in text)
