"""`rhapsode up`: everything on one machine, in the foreground."""

import contextlib
from typing import Annotated

import typer

from rhapsode.commands.options import (
    Config,
    DatabaseUrl,
    DataDir,
    Hep,
    Http,
    HttpCert,
    HttpKey,
    LuaDir,
    UiDir,
    Workers,
)
from rhapsode.logs import set_up_logs
from rhapsode.settings import load_settings

EXAMPLE = "Example: rhapsode up --data-dir /var/lib/rhapsode --hep 0.0.0.0:9060 --http 127.0.0.1:9080"


def up(
    data_dir: DataDir = None,
    hep: Hep = None,
    http: Http = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
    admin_password: Annotated[
        str | None,
        typer.Option(
            "--admin-password",
            metavar="PW",
            help="Password of the first admin; counts only while there is none. Default: a random one.",
            show_default=False,
        ),
    ] = None,
    lua_dir: LuaDir = None,
    workers: Workers = None,
    http_cert: HttpCert = None,
    http_key: HttpKey = None,
    ui_dir: UiDir = None,
) -> None:
    """Start everything: intake, workers, API and, without --database-url, the embedded PostgreSQL.

    Prints the web address, the HEP address, the receive buffer and, once, the first admin's password.
    Ctrl-C or SIGTERM stops in order, within ten seconds; a second one at once.
    """
    settings = load_settings(
        {
            "data_dir": data_dir,
            "hep": hep,
            "http": http,
            "database_url": database_url,
            "admin_password": admin_password,
            "lua_dir": lua_dir,
            "workers": workers,
            "web": {"cert": http_cert, "key": http_key},
            "ui": {"dir": ui_dir},
        },
        config,
    )
    set_up_logs(settings.log, "supervisor")
    from rhapsode.supervisor import Supervisor

    raise typer.Exit(Supervisor(settings, say).run())


def say(line: str) -> None:
    """A ready line. Nobody has to read it: `rhapsode up | head -1` goes on receiving."""
    with contextlib.suppress(OSError):
        typer.echo(line)
