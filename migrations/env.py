"""Alembic's environment: runs the revisions on the connection that `migrations.run` hands over.

There is no ini file and no offline mode: the caller owns connection, transaction, lock and timeouts.
"""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from migrations.level import store_level
from migrations.models import TARGETS, is_described


def _after_revision(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    store_level(ctx, heads)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=TARGETS,
    include_object=is_described,
    on_version_apply=_after_revision,
)
with context.begin_transaction():
    context.run_migrations()
