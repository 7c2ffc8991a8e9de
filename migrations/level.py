"""The row of `schema_level`, kept by every revision that runs, in the same transaction.

A revision's level is its number. Code of a lower level may go on using the schema unless a revision says in
its module, by `OLDEST_CODE`, what the lowest level of code is that still can.
"""

from collections.abc import Collection

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text


def store_level(context: MigrationContext, heads: Collection[str]) -> None:
    """Note the level that `heads` stand for; nothing when the last revision has been taken back."""
    if not heads or context.connection is None:
        return
    (head,) = heads
    context.connection.execute(
        text(
            "insert into schema_level (level, oldest_code) values (:level, :oldest_code)"
            ' on conflict ("only") do update set level = excluded.level, oldest_code = excluded.oldest_code'
        ),
        {"level": int(head), "oldest_code": oldest_code(context, head)},
    )


def oldest_code(context: MigrationContext, head: str) -> int:
    """The highest `OLDEST_CODE` of all revisions up to `head`."""
    script: ScriptDirectory | None = context.opts.get("script")
    revisions = [] if script is None else list(script.iterate_revisions(head, "base"))
    return max((getattr(revision.module, "OLDEST_CODE", 1) for revision in revisions), default=1)
