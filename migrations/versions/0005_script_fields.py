"""The names under which filter scripts have set headers and tags, so that they can be searched by."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "script_fields",
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="script_fields_pkey"),
        comment="headers and tags that filter scripts set; committed before the first row that has one",
    )


def downgrade() -> None:
    op.drop_table("script_fields")
