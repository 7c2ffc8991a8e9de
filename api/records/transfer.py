"""Settings carried over from elsewhere: lists of objects, as the lists of the API show them. All or none.

Source: the web UI's import, whose page of users posts to the path of aliases, and which offers files of CSV
alone. Knows no HTTP.
"""

import csv
import io
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from api.depth import check_depth
from api.errors import AlreadyThere, RequestError
from api.records.kind import Kind, Values, read_values
from api.records.kinds import ADVANCED, ALIAS, HEPSUB, MAPPING, SCRIPT, USER_SETTING
from api.records.store import Change, hold, make_row, reset_rows, take_place

MOST_OBJECTS: Final = 100_000
KINDS: Final = {
    "alias": ALIAS,
    "ipalias": ALIAS,
    "advanced": ADVANCED,
    "mapping": MAPPING,
    "hepsub": HEPSUB,
    "script": SCRIPT,
    "usersettings": USER_SETTING,
}
"""By the name in the path."""


def read_objects(data: bytes) -> list[Any]:
    """What a file holds: a JSON list, or an object whose `data` is one, as answers are; or CSV, whose first
    line names the fields. RequestError."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if data.lstrip()[:1] in (b"[", b"{"):
            raise RequestError("the file is not JSON") from error
        found = _read_csv(data)
    if isinstance(found, dict):
        found = found.get("data")
    if not isinstance(found, list) or len(found) > MOST_OBJECTS:
        raise RequestError(f"the file holds no list of at most {MOST_OBJECTS} objects")
    check_depth(found)
    return found


def is_of_users(objects: list[Any]) -> bool:
    """Whether these are users, wherever they were sent."""
    first = objects[0] if objects else None
    return isinstance(first, dict) and "usergroup" in first


async def take_over(
    change: Change, kind: Kind, objects: list[Any], defaults: Sequence[Values] = (), *, replace: bool
) -> int:
    """Make them, with `replace` in place of all that there are; how many. RequestError names the first that
    cannot be.

    What belongs to a user stays that user's. One like what the program brings along takes the place of that.
    """
    await hold(change, kind)
    if replace:
        await reset_rows(change, kind)
    left = {_key(kind, default): default for default in defaults}
    for number, each in enumerate(objects, 1):
        try:
            values = read_values(kind, each, is_new=True)
            default = left.pop(_key(kind, values), None)
            if default is not None:
                await take_place(change, kind, default, values)
            else:
                await make_row(change, kind, values)
        except (RequestError, AlreadyThere) as error:
            raise RequestError(f"object {number}: {error}") from error
    return len(objects)


def _read_csv(data: bytes) -> list[dict[str, str]]:
    """A row an object; an empty cell counts as absent. Spreadsheets write `;` where `,` parts decimals."""
    try:
        text = data.decode("utf-8-sig")
        delimiter = "," if "," in text.partition("\n")[0] else ";"
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        # One more than may be there, so that too many are told as in JSON.
        names, *lines = islice(filter(None, rows), MOST_OBJECTS + 2)
    except (UnicodeError, ValueError, csv.Error) as error:
        raise RequestError("the file is neither JSON nor CSV") from error
    names = [name.strip() for name in names]
    if len(names) < 2 or not lines or not all(names) or len(set(names)) < len(names):
        raise RequestError("the file is neither JSON nor CSV with a line of names")
    for number, line in enumerate(lines, 1):
        if len(line) != len(names):
            raise RequestError(f"object {number}: {len(line)} values for {len(names)} names")
    return [{name: cell for name, cell in zip(names, line, strict=True) if cell} for line in lines]


def _key(kind: Kind, row: Values) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in kind.key)
