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
        self.problem = ""
        """Which name was the first to be refused, in words; empty while none was."""

    def admit(self, name: str) -> bool:
        """Whether a header or tag of this name may be stored; a new name waits for the database.

        The errors of `note` pass through: then nothing has become known.
        """
        if name in self._noted:
            return True
        # None ever goes, so that there is nothing to ask for once one was refused.
        if not self.problem:
            self._noted = self._note(name)
            if name in self._noted:
                return True
            self.problem = (
                f"scripts have set headers and tags of {len(self._noted)} names, and no more are stored:"
                f" {name!r} is the first that is not"
            )
            log.error("%s", self.problem)
        return False
