"""What commands do, in the audit: who gave them is the account of the operating system."""

import os
import pwd
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from rhapsode.errors import RhapsodeError
from rhapsode.settings import Settings
from rhapsode.temporary import usable_database

if TYPE_CHECKING:
    from api.audit import Entry


def commander() -> str:
    """Whoever gives this command, as the audit and imports name them."""
    return f"{_account()} (command line)"


def an_entry(action: str, of: str, detail: Any) -> "Entry":
    """Something that this command has done."""
    from api.audit import Entry, bounded

    return Entry(commander(), "", action, of, bounded(detail))


def note(settings: Settings, entries: "Sequence[Entry]") -> None:
    """Write down what is done already, also where nothing runs."""
    cluster = settings.data_dir / "postgres" / "cluster"
    if not entries or (settings.database_url is None and not cluster.exists()):
        # Before the first start there is no audit; the list of imports says who imported.
        return
    try:
        with usable_database(settings) as url:
            note_in(url, entries)
    except RhapsodeError as error:
        _say(entries, error)


def note_in(database_url: str, entries: "Sequence[Entry]") -> None:
    """The same in a database that answers. Where it does not take it, standard error has it all."""
    from sqlalchemy.exc import SQLAlchemyError

    from api.audit import write_now
    from api.errors import DatabaseError

    try:
        write_now(database_url, entries)
    except (DatabaseError, SQLAlchemyError) as error:
        _say(entries, error)


def _say(entries: "Sequence[Entry]", error: Exception) -> None:
    import msgspec

    for entry in entries:
        typer.echo(f"audit, not in the database: {msgspec.json.encode(entry).decode()}", err=True)
    typer.echo(f"rhapsode: the audit cannot be written: {error}", err=True)


def _account() -> str:
    """By the number that the kernel knows, not by what the environment says."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    by = os.environ.get("SUDO_USER", "")
    return f"{by} as {name}" if by and number == 0 else name
