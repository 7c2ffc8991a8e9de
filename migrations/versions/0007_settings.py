"""Settings of the API in the database, API tokens, ended logins, and the audit of who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "agent_location_session",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("gid", sa.BigInteger, server_default="10", nullable=False),
        sa.Column("host", sa.String(250), server_default="", nullable=False),
        sa.Column("port", sa.BigInteger, server_default="8080", nullable=False),
        sa.Column("protocol", sa.String(50), server_default="", nullable=False),
        sa.Column("path", sa.String(250), server_default="", nullable=False),
        sa.Column("node", sa.String(100), server_default="", nullable=False),
        sa.Column("type", sa.String(200), server_default="", nullable=False),
        sa.Column("ttl", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expire_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active", sa.BigInteger, server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name="agent_location_session_pkey"),
        sa.UniqueConstraint("guid", name="agent_location_session_guid_key"),
    )
    op.create_table(
        "alias",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("alias", sa.String(250), server_default="", nullable=False),
        sa.Column("ip", sa.String(60), server_default="", nullable=False),
        sa.Column("port", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("mask", sa.BigInteger, server_default="32", nullable=False),
        sa.Column("captureID", sa.String(20), server_default="", nullable=False),
        sa.Column("status", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("version", sa.BigInteger, server_default="1", nullable=False),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="alias_pkey"),
        sa.UniqueConstraint("guid", name="alias_guid_key"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("username", sa.String(250), server_default="", nullable=False),
        sa.Column("address", sa.String(100), server_default="", nullable=False),
        sa.Column("action", sa.String(100), server_default="", nullable=False),
        sa.Column("object", sa.String(500), server_default="", nullable=False),
        sa.Column("detail", sa.Text, server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_pkey"),
        comment="who did what: changes, logins, payloads looked at, exports, imports",
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_table(
        "auth_token",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("creator_guid", sa.String(50), server_default="", nullable=False),
        sa.Column("name", sa.String(100), server_default="", nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False, comment="SHA-256"),
        sa.Column("user_object", sa.Text, server_default="{}", nullable=False),
        sa.Column(
            "ip_address",
            sa.Text,
            server_default="0.0.0.0/0",
            nullable=False,
            comment="addresses and networks",
        ),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lastusage_date", sa.DateTime(timezone=True), nullable=True, comment="null: never"),
        sa.Column("expire_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("usage_calls", sa.BigInteger, server_default="0", nullable=False),
        sa.Column(
            "limit_calls",
            sa.BigInteger,
            server_default="0",
            nullable=False,
            comment="0: as many as one likes",
        ),
        sa.Column("active", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="auth_token_pkey"),
        sa.UniqueConstraint("guid", name="auth_token_guid_key"),
        sa.UniqueConstraint("token_hash", name="auth_token_token_hash_key"),
    )
    op.create_table(
        "ended_logins",
        sa.Column("login_id", sa.Text, nullable=False),
        sa.Column("username", sa.String(100), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("login_id", name="ended_logins_pkey"),
        comment="logins that were ended before their tokens expire",
    )
    op.create_table(
        "global_settings",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column(
            "partid", sa.Integer, server_default="10", nullable=False, comment="Homer's tenant, always 10"
        ),
        sa.Column("category", sa.String(100), server_default="", nullable=False),
        sa.Column("param", sa.String(100), server_default="", nullable=False),
        sa.Column("data", sa.Text, server_default="{}", nullable=False),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "is_removed",
            sa.Boolean,
            server_default=sa.false(),
            nullable=False,
            comment="stands for a default of the program that was deleted",
        ),
        sa.PrimaryKeyConstraint("id", name="global_settings_pkey"),
        sa.UniqueConstraint("guid", name="global_settings_guid_key"),
    )
    op.create_table(
        "hepsub_mapping_schema",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("profile", sa.String(100), server_default="", nullable=False),
        sa.Column("hepid", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("hep_alias", sa.String(250), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger, server_default="1", nullable=False),
        sa.Column("mapping", sa.Text, server_default="{}", nullable=False),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "is_removed",
            sa.Boolean,
            server_default=sa.false(),
            nullable=False,
            comment="stands for a default of the program that was deleted",
        ),
        sa.PrimaryKeyConstraint("id", name="hepsub_mapping_schema_pkey"),
        sa.UniqueConstraint("guid", name="hepsub_mapping_schema_guid_key"),
    )
    op.create_table(
        "mapping_schema",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("profile", sa.String(100), server_default="", nullable=False),
        sa.Column("hepid", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("hep_alias", sa.String(100), server_default="", nullable=False),
        sa.Column(
            "partid", sa.Integer, server_default="10", nullable=False, comment="Homer's tenant, always 10"
        ),
        sa.Column("version", sa.BigInteger, server_default="1", nullable=False),
        sa.Column("retention", sa.BigInteger, server_default="10", nullable=False),
        sa.Column("partition_step", sa.BigInteger, server_default="10", nullable=False),
        sa.Column("create_index", sa.Text, server_default="{}", nullable=False),
        sa.Column("create_table", sa.String(100000), server_default="", nullable=False),
        sa.Column("correlation_mapping", sa.Text, server_default="[]", nullable=False),
        sa.Column("fields_mapping", sa.Text, server_default="[]", nullable=False),
        sa.Column("fields_settings", sa.Text, server_default="{}", nullable=False),
        sa.Column("schema_mapping", sa.Text, server_default="{}", nullable=False),
        sa.Column("schema_settings", sa.Text, server_default="{}", nullable=False),
        sa.Column("user_mapping", sa.Text, server_default="null", nullable=False),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "is_removed",
            sa.Boolean,
            server_default=sa.false(),
            nullable=False,
            comment="stands for a default of the program that was deleted",
        ),
        sa.PrimaryKeyConstraint("id", name="mapping_schema_pkey"),
        sa.UniqueConstraint("guid", name="mapping_schema_guid_key"),
        comment="only what people have changed: the rest follows from the program",
    )
    op.create_table(
        "scripts",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("profile", sa.String(100), server_default="", nullable=False),
        sa.Column("hepid", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("hep_alias", sa.String(100), server_default="", nullable=False),
        sa.Column(
            "partid", sa.Integer, server_default="10", nullable=False, comment="Homer's tenant, always 10"
        ),
        sa.Column("version", sa.BigInteger, server_default="1", nullable=False),
        sa.Column("type", sa.String(100), server_default="", nullable=False),
        sa.Column("status", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("data", sa.Text, server_default="null", nullable=False),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="scripts_pkey"),
        sa.UniqueConstraint("guid", name="scripts_guid_key"),
    )
    op.create_table(
        "user_settings",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(50), nullable=False),
        sa.Column("username", sa.String(100), server_default="", nullable=False),
        sa.Column(
            "partid", sa.Integer, server_default="10", nullable=False, comment="Homer's tenant, always 10"
        ),
        sa.Column("category", sa.String(100), server_default="", nullable=False),
        sa.Column("param", sa.String(100), server_default="", nullable=False),
        sa.Column("data", sa.Text, server_default="{}", nullable=False),
        sa.Column("create_date", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="user_settings_pkey"),
        sa.UniqueConstraint("guid", name="user_settings_guid_key"),
    )
    op.create_index(
        "ix_user_settings_username", "user_settings", ["username", "category", "param"], unique=False
    )
    op.create_index(
        "uq_user_settings_dashboard",
        "user_settings",
        ["username", "param"],
        unique=True,
        postgresql_where=sa.text("category = 'dashboard'"),
    )
    op.add_column("users", sa.Column("version", sa.BigInteger, server_default="1", nullable=False))
    op.add_column("users", sa.Column("params", sa.Text, server_default="{}", nullable=False))
    op.add_column(
        "users",
        sa.Column(
            "login_epoch",
            sa.Integer,
            server_default="1",
            nullable=False,
            comment="logins of an earlier one count no more",
        ),
    )


def downgrade() -> None:
    op.drop_column("users", "login_epoch")
    op.drop_column("users", "params")
    op.drop_column("users", "version")
    op.drop_table("user_settings")
    op.drop_table("scripts")
    op.drop_table("mapping_schema")
    op.drop_table("hepsub_mapping_schema")
    op.drop_table("global_settings")
    op.drop_table("ended_logins")
    op.drop_table("auth_token")
    op.drop_table("audit")
    op.drop_table("alias")
    op.drop_table("agent_location_session")
