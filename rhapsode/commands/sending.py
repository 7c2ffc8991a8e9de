"""`rhapsode send`: plays a capture to this or another HEP server."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from capture.intake.sockets import split_address
from rhapsode.commands.options import Config
from rhapsode.errors import SettingsError
from rhapsode.settings import load_settings

EXAMPLE = "Example: rhapsode send calls.pcap --to 127.0.0.1:9060 --now --rate 500"


def send_file(
    file: Annotated[Path, typer.Argument(metavar="FILE.pcap", help="pcap or pcapng with HEP packets in it.")],
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="The HEP server.")],
    tcp: Annotated[bool, typer.Option("--tcp", help="Over one TCP connection instead of UDP.")] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="N",
            min=0.001,
            help="Packets a second. Default: as fast as it goes.",
            show_default=False,
        ),
    ] = None,
    now: Annotated[
        bool,
        typer.Option("--now", help="Move the times in the packets to the present, keeping their distances."),
    ] = False,
    loop: Annotated[int, typer.Option("--loop", metavar="N", min=1, help="How often to play the file.")] = 1,
    config: Config = None,
) -> None:
    """Send the HEP packets of a capture.

    Says beforehand which packets are older than they are kept by the settings here (`retention`).
    """
    from capture.store.expiry import kept_since
    from rhapsode.send import send, survey

    host, port = split_address(to)
    if not host:
        raise SettingsError(f"{to!r} names no host to send to")
    warn = warner()
    retention = load_settings({}, config).retention
    contents = survey(file, warn, kept_since(retention, time.time_ns() // 1000))
    if contents.older and not now:
        keys = [(message_class.retention_key, count) for message_class, count in contents.older.items()]
        which = ", ".join(f"{count} of {key} (kept {getattr(retention, key)})" for key, count in sorted(keys))
        warn(
            f"{contents.older.total()} of {contents.packets} packets are older than they are kept, and will"
            f" not be stored: {which}. --now moves their times to the present"
        )
    with _progress(contents.packets * loop) as progress:
        done = send(file, host, port, tcp=tcp, rate=rate, now=now, loop=loop, progress=progress, warn=warn)
    typer.echo(f"sent {done.packets} packets, {done.bytes} bytes in {done.seconds:.1f} s")


def warner() -> Callable[[str], None]:
    """Says each thing once: a file is read more than once, and is not whole each time."""
    said: set[str] = set()

    def warn(line: str) -> None:
        if line not in said:
            said.add(line)
            typer.echo(f"warning: {line}", err=True)

    return warn


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal; nothing where the lines go into a file."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending", total=total)
        yield lambda sent: bar.update(task, completed=sent)
