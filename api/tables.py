"""The tables of the API: users, settings, audit. One description for migrations and for the code.

Those that Homer 7 has too have its columns, so that its rows can be carried over.
"""

import secrets
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    func,
    text,
    true,
)

from capture.store.tables import NAMING

metadata = MetaData(naming_convention=NAMING)


class Json(TypeDecorator[Any]):
    """Any JSON as text: PostgreSQL's own types refuse some (a NUL), and nothing here searches in it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: object) -> str:
        return msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: object) -> Any:
        return None if value is None else msgspec.json.decode(value)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _guid() -> Column[str]:
    return Column("guid", String(50), nullable=False, unique=True)


def _partid() -> Column[int]:
    return Column("partid", Integer, nullable=False, server_default="10", comment="Homer's tenant, always 10")


def _words(name: str, chars: int) -> Column[str]:
    return Column(name, String(chars), nullable=False, server_default="")


def _number(name: str, default: int) -> Column[int]:
    # The web UI sends milliseconds since 1970 for a version.
    return Column(name, BigInteger, nullable=False, server_default=str(default))


def _json(name: str, default: str = "{}") -> Column[object]:
    return Column(name, Json, nullable=False, server_default=default)


def _time(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def new_login_epoch() -> int:
    """Of one account alone: a login of one that is gone is none of the next one of its name."""
    return secrets.randbelow(2**30) + 2


def _removed() -> Column[bool]:
    return Column(
        "is_removed",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="stands for a default of the program that was deleted",
    )


users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("username", String(100), nullable=False, unique=True),
    Column("partid", Integer, nullable=False, server_default="10", comment="Homer's tenant, always 10"),
    Column("email", String(250), nullable=False, server_default=""),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("firstname", String(50), nullable=False, server_default=""),
    Column("lastname", String(50), nullable=False, server_default=""),
    Column("department", String(50), nullable=False, server_default=""),
    Column("usergroup", String(250), nullable=False, comment="exactly `admin` makes an administrator"),
    Column("hash", String(128), nullable=False, comment="argon2id, PHC string"),
    Column("guid", String(50), nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _number("version", 1),
    _json("params"),
    Column(
        "login_epoch",
        Integer,
        nullable=False,
        default=new_login_epoch,
        server_default="1",
        comment="logins of an earlier one count no more",
    ),
)

api_secret = Table(
    "api_secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="keys made once and kept, so that a login outlives a restart",
)

ended_logins = Table(
    "ended_logins",
    metadata,
    Column("login_id", Text, primary_key=True),
    Column("username", String(100), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    comment="logins that were ended before their tokens expire",
)

api_tokens = Table(
    "auth_token",
    metadata,
    _id(),
    _guid(),
    _words("creator_guid", 50),
    _words("name", 100),
    Column("token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256"),
    _json("user_object"),
    Column("ip_address", Text, nullable=False, server_default="0.0.0.0/0", comment="addresses and networks"),
    _time("create_date"),
    Column("lastusage_date", DateTime(timezone=True), comment="null: never"),
    Column("expire_date", DateTime(timezone=True), nullable=False),
    _number("usage_calls", 0),
    Column("limit_calls", BigInteger, nullable=False, server_default="0", comment="0: as many as one likes"),
    Column("active", Boolean, nullable=False, server_default=true()),
)

user_settings = Table(
    "user_settings",
    metadata,
    _id(),
    _guid(),
    _words("username", 100),
    _partid(),
    _words("category", 100),
    _words("param", 100),
    _json("data"),
    _time("create_date"),
    Index("ix_user_settings_username", "username", "category", "param"),
    Index(
        "uq_user_settings_dashboard",
        "username",
        "param",
        unique=True,
        postgresql_where=text("category = 'dashboard'"),
    ),
)

advanced = Table(
    "global_settings",
    metadata,
    _id(),
    _guid(),
    _partid(),
    _words("category", 100),
    _words("param", 100),
    _json("data"),
    _time("create_date"),
    _removed(),
)

mappings = Table(
    "mapping_schema",
    metadata,
    _id(),
    _guid(),
    _words("profile", 100),
    _number("hepid", 0),
    _words("hep_alias", 100),
    _partid(),
    _number("version", 1),
    _number("retention", 10),
    _number("partition_step", 10),
    _json("create_index"),
    _words("create_table", 100_000),
    _json("correlation_mapping", "[]"),
    _json("fields_mapping", "[]"),
    _json("fields_settings"),
    _json("schema_mapping"),
    _json("schema_settings"),
    _json("user_mapping", "null"),
    _time("create_date"),
    _removed(),
    comment="only what people have changed: the rest follows from the program",
)

hepsubs = Table(
    "hepsub_mapping_schema",
    metadata,
    _id(),
    _guid(),
    _words("profile", 100),
    _number("hepid", 0),
    _words("hep_alias", 250),
    _number("version", 1),
    _json("mapping"),
    _time("create_date"),
    _removed(),
)

aliases = Table(
    "alias",
    metadata,
    _id(),
    _guid(),
    _words("alias", 250),
    _words("ip", 60),
    _number("port", 0),
    _number("mask", 32),
    Column("captureID", String(20), nullable=False, server_default=""),
    Column("status", Boolean, nullable=False, server_default=true()),
    _number("version", 1),
    _time("create_date"),
)

agents = Table(
    "agent_location_session",
    metadata,
    _id(),
    _guid(),
    _number("gid", 10),
    _words("host", 250),
    _number("port", 8080),
    _words("protocol", 50),
    _words("path", 250),
    _words("node", 100),
    _words("type", 200),
    _number("ttl", 0),
    _time("create_date"),
    Column("expire_date", DateTime(timezone=True), nullable=False),
    _number("active", 1),
)

scripts = Table(
    "scripts",
    metadata,
    _id(),
    _guid(),
    _words("profile", 100),
    _number("hepid", 0),
    _words("hep_alias", 100),
    _partid(),
    _number("version", 1),
    _words("type", 100),
    Column("status", Boolean, nullable=False, server_default=true()),
    _json("data", "null"),
    _time("create_date"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    _time("at"),
    _words("username", 250),
    _words("address", 100),
    _words("action", 100),
    _words("object", 500),
    _json("detail"),
    Index("ix_audit_at", "at"),
    comment="who did what: changes, logins, payloads looked at, exports, imports",
)
