"""Whether this code and a database's schema fit: each may be newer than the other, within what it allows."""

from typing import NamedTuple

from capture.errors import SchemaMismatch
from capture.store.connection import Connection

CODE_LEVEL = 7
"""The level of the newest revision in `migrations`, which this code knows."""
NEEDED_LEVEL = 7
"""The oldest schema that this code can use."""


class SchemaLevel(NamedTuple):
    """The row of `schema_level`."""

    level: int
    oldest_code: int
    """The lowest level of code that may still use this schema."""


def judge(found: SchemaLevel | None) -> None:
    """SchemaMismatch in words, with what to do, unless this code may use such a schema."""
    if found is None:
        raise SchemaMismatch("the database has no tables of ours: run `rhapsode migrate`")
    if found.level < NEEDED_LEVEL:
        raise SchemaMismatch(
            f"the database's schema is of level {found.level}, this version needs {NEEDED_LEVEL}:"
            " run `rhapsode migrate`"
        )
    if found.oldest_code > CODE_LEVEL:
        raise SchemaMismatch(
            f"the database's schema (level {found.level}) needs code of level {found.oldest_code},"
            f" this version is of level {CODE_LEVEL}: install a newer version"
        )


async def check_schema(connection: Connection) -> None:
    """SchemaMismatch unless this code may use the database behind `connection`."""
    judge(await _read_level(connection))


async def _read_level(connection: Connection) -> SchemaLevel | None:
    ((there,),) = await connection.fetch(tuple[bool], "select to_regclass('schema_level') is not null")
    if not there:
        return None
    rows = await connection.fetch(SchemaLevel, "select level, oldest_code from schema_level")
    return rows[0] if rows else None
