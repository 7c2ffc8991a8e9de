"""Two texts compared line by line."""

from collections.abc import Iterator
from difflib import SequenceMatcher

SAME, OLD, NEW = "  ", "- ", "+ "
"""What a line begins with: in both, in the first only, in the second only."""


def differing_lines(old: str, new: str) -> Iterator[str]:
    """All lines of both in their order, each marked; one that was edited stands above what it became."""
    before, after = old.splitlines(), new.splitlines()
    for is_same, gone, come in _runs(before, after):
        if is_same:
            yield from (SAME + line for line in gone)
        elif len(gone) == len(come):
            for line, edited in zip(gone, come, strict=True):
                yield OLD + line
                yield NEW + edited
        else:
            yield from (OLD + line for line in gone)
            yield from (NEW + line for line in come)


def _runs(before: list[str], after: list[str]) -> Iterator[tuple[bool, list[str], list[str]]]:
    # No junk: a line that comes often, such as `a=rtpmap`, matters as much as any other.
    for tag, *places in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        at, to, new_at, new_to = places
        yield tag == "equal", before[at:to], after[new_at:new_to]
