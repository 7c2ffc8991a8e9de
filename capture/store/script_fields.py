"""The names of headers and tags that filter scripts have set, in the database, for searches to know them by.

A name is committed before the first row that has it, and stays. There is a limit, for each is a field in
every form: a script that makes names of values would otherwise make them without end.
"""

from collections.abc import Iterable

from capture.imported import LABEL
from capture.store.connection import Connection

MOST_NAMES = 1_000
OURS = frozenset([LABEL])
"""Names of our own, which are noted like those of scripts and take no room from them."""


async def known(connection: Connection) -> frozenset[str]:
    """All names."""
    rows = await connection.fetch(tuple[str], "select name from script_fields")
    return frozenset(name for (name,) in rows)


async def note(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Commit these names, as far as the limit allows; all that there are then."""
    async with connection.transaction():
        # Two workers that count at once would both find room. Readers go on.
        await connection.execute("lock table script_fields in share row exclusive mode")
        there = await known(connection)
        missing = frozenset(names) - there
        room = max(0, MOST_NAMES - len(there - OURS))
        new = [*sorted(missing & OURS), *sorted(missing - OURS)[:room]]
        await connection.execute("insert into script_fields (name) select unnest($1::text[])", new)
    return there.union(new)
