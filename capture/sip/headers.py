"""Header lines to values: which header stands where, whatever the spelling of its name.

Source: RFC 3261 7.3.1, 7.3.3. Knows nothing of what the values say.
"""

from functools import lru_cache

from capture.sip.grammar import BLANKS, READ_HEADERS, SINGLE_HEADERS, TOKEN, header_name
from capture.sip.lines import MAX_LINES, unfold

LEARNED_NAMES = 4096
LEARNED_CHARS = 64
"""Only names that a sender may repeat are remembered, and not without limit."""


class HeaderTable:
    """The place of each header that is read, by every spelling met so far."""

    def __init__(self, custom: tuple[str, ...] = ()) -> None:
        self._by_name = {name: place for place, name in enumerate(READ_HEADERS)}
        for name in custom:
            self._by_name.setdefault(header_name(name), len(self._by_name))
        self.size = len(self._by_name)
        self.custom = [(name, self._by_name[header_name(name)]) for name in custom]
        """Headers read besides READ_HEADERS, as they were asked for, and their places."""
        self.places: dict[str, int] = {}
        """Spelling → place, -1 for a header that nobody reads."""

    def learn(self, spelling: str) -> int:
        """The place of a header that is spelt in a new way."""
        place = self._by_name.get(header_name(spelling), -1)
        if len(spelling) <= LEARNED_CHARS and TOKEN.fullmatch(spelling):
            if len(self.places) >= LEARNED_NAMES:
                self.places.clear()
            self.places[spelling] = place
        return place


@lru_cache(maxsize=64)
def header_table(custom: tuple[str, ...]) -> HeaderTable:
    """The table of these headers; what it learns serves all who want the same."""
    return HeaderTable(custom)


def collect(lines: list[str], table: HeaderTable) -> tuple[list[str], str | None]:
    """The topmost value at each place of the table ("" where absent), and what is wrong with the lines.

    The first line is the start line and not looked at.
    """
    values = [""] * table.size
    error = None
    if len(lines) > MAX_LINES:
        lines, error = lines[:MAX_LINES], "too many header lines"
    place_of, blanks = table.places.get, BLANKS
    for line in lines[1:]:
        spelling, colon, value = line.partition(":")
        place = place_of(spelling)
        if place is None:
            if spelling.startswith((" ", "\t")):
                values, unfolded_error = collect(unfold(lines), table)
                return values, error or unfolded_error
            if not colon:
                error = error or "header line without a colon"
                continue
            if not TOKEN.fullmatch(spelling.rstrip(BLANKS)):
                error = error or "header name is not a token"
            place = table.learn(spelling)
        if place >= 0:
            if not values[place]:
                values[place] = value.strip(blanks)
            elif place < SINGLE_HEADERS:
                error = error or f"second {READ_HEADERS[place]} header"
    return values, error
