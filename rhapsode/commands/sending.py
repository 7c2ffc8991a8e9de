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
from rhapsode.errors import SettingsError

EXAMPLE = "Example: rhapsode send calls.pcap --to 127.0.0.1:9060 --now --rate 500"
OLD_S = 14 * 86400
"""Older packets are worth a word: who looks for them looks at the present first."""


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
) -> None:
    """Send the HEP packets of a capture."""
    from rhapsode.send import send, survey

    host, port = split_address(to)
    if not host:
        raise SettingsError(f"{to!r} names no host to send to")
    warn = _warner()
    contents = survey(file, warn, (time.time_ns() // 1000) - OLD_S * 1_000_000)
    if contents.older and not now:
        warn(
            f"{contents.older} of {contents.packets} packets are more than {OLD_S // 86400} days old: "
            "search at their own time, or send them with --now"
        )
    with _progress(contents.packets * loop) as progress:
        done = send(file, host, port, tcp=tcp, rate=rate, now=now, loop=loop, progress=progress, warn=warn)
    typer.echo(f"sent {done.packets} packets, {done.bytes} bytes in {done.seconds:.1f} s")


def _warner() -> Callable[[str], None]:
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
