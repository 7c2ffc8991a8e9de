"""`rhapsode journal aside`: the packets that failed and were kept, to look at and to try again."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rhapsode.commands.options import Config, DataDir
from rhapsode.errors import SettingsError
from rhapsode.owner import as_owner_of
from rhapsode.settings import Settings, load_settings

if TYPE_CHECKING:
    from capture.journal.record import Record

LIST_EXAMPLE = "Example: rhapsode journal aside list --data-dir /var/lib/rhapsode"
SHOW_EXAMPLE = "Example: rhapsode journal aside show NAME --data-dir /var/lib/rhapsode > packet.hep"
REPLAY_EXAMPLE = "Example: rhapsode journal aside replay --data-dir /var/lib/rhapsode"


def list_packets(data_dir: DataDir = None, config: Config = None) -> None:
    """List the packets set aside: name, arrival, sender, size, and why."""
    from capture.errors import JournalError
    from capture.journal.aside import list_aside, read_aside

    for path in list_aside(_directory(load_settings({"data_dir": data_dir}, config))):
        try:
            kept = read_aside(path)
        except JournalError as error:
            typer.echo(f"{path.stem}  {error}")
            continue
        record = kept.record
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.arrival_us // 1_000_000))
        sender = _sender(record)
        typer.echo(f"{path.stem}  {when}  {sender}  {len(record.packet)} bytes  {kept.reason}")


def show_packet(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `list` names it.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Write one packet set aside, exactly as it was received, to standard output."""
    from capture.journal.aside import SUFFIX, read_aside

    directory = _directory(load_settings({"data_dir": data_dir}, config))
    path = directory / f"{Path(name).name.removesuffix(SUFFIX)}{SUFFIX}"
    if not path.is_file():
        raise SettingsError(f"no packet {name} is set aside in {directory}")
    typer.get_binary_stream("stdout").write(read_aside(path).record.packet)


def replay_packets(data_dir: DataDir = None, config: Config = None) -> None:
    """Try all packets set aside once more: they become a journal, drained by `rhapsode up` like any other."""
    from capture.journal.aside import replay

    settings = load_settings({"data_dir": data_dir}, config)
    journals = settings.data_dir / "journal"
    target = journals / f"replay-{time.time_ns() // 1000}"
    with as_owner_of(journals):
        done = replay(_directory(settings), target, settings.journal)
    for line in done.skipped:
        typer.echo(f"skipped: {line}", err=True)
    typer.echo(f"{done.replayed} packets to be tried again" + (f", in {target}" if done.replayed else ""))


def _directory(settings: Settings) -> Path:
    return settings.data_dir / "journal" / "aside"


def _sender(record: "Record") -> str:
    from capture.imported import import_of
    from capture.journal.record import Carrier

    if record.carrier is Carrier.IMPORT:
        return f"import {import_of(record.peer)[0]}"
    return _address(record.peer, record.peer_port)


def _address(peer: bytes, port: int) -> str:
    from ipaddress import IPv6Address

    address = IPv6Address(peer)
    shown = address.ipv4_mapped
    return f"[{address}]:{port}" if shown is None else f"{shown}:{port}"
