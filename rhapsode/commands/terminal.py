"""How commands write to a terminal, or to a file in its place."""

from rich.console import Console


def plain_console() -> Console:
    """Colours only where a terminal shows them. Lines are not broken: a file keeps them whole."""
    return Console(highlight=False, soft_wrap=True)
