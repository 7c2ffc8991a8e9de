"""Kinds of settings objects: their names in JSON, the columns behind them, and how values are read.

Source: homer-app's objects; the web UI, which sends `123` or `true` where text was typed that looks so, JSON
typed into an editor as what it is, and names that it alone knows. What a request names is written, be it
empty, zero or false; Homer could not clear a field. Knows no HTTP and runs no SQL.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table

from api.depth import check_depth
from api.errors import RequestError
from api.tables import Json

Values = dict[str, Any]
"""Of a row, by column."""

MOST_JSON_BYTES = 4 * 1024 * 1024
"""Of one value: a dashboard, a mapping."""
INT32, INT64 = 2**31, 2**63
_ID = re.compile(r"(?!\.{1,2}$)[^/]+")


class Check(NamedTuple):
    """What a value has to be, beyond what follows from its column."""

    read: Callable[[Any], Any]
    """Makes of a value what is stored; RequestError."""
    schema: Mapping[str, Any]
    """The same as JSON Schema, as far as that can say it."""


class Kind(NamedTuple):
    """One kind of object."""

    what: str
    """In messages and in the audit."""
    table: Table
    fields: tuple[str, ...]
    """In JSON, in the order of answers."""
    required: tuple[str, ...] = ()
    """Without these none is made; they may be empty but for those in `filled`."""
    filled: tuple[str, ...] = ()
    checks: Mapping[str, Check] = {}
    """Beyond what follows from the column."""
    columns: Mapping[str, str] = {}
    """Of fields whose column is called otherwise."""
    key: tuple[str, ...] = ()
    """What tells two apart that the program brings along."""
    read_only: frozenset[str] = frozenset()
    """Shown, and ignored where a request has them."""
    complete: Callable[[Values, Values], Values] = lambda values, before: values
    """What is written, of what a request sets and of the row as it was (empty for a new one), where fields
    depend on each other; RequestError."""

    def column(self, field: str) -> Column[Any]:
        column: Column[Any] = self.table.c[self.columns.get(field, field)]
        return column


def read_values(kind: Kind, body: Any, *, is_new: bool) -> Values:
    """What a request's JSON sets; RequestError in words for what cannot be.

    A name that is null counts as absent. Without `is_new` everything may be absent, but not all at once.
    """
    if not isinstance(body, dict):
        raise RequestError
    given = {
        name: body[name] for name in kind.fields if name not in kind.read_only and body.get(name) is not None
    }
    if is_new:
        missing = [name for name in kind.required if name not in given]
        if missing:
            raise RequestError("\n".join(_required(kind, name) for name in missing))
    elif not given:
        raise RequestError("nothing to change: none of the fields is there")
    values = {}
    for name, value in given.items():
        column = kind.column(name)
        read = _read(name, value, column)
        if name in kind.filled and read == "":
            raise RequestError(_required(kind, name))
        check = kind.checks.get(name)
        values[column.name] = read if check is None else check.read(read)
    return values


def shown(kind: Kind, row: Mapping[str, Any]) -> dict[str, Any]:
    """An object as answers have it."""
    return {name: _shown(row[kind.columns.get(name, name)]) for name in kind.fields}


def whole(name: str, least: int, most: int) -> Check:
    """A number's range."""

    def read(value: Any) -> Any:
        if not least <= value <= most:
            raise RequestError(f"{name} is a whole number from {least} to {most}")
        return value

    return Check(read, {"type": "integer", "minimum": least, "maximum": most})


def _address(value: Any) -> str:
    text = str(value).strip().strip("[]")
    try:
        found = ip_address(text)
    except ValueError:
        raise RequestError(f"{text[:100]!r} is not an IP address") from None
    return str(getattr(found, "ipv4_mapped", None) or found)


ADDRESS = Check(
    _address, {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}
)
"""An IPv4 or IPv6 address, in its usual form; an IPv4 one that is mapped into IPv6 as that."""


def _id(value: Any) -> str:
    if not _ID.fullmatch(value):
        raise RequestError("an id has no slash in it, and is no dot or two")
    return str(value)


ID = Check(_id, {"type": "string", "maxLength": 50, "pattern": f"^{_ID.pattern}$"})
"""The id of an object that a client may choose: any other could not be named in an address."""


def json_array(name: str) -> Check:
    """A list, be it as text; empty text is an empty one."""
    return Check(_json_of(name, list, "a list"), {"type": "array"})


def json_object(name: str) -> Check:
    """An object, be it as text; empty text is an empty one."""
    return Check(_json_of(name, dict, "an object"), {"type": "object"})


def _json_of(name: str, type_: type, words: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = msgspec.json.decode(value) if value.strip() else type_()
            except (msgspec.MsgspecError, RecursionError):
                raise RequestError(f"{name} is not JSON") from None
            check_depth(value)
        # The web UI sends an empty object for a new mapping's empty list.
        if value in ({}, []):
            value = type_()
        if not isinstance(value, type_):
            raise RequestError(f"{name} is not {words}")
        return value

    return read


def _read(name: str, value: Any, column: Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, Json):
        return _read_json(name, value)
    if isinstance(kind, Boolean):
        return _read_boolean(name, value)
    if isinstance(kind, DateTime):
        return _read_time(name, value)
    if isinstance(kind, Integer):
        limit = INT64 if isinstance(kind, BigInteger) else INT32
        return _read_whole(name, value, limit)
    return _read_text(name, value, getattr(kind, "length", None))


def _read_json(name: str, value: Any) -> Any:
    if len(msgspec.json.encode(value)) > MOST_JSON_BYTES:
        raise RequestError(f"{name} is larger than {MOST_JSON_BYTES} bytes")
    return value


def _read_boolean(name: str, value: Any) -> bool:
    # 1 and 0 are equal to them.
    if value in (True, "true"):
        return True
    if value in (False, "false", ""):
        return False
    raise RequestError(f"{name} is true or false")


def _read_whole(name: str, value: Any, limit: int) -> int:
    if isinstance(value, str):
        text = value.strip()
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
        raise RequestError(f"{name} is not a whole number that can be stored")
    return value


def _read_time(name: str, value: Any) -> datetime:
    try:
        time = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        raise RequestError(f"{name} is not a time such as 2030-12-31T23:59:59Z") from None
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise RequestError(f"{name} is not a time that can be stored") from None


def _read_text(name: str, value: Any, most_chars: int | None) -> str:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or "\0" in value:
        raise RequestError(f"{name} is not text")
    if most_chars is not None and len(value) > most_chars:
        raise RequestError(f"{name} is longer than {most_chars} characters")
    return value


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _required(kind: Kind, field: str) -> str:
    """In the form of Homer's validator."""
    name = kind.what.title().replace(" ", "")
    return f"Key: '{name}.{field}' Error:Field validation for '{field}' failed on the 'required' tag"
