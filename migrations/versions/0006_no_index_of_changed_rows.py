"""No index of rows that a filter script has changed: where scripts tag every message, that is every row.

Columns hold what scripts have made of them, so that searches by columns need not look elsewhere.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

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
        op.execute(f"drop index messages_{class_key}_changed_idx")


def downgrade() -> None:
    for class_key in CLASSES:
        table = f"messages_{class_key}"
        op.execute(f"create index {table}_changed_idx on {table} (time_us, id) where extra ? 'fields'")
