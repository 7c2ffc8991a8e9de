"""The names of headers and tags that filter scripts have set: fields as soon as the first message has one."""

from sqlalchemy.ext.asyncio import AsyncEngine

from api.database import read_only


class ScriptNames:
    """What this process knows of them.

    Names are committed before the first message that has one, and stay. So a question in which every field is
    known needs nobody to be asked, and only for a name that is not known the database is.
    """

    def __init__(self, engine: AsyncEngine, statement_timeout_s: float) -> None:
        self._engine = engine
        self._statement_timeout_s = statement_timeout_s
        self.known: tuple[str, ...] = ()
        """In the order of their characters."""

    async def refresh(self) -> bool:
        """Read them anew; whether there are others now. DatabaseError when the database says no."""
        async with read_only(self._engine, self._statement_timeout_s) as reading:
            rows = await reading.fetch("select name from script_fields")
        before, self.known = self.known, tuple(sorted(row[0] for row in rows))
        return self.known != before
