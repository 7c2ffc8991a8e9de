"""`rhapsode filter try`: what scripts would make of packets that were captured or stored."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rhapsode.commands.options import Config, DatabaseUrl, DataDir
from rhapsode.commands.sending import warner
from rhapsode.errors import SettingsError
from rhapsode.settings import Settings, load_settings
from rhapsode.terminal import plain_console

if TYPE_CHECKING:
    from capture.hep.packet import Packet
    from rhapsode.filters.trial import Trial

EXAMPLE = "Example: rhapsode filter try filters/mask.lua --pcap calls.pcap --limit 100"

NEWEST = 1000
"""Stored packets that are tried unless another number is given."""


def try_script(
    script: Annotated[
        Path, typer.Argument(metavar="SCRIPT", help="A filter script, or a folder of them: all together.")
    ],
    pcap: Annotated[
        Path | None,
        typer.Option(
            "--pcap",
            metavar="FILE",
            help="pcap or pcapng: SIP over UDP or TCP, and HEP of any kind.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--last",
            metavar="TIME",
            help="What was captured in the last 90s, 10m, 6h or 2d and is stored.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="N",
            min=1,
            help=f"Packets to try. Default: a whole capture, or the newest {NEWEST} stored.",
            show_default=False,
        ),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show unchanged packets, too.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Show what a script would change, packet by packet, before and after. Nothing is changed or stored.

    Exit status 1 if the script fails in a packet.
    """
    from rhapsode.filters.hanging import ended_while_loading
    from rhapsode.filters.trial import trial_of

    if (pcap is None) == (last is None):
        raise SettingsError("give packets to try the script on: --pcap FILE or --last 10m")
    settings = load_settings({"data_dir": data_dir, "database_url": database_url}, config)
    with ended_while_loading(settings.filters.watchdog_s) as begin:
        trial = trial_of(script, settings.filters, settings.sip, begin)
    if pcap is not None:
        packets: Iterable[Packet] = _captured(pcap, limit)
    else:
        packets = _stored(duration_us(last or ""), limit or NEWEST, settings)
    failed = _try(trial, packets, show_all=show_all, hung_s=settings.filters.watchdog_s)
    raise typer.Exit(1 if failed else 0)


def _try(trial: "Trial", packets: "Iterable[Packet]", *, show_all: bool, hung_s: float) -> int:
    """In how many packets a script failed."""
    from rhapsode.filters.hanging import ended_after
    from rhapsode.filters.trying import Tally, describe

    tally, console = Tally(), plain_console()

    def say() -> None:
        words = f"packet #{tally.packets + 1}: a script does not come back within {hung_s:g} s"
        console.print(f"{words}: a worker would be ended, and the script switched off the second time")

    with ended_after(hung_s, say) as watchdog:
        for number, packet in enumerate(packets, 1):
            watchdog.call = number
            tried = trial.run(packet, _time_us(packet))
            watchdog.call = 0
            tally.count(tried)
            if show_all or tried.is_touched:
                for line in describe(number, tried):
                    console.print(line)
    console.print(tally.line(trial.calls, trial.nanoseconds))
    return tally.failed


def _time_us(packet: "Packet") -> int:
    if packet.seconds is None:
        return time.time_ns() // 1000
    return packet.seconds * 1_000_000 + (packet.microseconds or 0)


def _captured(path: Path, limit: int | None) -> "Iterator[Packet]":
    from capture.pcap.packets import read_packets

    return islice(read_packets(path, warner()), limit)


def _stored(last_us: int, limit: int, settings: Settings) -> "list[Packet]":
    from rhapsode.filters.stored import newest_packets
    from rhapsode.temporary import usable_database

    with usable_database(settings) as url:
        return asyncio.run(newest_packets(url, time.time_ns() // 1000 - last_us, limit))


_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


def duration_us(text: str) -> int:
    """How long `90s`, `10m`, `6h` or `2d` is; SettingsError for anything else."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS_US or not (number.isascii() and number.isdecimal() and 0 < int(number) < 1_000_000):
        raise SettingsError(f"--last {text}: a time is 90s, 10m, 6h or 2d")
    return int(number) * _UNITS_US[unit]
