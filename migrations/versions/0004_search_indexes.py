"""Indexes for what searches walked long ways for, and a smaller one for what is mostly null.

Rare statuses (errors are few), rows that a filter has changed, calls whose Call-ID a filter has set. Each
holds few rows, so that it costs next to nothing while messages are stored.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

CLASSES = (
    "1_call",
    "1_registration",
    "1_default",
    "5_default",
    "35_default",
    "53_default",
    "54_default",
    "100_default",
)


def upgrade() -> None:
    for class_key in CLASSES:
        messages, keys = f"messages_{class_key}", f"keys_{class_key}"
        op.execute(
            f"create index {messages}_status_idx on {messages} (method, time_us, id)"
            " where method >= '4' and method < '7'"
        )
        op.execute(f"create index {messages}_changed_idx on {messages} (time_us, id) where extra ? 'fields'")
        op.execute(f"create index {keys}_call_id_idx on {keys} (call) where extra ? 'call_id'")
        op.execute(f"drop index {keys}_extra_idx")
        op.execute(
            f"create index {keys}_extra_idx on {keys} using gin (extra jsonb_path_ops)"
            " where extra is not null"
        )


def downgrade() -> None:
    for class_key in CLASSES:
        messages, keys = f"messages_{class_key}", f"keys_{class_key}"
        op.execute(f"drop index {keys}_extra_idx")
        op.execute(f"create index {keys}_extra_idx on {keys} using gin (extra jsonb_path_ops)")
        op.execute(f"drop index {keys}_call_id_idx")
        op.execute(f"drop index {messages}_changed_idx")
        op.execute(f"drop index {messages}_status_idx")
