"""Which names filter scripts may give to headers and tags: those that searches can know.

Knows no table: whoever makes it says how a name is noted.
"""

import logging
from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

Note = Callable[[str], frozenset[str]]
"""Commit a name; all names that are noted then, this one among them unless there are too many."""


class KnownNames:
    """The names that are noted, and one more whenever a script brings one.

    Provisional like all that a worker remembers: made anew when the database may have forgotten it.
    """

    def __init__(self, noted: Iterable[str], note: Note) -> None:
        self._noted = frozenset(noted)
        self._note = note
        self._is_full = False
        self.refused = 0
        """How often a name was refused."""

    def admit(self, name: str) -> bool:
        """Whether a header or tag of this name may be stored; a new name waits for the database.

        The errors of `note` pass through: then nothing has become known.
        """
        if name in self._noted:
            return True
        if not self._is_full:
            self._noted = self._note(name)
            if name in self._noted:
                return True
            # None ever goes, so that there is nothing to ask for any more.
            self._is_full = True
            log.error(
                "scripts have set headers and tags of %d names, and no more are stored: %r is the first that"
                " is not",
                len(self._noted),
                name,
            )
        self.refused += 1
        return False
