"""The command `rhapsode`: its subcommands, and how an error ends it (one line, no traceback)."""

import importlib.metadata
import os
from typing import Annotated

import typer

from api.errors import ApiError
from capture.errors import CaptureError
from rhapsode.commands import (
    accounts,
    alone,
    aside,
    checking,
    dictionary,
    filtering,
    importing,
    looking,
    sending,
    testing,
    trying,
    up,
)
from rhapsode.errors import RhapsodeError

app = typer.Typer(
    name="rhapsode",
    help="Homer-compatible capture and search for VoIP: HEP in, PostgreSQL, Homer v3 API out.",
    epilog="Example: rhapsode up --data-dir ./data",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
journal = typer.Typer(help="Look into the journal of received packets.", no_args_is_help=True)
aside_packets = typer.Typer(
    help="Packets that failed and were set aside.", epilog=aside.LIST_EXAMPLE, no_args_is_help=True
)
dictionaries = typer.Typer(
    help="What payloads are compressed with.", epilog=dictionary.LIST_EXAMPLE, no_args_is_help=True
)
filters = typer.Typer(
    help="Filter scripts in Lua: what they do, and switching them off and on.",
    epilog=filtering.LIST_EXAMPLE,
    no_args_is_help=True,
)
app.add_typer(journal, name="journal", epilog=aside.LIST_EXAMPLE)
app.add_typer(dictionaries, name="dictionary")
app.add_typer(filters, name="filter")
journal.add_typer(aside_packets, name="aside")

app.command("up", epilog=up.EXAMPLE)(up.up)
app.command("intake", epilog=alone.INTAKE_EXAMPLE)(alone.intake)
app.command("worker", epilog=alone.WORKER_EXAMPLE)(alone.worker)
app.command("api", epilog=alone.API_EXAMPLE)(alone.api)
app.command("migrate", epilog=alone.MIGRATE_EXAMPLE)(alone.migrate)
app.command("status", epilog=looking.STATUS_EXAMPLE)(looking.show_status)
app.command("doctor", epilog=looking.DOCTOR_EXAMPLE)(looking.diagnose)
app.command("passwd", epilog=accounts.EXAMPLE)(accounts.passwd)
app.command("send", epilog=sending.EXAMPLE)(sending.send_file)
app.command("import", epilog=importing.EXAMPLE)(importing.import_files)
dictionaries.command("list", epilog=dictionary.LIST_EXAMPLE)(dictionary.list_dictionaries)
dictionaries.command("train", epilog=dictionary.TRAIN_EXAMPLE)(dictionary.train_dictionary)
filters.command("list", epilog=filtering.LIST_EXAMPLE)(filtering.list_scripts)
filters.command("disable", epilog=filtering.DISABLE_EXAMPLE)(filtering.disable_script)
filters.command("enable", epilog=filtering.ENABLE_EXAMPLE)(filtering.enable_script)
filters.command("check", epilog=checking.EXAMPLE)(checking.check_scripts)
filters.command("test", epilog=testing.EXAMPLE)(testing.run_tests)
filters.command("try", epilog=trying.EXAMPLE)(trying.try_script)
aside_packets.command("list", epilog=aside.LIST_EXAMPLE)(aside.list_packets)
aside_packets.command("show", epilog=aside.SHOW_EXAMPLE)(aside.show_packet)
aside_packets.command("replay", epilog=aside.REPLAY_EXAMPLE)(aside.replay_packets)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rhapsode {importlib.metadata.version('rhapsode')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Homer-compatible capture and search for VoIP: HEP in, PostgreSQL, Homer v3 API out."""


def main() -> int:
    """Run the command; the exit status."""
    os.umask(0o077)  # packets and accounts are nobody else's business, whatever directory they are in
    try:
        app(prog_name="rhapsode")
    except (RhapsodeError, CaptureError, ApiError) as error:
        typer.echo(f"rhapsode: {error}", err=True)
        return 1
    return 0
