"""Users, and the secrets of the API."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("username", sa.String(100), nullable=False),
        sa.Column(
            "partid", sa.Integer, nullable=False, server_default="10", comment="Homer's tenant, always 10"
        ),
        sa.Column("email", sa.String(250), nullable=False, server_default=""),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("firstname", sa.String(50), nullable=False, server_default=""),
        sa.Column("lastname", sa.String(50), nullable=False, server_default=""),
        sa.Column("department", sa.String(50), nullable=False, server_default=""),
        sa.Column(
            "usergroup", sa.String(250), nullable=False, comment="exactly `admin` makes an administrator"
        ),
        sa.Column("hash", sa.String(128), nullable=False, comment="argon2id, PHC string"),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("username", name="users_username_key"),
        sa.UniqueConstraint("guid", name="users_guid_key"),
    )
    op.create_table(
        "api_secret",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("name", name="api_secret_pkey"),
        comment="keys made once and kept, so that a login outlives a restart",
    )


def downgrade() -> None:
    op.drop_table("api_secret")
    op.drop_table("users")
