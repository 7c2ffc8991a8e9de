"""Two texts compared line by line."""

from collections.abc import Iterator
from difflib import SequenceMatcher

SAME, OLD, NEW = "  ", "- ", "+ "
"""What a line begins with: in both, in the first only, in the second only."""


def differing_lines(old: str, new: str) -> Iterator[str]:
    """All lines of both in their order, each marked."""
    before, after = old.splitlines(), new.splitlines()
    for same, at, to, new_at, new_to in _runs(before, after):
        if same:
            yield from (SAME + line for line in before[at:to])
        else:
            yield from (OLD + line for line in before[at:to])
            yield from (NEW + line for line in after[new_at:new_to])


def _runs(before: list[str], after: list[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    # No junk: a line that comes often, such as `a=rtpmap`, matters as much as any other.
    for tag, *places in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        at, to, new_at, new_to = places
        yield tag == "equal", at, to, new_at, new_to
