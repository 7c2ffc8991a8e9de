"""`rhapsode filter check`: a folder of filter scripts looked over before a worker gets it."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rhapsode.commands.options import Config
from rhapsode.settings import load_settings
from rhapsode.terminal import plain_console, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from rhapsode.filters.check import Checked

EXAMPLE = "Example: rhapsode filter check /etc/rhapsode/filters"


def check_scripts(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the scripts.")],
    config: Config = None,
) -> None:
    """Load every script as a worker does, and say what is wrong: errors, and what works but is a trap.

    Needs no database and no data directory. Exit status 1 if there are errors; warnings do no harm.
    """
    from rich.text import Text

    from rhapsode.filters.check import check_folder
    from rhapsode.filters.hanging import ended_while_loading

    settings = load_settings({}, config)
    # What is wrong is shown below, and would otherwise stand on standard error as well.
    logging.getLogger().addHandler(logging.NullHandler())
    since = time.perf_counter()
    console = plain_console()
    with ended_while_loading(settings.filters.watchdog_s) as begin:
        checked = check_folder(directory, settings.filters, begin)
    for each in checked:
        for line in _lines(directory, each):
            console.print(line)
    errors, warnings = (
        sum(finding.is_error is is_error for each in checked for finding in each.findings)
        for is_error in (True, False)
    )
    scripts = sum(bool(each.kind) for each in checked)
    if not checked:
        console.print(Text(f"{directory} has no scripts: they are files named *.lua", "yellow"))
    line = Text(f"{_number(scripts, 'script')}, ")
    line.append(_number(errors, "error"), "bold red" if errors else "green")
    line.append(", ").append(_number(warnings, "warning"), "yellow" if warnings else "")
    line.append(f", in {time.perf_counter() - since:.2f} s", "dim")
    console.print(line)
    raise typer.Exit(1 if errors else 0)


def _lines(directory: Path, checked: "Checked") -> "Iterator[Text]":
    from rich.text import Text

    line = Text(printable(checked.name) or str(directory), "bold")
    yield line.append(f"  {checked.kind}" if checked.kind else "", "not bold dim")
    for entry_point in checked.entry_points:
        yield Text(f"  {entry_point}")
    for finding in checked.findings:
        mark = ("error: ", "bold red") if finding.is_error else ("warning: ", "yellow")
        yield Text.assemble("  ", mark, printable(finding.words))


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
