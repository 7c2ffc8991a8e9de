"""Tables to look up, from the bytes of CSV and JSON files.

CSV (RFC 4180) has a header. Its delimiter is the comma; where the header has none, the semicolon, else the
tab, as spreadsheets of some countries write it. JSON is an object. Text stays the bytes that it is, for it is
compared with what packets hold, byte by byte. Knows no file and no Lua.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

Scalar = bytes | float | bool
"""A value of a table; an int is a float that is whole."""
Found = Scalar | tuple[Scalar, ...] | None
"""What a key has: one value; or a row, as name, value, name, value …; None: the table has no such key."""

KEY_COLUMN = "key"
"""The column of this name holds the keys; where there is none, the first one does."""
MOST_COLUMNS = 256
SUFFIXES = (".csv", ".json")
_LARGEST_WHOLE = 2**53
"""Lua's numbers are floats: a whole number beyond that would become another one, and is text instead."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Table(NamedTuple):
    """Keys, and what they have."""

    entries: Mapping[bytes, Scalar | tuple[Scalar, ...]]
    columns: tuple[bytes, ...] = ()
    """Names for the values of each entry; () where entries are single values, or have their own names."""
    words: str = ""
    """What is odd about the file, though it is used; "" when nothing is."""

    def find(self, key: bytes) -> Found:
        found = self.entries.get(key)
        if found is None or not self.columns:
            return found
        # Names are held once for all rows.
        return tuple(part for pair in zip(self.columns, found, strict=True) for part in pair)  # type: ignore[arg-type]


class _Rows(Protocol):
    """Of the module `csv`, which does not name its own."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...


def parse_table(name: str, data: bytes) -> Table | str:
    """The table of a file by the ending of its name; what is wrong with it, in words, when it is none."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if data.startswith(_UTF16):
        return "is UTF-16: save it as UTF-8"
    if not data.strip():
        return "is empty"
    return parse_json(data) if name.lower().endswith(".json") else parse_csv(data)


def table_of(answers: Mapping[str, object]) -> Table | str:
    """A table from plain values, as JSON would hold them."""
    return _table_of_object(dict(answers))


def parse_csv(data: bytes) -> Table | str:
    """One column: a list, whose values are true. Two: the value is that of the other one. More: a row."""
    text = data.decode("utf-8", "surrogateescape")
    first_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in first_line), ",")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        columns = [name.strip() for name in next((row for row in rows if row), [])]
        return _wrong_header(columns) or _table_of_rows(columns, rows)
    except csv.Error as error:
        return f"line {rows.line_num}: {error}"


def parse_json(data: bytes) -> Table | str:
    """An object of text, numbers, booleans and null, which is no value, or of objects of these."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return f"is not JSON: {error}"
    return _table_of_object(value) if isinstance(value, dict) else "is not a JSON object"


def _wrong_header(columns: Sequence[str]) -> str | None:
    if len(columns) > MOST_COLUMNS:
        return f"has {len(columns)} columns: at most {MOST_COLUMNS}"
    if len(columns) > 2 and "" in columns:
        return f"column {columns.index('') + 1} has no name in the header"
    twice = next((name for name in columns if columns.count(name) > 1), None)
    return f"two columns are called {twice}" if twice is not None else None


def _table_of_rows(columns: Sequence[str], rows: _Rows) -> Table:
    key_at = columns.index(KEY_COLUMN) if KEY_COLUMN in columns else 0
    width = len(columns)
    entries: dict[bytes, Scalar | tuple[Scalar, ...]] = {}
    shared: dict[bytes, bytes] = {}
    taken, wrong, first_wrong = 0, 0, 0
    for row in rows:
        if len(row) > width and not any(row[width:]):
            del row[width:]
        if len(row) != width:
            if row:
                wrong += 1
                first_wrong = first_wrong or rows.line_num
            continue
        taken += 1
        cells = [cell.encode("utf-8", "surrogateescape") for cell in row]
        key = cells.pop(key_at)
        # A million numbers belong to a few hundred customers.
        values = tuple([shared.setdefault(cell, cell) for cell in cells])
        entries[key] = values if width > 2 else values[0] if values else True
    names = [name.encode("utf-8", "surrogateescape") for at, name in enumerate(columns) if at != key_at]
    odd = []
    if wrong:
        others = f", and {wrong - 1} more" if wrong > 1 else ""
        odd.append(f"line {first_wrong} has not the {width} columns of the header and is left out{others}")
    if taken > len(entries):
        odd.append(f"{taken - len(entries)} lines have a key of another line: the last one counts")
    return Table(entries, tuple(names) if width > 2 else (), "; ".join(odd))


def _table_of_object(given: Mapping[str, object]) -> Table | str:
    entries: dict[bytes, Scalar | tuple[Scalar, ...]] = {}
    for key, value in given.items():
        if isinstance(value, Mapping):
            row: list[Scalar] = []
            for name, item in value.items():
                scalar = _scalar(item)
                if scalar is not None:
                    row += (_bytes(str(name)), scalar)
                elif item is not None:
                    return f"{name} of {key} is neither text nor a number, true, false or null"
            if row:
                entries[_bytes(key)] = tuple(row)
        elif (scalar := _scalar(value)) is not None:
            entries[_bytes(key)] = scalar
        elif value is not None:
            return f"{key} is neither text nor a number, true, false, null or an object of these"
    return Table(entries)


def _scalar(value: object) -> Scalar | None:
    """None for what is none."""
    if isinstance(value, str):
        return _bytes(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST_WHOLE:
        return str(value).encode()
    return value if isinstance(value, bytes | int | float) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
