"""`rhapsode passwd`: somebody has forgotten the password."""

import sys
from typing import Annotated

import typer

from rhapsode import roles
from rhapsode.commands.options import Config, DatabaseUrl, DataDir
from rhapsode.errors import SettingsError
from rhapsode.settings import load_settings
from rhapsode.temporary import usable_database

EXAMPLE = "Example: rhapsode passwd admin --data-dir /var/lib/rhapsode"


def passwd(
    user: Annotated[str, typer.Argument(metavar="[USER]", help="Whose password.")] = "admin",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Set a user's password: asked for twice on a terminal, else read as one line from standard input."""
    settings = load_settings({"data_dir": data_dir, "database_url": database_url}, config)
    password = _new_password(user)
    with usable_database(settings) as url:
        roles.set_user_password(url, user, password)
    typer.echo(f"user {user} has a new password")


def _new_password(user: str) -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt(
            f"New password of {user}", hide_input=True, confirmation_prompt=True, err=True
        )
        return asked
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise SettingsError("an empty password was given on standard input")
    return line
