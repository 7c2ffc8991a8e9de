"""Messages and keys of every class, journal positions, dictionaries, what is keyed.

Written out rather than taken from `capture.store.tables`: a revision stays what it was when the models go on.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INET, JSONB, UUID

revision = "0001"
down_revision = None

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
KEY_TEXT_COLUMNS = (
    "sid",
    "correlation_id",
    "from_user",
    "from_domain",
    "to_user",
    "to_domain",
    "ruri_user",
    "ruri_domain",
    "pai_user",
    "auth_user",
    "contact_user",
    "user_agent",
    "node",
)


def upgrade() -> None:
    op.execute(
        sa.schema.CreateSequence(
            sa.Sequence("message_id", data_type=sa.BigInteger, minvalue=1, maxvalue=2**53 - 1, cache=100)
        )
    )
    op.execute(sa.schema.CreateSequence(sa.Sequence("leaf_number", data_type=sa.BigInteger)))
    for class_key in CLASSES:
        _create_messages(f"messages_{class_key}")
        _create_keys(f"keys_{class_key}")
    _create_journal_position()
    _create_payload_dictionary()
    _create_keying()
    op.create_table(
        "schema_level",
        sa.Column("only", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("level", sa.Integer, nullable=False, comment="what the migrations have made"),
        sa.Column(
            "oldest_code",
            sa.Integer,
            nullable=False,
            comment="the lowest level of code that may still use it",
        ),
        sa.PrimaryKeyConstraint("only", name="schema_level_pkey"),
        sa.CheckConstraint('"only"', name="schema_level_one_row_check"),
    )


def downgrade() -> None:
    for table in ("schema_level", "leaf_keying", "keying", "payload_dictionary", "journal_position"):
        op.drop_table(table)
    for class_key in reversed(CLASSES):
        op.drop_table(f"keys_{class_key}")
        op.drop_table(f"messages_{class_key}")
    op.execute("drop sequence leaf_number")
    op.execute("drop sequence message_id")


def _c_text(name: str, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(collation="C"), comment=comment)


def _create_messages(name: str) -> None:
    op.create_table(
        name,
        sa.Column(
            "id", sa.BigInteger, nullable=False, server_default=sa.text("nextval('message_id'::regclass)")
        ),
        sa.Column(
            "time_us",
            sa.BigInteger,
            nullable=False,
            comment="capture time, microseconds since the Unix epoch",
        ),
        sa.Column("delay_us", sa.BigInteger, nullable=False, comment="arrival minus capture time"),
        sa.Column("call", sa.BigInteger, nullable=False, comment="signed xxh3-64 of the session id's UTF-8"),
        sa.Column("capture_id", sa.BigInteger),
        sa.Column("source_port", sa.Integer),
        sa.Column("destination_port", sa.Integer),
        sa.Column("flags", sa.Integer, nullable=False, comment="capture.row.Flag"),
        sa.Column("protocol_type", sa.SmallInteger, nullable=False),
        sa.Column("ip_protocol", sa.SmallInteger),
        sa.Column(
            "raw_codec", sa.SmallInteger, nullable=False, comment="0 plain, else payload_dictionary.id"
        ),
        sa.Column("source", INET),
        sa.Column("destination", INET),
        _c_text("method", "request method or status code; null where not SIP"),
        _c_text("node_name"),
        _c_text("correlation_id", "null when equal to the session id"),
        _c_text("session_id", "null when the payload says it (SIP: its Call-ID)"),
        sa.Column("parse_error", sa.Text),
        sa.Column("extra", JSONB, comment="fields and HEP facts that the payload does not say"),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        postgresql_partition_by="RANGE (time_us)",
    )
    # A payload is compressed by us or not at all: PostgreSQL must not try again.
    op.execute(f"alter table {name} alter column raw set storage external")
    op.create_index(f"{name}_time_us_id_idx", name, ["time_us", "id"])
    op.create_index(f"{name}_call_idx", name, ["call"])


def _create_keys(name: str) -> None:
    op.create_table(
        name,
        sa.Column("bucket", sa.BigInteger, nullable=False, comment="lower bound of the messages' partition"),
        sa.Column("call", sa.BigInteger, nullable=False),
        *(_c_text(column) for column in KEY_TEXT_COLUMNS),
        sa.Column("source", INET, comment="either end of a message: the pair is not ordered"),
        sa.Column("destination", INET),
        sa.Column(
            "cut",
            sa.Boolean,
            comment="true: a value was cut or refused; a candidate for every key condition; else null",
        ),
        sa.Column("extra", JSONB, comment='custom headers and script fields: {"name": ["value", …]}'),
        postgresql_partition_by="RANGE (bucket)",
    )
    for column in (*KEY_TEXT_COLUMNS, "source", "destination"):
        op.create_index(
            f"{name}_{column}_idx", name, [column], postgresql_where=sa.text(f"{column} IS NOT NULL")
        )
    op.create_index(f"{name}_cut_idx", name, ["call"], postgresql_where=sa.text("cut"))
    op.create_index(
        f"{name}_extra_idx",
        name,
        ["extra"],
        postgresql_using="gin",
        postgresql_ops={"extra": "jsonb_path_ops"},
    )


def _create_journal_position() -> None:
    outcomes = ("written", "filtered", "duplicate", "refused", "malformed", "failed")
    op.create_table(
        "journal_position",
        sa.Column("journal", UUID(as_uuid=True), nullable=False),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("byte_offset", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, comment="number of the next record"),
        *(sa.Column(outcome, sa.BigInteger, nullable=False, server_default="0") for outcome in outcomes),
        sa.Column(
            "place", sa.Text, nullable=False, server_default="", comment="host and directory, for people"
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("journal", name="journal_position_pkey"),
    )


def _create_payload_dictionary() -> None:
    op.create_table(
        "payload_dictionary",
        sa.Column("id", sa.SmallInteger, nullable=False, autoincrement=True),
        sa.Column("sha256", sa.LargeBinary, sa.Computed("sha256(content)", persisted=True), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("id", name="payload_dictionary_pkey"),
        sa.UniqueConstraint("sha256", name="payload_dictionary_sha256_key"),
        comment="immutable; committed before first use",
    )


def _create_keying() -> None:
    op.create_table(
        "keying",
        sa.Column("version", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("rules", JSONB, nullable=False, comment="key column or custom:HEADER → rule number"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("version", name="keying_pkey"),
        sa.UniqueConstraint("rules", name="keying_rules_key"),
    )
    op.create_table(
        "leaf_keying",
        sa.Column("message_class", sa.Text, nullable=False),
        sa.Column("leaf", sa.BigInteger, nullable=False, comment="the number in the leaf tables' names"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("message_class", "leaf", "version", name="leaf_keying_pkey"),
        sa.ForeignKeyConstraint(["version"], ["keying.version"], name="leaf_keying_version_fkey"),
        comment="which versions of what is keyed have written into a leaf; committed before the first row",
    )
