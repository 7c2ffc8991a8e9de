"""The capture tables: one description for migrations, the writer and the readers.

Two tables a class, messages and keys, each partitioned by range of capture time in microseconds, so that no
driver converts a time on the way. The leaves are data, made by `rotate`, not by migrations. Knows nothing of
HEP or SIP.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB, UUID

from capture.route import MessageClass
from capture.store.columns import KEY_TEXT_COLUMNS, keys_table, messages_table

NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}
metadata = MetaData(naming_convention=NAMING)

message_id = Sequence(
    "message_id", metadata=metadata, data_type=BigInteger, minvalue=1, maxvalue=2**53 - 1, cache=100
)
"""One sequence for every class; below 2^53 because the web UI reads JavaScript numbers."""

leaf_number = Sequence("leaf_number", metadata=metadata, data_type=BigInteger)
"""Leaf tables carry a number that is never used twice: a bucket dropped and made again is another one."""


def _c_text(name: str) -> Column[str]:
    """Text that sorts by bytes, so that a prefix search uses a btree under any locale."""
    return Column(name, Text(collation="C"))


def _message_table(message_class: MessageClass) -> Table:
    name = messages_table(message_class)
    return Table(
        name,
        metadata,
        Column("id", BigInteger, nullable=False, server_default=message_id.next_value()),
        Column(
            "time_us", BigInteger, nullable=False, comment="capture time, microseconds since the Unix epoch"
        ),
        Column("delay_us", BigInteger, nullable=False, comment="arrival minus capture time"),
        Column("call", BigInteger, nullable=False, comment="signed xxh3-64 of the session id's UTF-8"),
        Column("capture_id", BigInteger),
        Column("source_port", Integer),
        Column("destination_port", Integer),
        Column("flags", Integer, nullable=False, comment="capture.row.Flag"),
        Column("protocol_type", SmallInteger, nullable=False),
        Column("ip_protocol", SmallInteger),
        Column("raw_codec", SmallInteger, nullable=False, comment="0 plain, else payload_dictionary.id"),
        Column("source", INET),
        Column("destination", INET),
        Column("method", Text(collation="C"), comment="request method or status code; null where not SIP"),
        Column("node_name", Text(collation="C")),
        Column("correlation_id", Text(collation="C"), comment="null when equal to the session id"),
        Column("session_id", Text(collation="C"), comment="null when the payload says it (SIP: its Call-ID)"),
        Column("parse_error", Text),
        Column("extra", JSONB, comment="fields and HEP facts that the payload does not say"),
        Column("raw", LargeBinary, nullable=False),
        Index(f"{name}_time_us_id_idx", "time_us", "id"),
        Index(f"{name}_call_idx", "call"),
        Index(
            f"{name}_status_idx",
            "method",
            "time_us",
            "id",
            postgresql_where=text("method >= '4' AND method < '7'"),
        ),
        postgresql_partition_by="RANGE (time_us)",
    )


def _key_table(message_class: MessageClass) -> Table:
    name = keys_table(message_class)
    columns = [_c_text(column) for column in KEY_TEXT_COLUMNS]
    indexes = [
        Index(f"{name}_{column}_idx", column, postgresql_where=text(f"{column} IS NOT NULL"))
        for column in (*KEY_TEXT_COLUMNS, "source", "destination")
    ]
    return Table(
        name,
        metadata,
        Column("bucket", BigInteger, nullable=False, comment="lower bound of the messages' partition"),
        Column("call", BigInteger, nullable=False),
        *columns,
        Column("source", INET, comment="either end of a message: the pair is not ordered"),
        Column("destination", INET),
        Column(
            "cut",
            Boolean,
            comment="true: a value was cut or refused; a candidate for every key condition; else null",
        ),
        Column("extra", JSONB, comment='custom headers and script fields: {"name": ["value", …]}'),
        *indexes,
        Index(f"{name}_cut_idx", "call", postgresql_where=text("cut")),
        Index(f"{name}_call_id_idx", "call", postgresql_where=text("extra ? 'call_id'")),
        Index(
            f"{name}_extra_idx",
            "extra",
            postgresql_using="gin",
            postgresql_ops={"extra": "jsonb_path_ops"},
            postgresql_where=text("extra IS NOT NULL"),
        ),
        postgresql_partition_by="RANGE (bucket)",
    )


MESSAGES: dict[MessageClass, Table] = {c: _message_table(c) for c in MessageClass}
KEYS: dict[MessageClass, Table] = {c: _key_table(c) for c in MessageClass}

journal_position = Table(
    "journal_position",
    metadata,
    Column("journal", UUID(as_uuid=True), primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("byte_offset", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False, comment="number of the next record"),
    Column("written", BigInteger, nullable=False, server_default="0"),
    Column("filtered", BigInteger, nullable=False, server_default="0"),
    Column("duplicate", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("malformed", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("place", Text, nullable=False, server_default="", comment="host and directory, for people"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

payload_dictionary = Table(
    "payload_dictionary",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=True),
    Column("sha256", LargeBinary, Computed("sha256(content)", persisted=True), nullable=False, unique=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("trained_on", Integer, comment="messages it was trained on; null: it came with a release"),
    Column("plain_bytes", BigInteger, comment="of the messages that it was then judged by"),
    Column("stored_bytes", BigInteger, comment="of the same, compressed"),
    comment="immutable; committed before first use",
)

keying = Table(
    "keying",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=True),
    Column("rules", JSONB, nullable=False, unique=True, comment="key column or custom:HEADER → rule number"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

leaf_keying = Table(
    "leaf_keying",
    metadata,
    Column("message_class", Text, primary_key=True),
    Column("leaf", BigInteger, primary_key=True, comment="the number in the leaf tables' names"),
    Column("version", Integer, ForeignKey("keying.version"), primary_key=True),
    comment="which versions of what is keyed have written into a leaf; committed before the first row",
)

script_fields = Table(
    "script_fields",
    metadata,
    Column("name", Text, primary_key=True),
    comment="headers and tags that filter scripts set; committed before the first row that has one",
)

schema_level = Table(
    "schema_level",
    metadata,
    Column(
        "only",
        Boolean,
        CheckConstraint('"only"', name="one_row"),
        primary_key=True,
        server_default=text("true"),
    ),
    Column("level", Integer, nullable=False, comment="what the migrations have made"),
    Column("oldest_code", Integer, nullable=False, comment="the lowest level of code that may still use it"),
)
