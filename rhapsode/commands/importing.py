"""`rhapsode import`: capture files into the store, listed and deleted by their labels."""

import asyncio
import codecs
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from rhapsode.audited import an_entry, commander, note, note_in
from rhapsode.commands.options import Config, DatabaseUrl, DataDir
from rhapsode.errors import SettingsError
from rhapsode.owner import as_owner_of
from rhapsode.settings import Settings, load_settings
from rhapsode.terminal import printable

if TYPE_CHECKING:
    from api.audit import Entry
    from capture.imported import ImportReport
    from capture.imports.journal import Stop
    from capture.imports.task import ImportResult
    from capture.imports.traffic import Progress as Told

_STOPPED = 130
"""Exit status of a command that Ctrl-C has ended."""

EXAMPLE = "Example: rhapsode import calls.pcap --now --label ticket-4711"


def import_files(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE…", help="pcap or pcapng with HEP or SIP, over UDP or TCP."),
    ] = None,
    now: Annotated[
        bool,
        typer.Option("--now", help="Move all times so that the newest packet of a file is of this moment."),
    ] = False,
    label: Annotated[
        str,
        typer.Option("--label", metavar="TEXT", help="Find and delete it by that. Default: file and moment."),
    ] = "",
    listed: Annotated[bool, typer.Option("--list", help="List what has been imported.")] = False,
    delete: Annotated[
        str, typer.Option("--delete", metavar="LABEL", help="Delete what was imported under a label.")
    ] = "",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Import capture files: what is in them is searched like anything else, and by its label.

    They go through a journal in the data directory, and are stored by the workers of `rhapsode up`.
    """
    from capture.imported import check_label

    if bool(files) + listed + bool(delete) != 1:
        raise SettingsError("give FILES to import, or --list, or --delete LABEL")
    if label:
        check_label(label)
    settings = load_settings({"data_dir": data_dir, "database_url": database_url}, config)
    if listed:
        _list(settings)
    elif delete:
        _delete(settings, delete)
    else:
        _import_all(settings, files or [], label, to_now=now)


def _import_all(settings: Settings, files: list[Path], label: str, *, to_now: bool) -> None:
    failed, stopped = False, False
    done: list[ImportResult] = []
    with _told_to_stop() as stop:
        for path in files:
            result = _import(settings, path, label, stop, to_now=to_now)
            failed |= result is None or bool(result.error)
            done += [] if result is None else [result]
            if stopped := stop():
                break
    note(settings, [_entry(each.report) for each in done])
    if failed or stopped:
        raise typer.Exit(_STOPPED if stopped else 1)


def _entry(report: "ImportReport") -> "Entry":
    detail = {"file": report.file, "inserted": report.inserted, "rejected": report.rejected}
    return an_entry("import pcap", report.label, detail)


@contextmanager
def _told_to_stop() -> "Iterator[Stop]":
    """Whether Ctrl-C or SIGTERM has come; a second one ends the process at once."""
    told = False
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def tell(*_: object) -> None:
        nonlocal told
        told = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, tell)
    try:
        yield lambda: told
    finally:
        restore()


def _import(
    settings: Settings, path: Path, label: str, stop: "Stop", *, to_now: bool
) -> "ImportResult | None":
    """What it has come to, None where nothing could be imported; what could not is said."""
    from capture.errors import ImportRefused, PcapError
    from capture.imports.run import ImportJob, run_import
    from capture.pcap.files import open_capture
    from rhapsode.lock import holders_of

    # While we may look where Python is, which the account of the service perhaps may not.
    codecs.lookup("ascii")
    runs = bool(holders_of(settings.data_dir / "lock"))
    # Where nothing runs, nothing is stored, however long one waits.
    imports = settings.imports if runs else settings.imports.model_copy(update={"wait_s": 0.0})
    job = ImportJob(
        name=path.name,
        label=label,
        by=commander(),
        to_now=to_now,
        data_dir=settings.data_dir,
        journal=settings.journal,
        hep=settings.decode,
        retention=settings.retention,
        imports=imports,
    )
    try:
        # The file is read as whoever gives it, and what is written belongs to the service.
        with open_capture(path) as file, as_owner_of(settings.data_dir), _progress(path) as progress:
            result = run_import(job, file, progress, stop)
    except (PcapError, ImportRefused) as error:
        typer.echo(f"rhapsode: {error}", err=True)
        return None
    _say(settings, path, result, runs=runs)
    return result


def _say(settings: Settings, path: Path, result: "ImportResult", *, runs: bool) -> None:
    report = result.report
    name = printable(path.name)
    called = f", label {report.label}" if report.last_record else ""
    typer.echo(f"{name}: {report.inserted} packets imported{called}")
    if not result.is_stored:
        alone = "" if settings.database_url is None else ", or `rhapsode worker --journal import`,"
        when = "the workers store them as fast as they can" if runs else f"`rhapsode up`{alone} stores them"
        typer.echo(f"{name}: they are safe in the journal {settings.data_dir / 'journal' / 'import'}; {when}")
    for words, counts in (("rejected", report.rejected), ("passed over", report.passed_over)):
        if counts:
            typer.echo(f"{name}: {words}: {_counted(counts)}")
    if any(reason.startswith("older than") for reason in report.rejected) and not report.to_now:
        typer.echo(f"{name}: --now moves the times of packets to the present", err=True)
    if result.untimed:
        typer.echo(
            f"{name}: {result.untimed} frames without a sensible time were taken for captured now", err=True
        )
    if result.error:
        typer.echo(f"rhapsode: {result.error}; what was before is imported", err=True)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {printable(what)}" for what, count in sorted(counts.items()))


def _list(settings: Settings) -> None:
    from capture.imported import read_reports, reports_directory

    for report in read_reports(reports_directory(settings.data_dir)):
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(report.number // 1_000_000))
        # Of one that was broken off nobody knows how many there are.
        count = report.inserted if report.ended_us else "?"
        line = f"{report.label}  {when}  {count} packets"
        line += f"  {printable(report.file)}  by {printable(report.by)}"
        if report.deleted_us:
            line += f"  deleted by {printable(report.deleted_by)}"
        elif report.error:
            line += f"  {printable(report.error)}"
        elif not report.ended_us:
            line += "  going on, or broken off"
        typer.echo(line)


def _delete(settings: Settings, label: str) -> None:
    from capture.imports.journal import refuse_foreign
    from capture.imports.remove import remove_import
    from rhapsode.temporary import usable_database

    with as_owner_of(settings.data_dir):
        refuse_foreign(settings.data_dir)
    with usable_database(settings) as url, as_owner_of(settings.data_dir):
        removed = asyncio.run(remove_import(url, settings.data_dir, label, commander()))
        note_in(url, [an_entry("delete import", label, {"removed": removed})])
    typer.echo(f"{removed} messages of {label} deleted")


@contextmanager
def _progress(path: Path) -> "Iterator[Told | None]":
    """A bar on a terminal; nothing where the lines go into a file."""
    if not sys.stderr.isatty() or not path.is_file():
        yield None
        return
    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("importing", total=path.stat().st_size)
        yield lambda read: bar.update(task, completed=read)
