"""The tables of the API: users and secrets. One description for migrations and for the code.

`users` has Homer 7's columns, so that its rows can be carried over.
"""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    true,
)

from capture.store.tables import NAMING

metadata = MetaData(naming_convention=NAMING)

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
)

api_secret = Table(
    "api_secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="keys made once and kept, so that a login outlives a restart",
)
