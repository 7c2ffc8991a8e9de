"""`rhapsode status`, `rhapsode doctor`: for the person on call."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhapsode.commands.options import Config, DatabaseUrl, DataDir, Hep, Http
from rhapsode.errors import SettingsError
from rhapsode.settings import load_settings
from rhapsode.terminal import printable

if TYPE_CHECKING:
    from rhapsode.look.finding import Finding

STATUS_EXAMPLE = "Example: rhapsode status --data-dir /var/lib/rhapsode"

DOCTOR_EXAMPLE = "Example: rhapsode doctor --data-dir /var/lib/rhapsode"

AsJson = Annotated[bool, typer.Option("--json", help="For machines: one JSON object.")]


def show_status(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what comes in, what waits, what is stored, and how long the disk lasts. Takes two seconds."""
    from rhapsode.look.database import look_at_database
    from rhapsode.look.machine import look_at_machine
    from rhapsode.look.nodes import look_at_nodes
    from rhapsode.look.status import status

    settings = load_settings({"data_dir": data_dir, "database_url": database_url}, config)
    found = status(settings, look_at_machine(settings), look_at_database(settings), look_at_nodes(settings))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console

    from rhapsode.look.table import render

    Console(highlight=False).print(render(found))


def diagnose(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    hep: Hep = None,
    http: Http = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong, and what to do about it. Exit status 0 only if all is well, else 1.

    Looks at a system that runs or at one that does not, changes nothing, and takes a few seconds.
    """
    findings = _examine(
        {"data_dir": data_dir, "database_url": database_url, "hep": hep, "http": http}, config
    )
    from rhapsode.look import finding

    if as_json:
        typer.echo(json.dumps(finding.as_json(findings), indent=2))
    else:
        _print(findings)
    raise typer.Exit(0 if finding.is_well(findings) else 1)


def _examine(given: Mapping[str, Any], config: Path | None) -> "list[Finding]":
    from rhapsode.look.addresses import examine_ports
    from rhapsode.look.database import look_at_database
    from rhapsode.look.doctor import examine
    from rhapsode.look.finding import Finding
    from rhapsode.look.machine import look_at_machine
    from rhapsode.look.nodes import look_at_nodes

    try:
        settings = load_settings(given, config)
        machine = look_at_machine(settings)
    except SettingsError as error:
        # Without them nothing else can be looked at.
        advice = "correct it; docs/settings.md lists every setting"
        return [Finding("settings", "problem", str(error), advice)]
    database = look_at_database(settings, with_senders=True)
    ports, nodes = examine_ports(settings, machine), look_at_nodes(settings)
    return examine(settings, machine, database, ports, time.time_ns() // 1000, nodes)


def _print(findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    marks = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("WRONG", "bold red")}
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = marks[finding.state]
        words = Text(printable(finding.words))
        if finding.advice:
            words.append(f"\n→ {finding.advice}", "dim" if finding.state == "note" else "")
        table.add_row(Text(mark, style), finding.check, words)
    console = Console(highlight=False)
    console.print(table)
    wrong = sum(finding.state == "problem" for finding in findings)
    console.print()
    console.print(Text("all is well", "green") if not wrong else Text(f"{wrong} wrong", "bold red"))
