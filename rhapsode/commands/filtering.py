"""`rhapsode filter list | disable | enable`: what filter scripts do, and switching them off and on."""

import os
import pwd
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rhapsode.commands.looking import AsJson
from rhapsode.commands.options import Config, DataDir
from rhapsode.errors import SettingsError
from rhapsode.owner import as_owner_of
from rhapsode.settings import Settings, load_settings
from rhapsode.terminal import printable

if TYPE_CHECKING:
    from api.filters import Filters

LIST_EXAMPLE = "Example: rhapsode filter list --data-dir /var/lib/rhapsode"
DISABLE_EXAMPLE = "Example: rhapsode filter disable mask.lua --data-dir /var/lib/rhapsode"
ENABLE_EXAMPLE = "Example: rhapsode filter enable mask.lua --data-dir /var/lib/rhapsode"

Name = Annotated[str, typer.Argument(metavar="NAME", help="The script's file, with or without .lua.")]

_SUFFIX = ".lua"


def list_scripts(data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show the filter scripts: whether they run, what they did, how long they take, over all workers."""
    filters = _read(load_settings({"data_dir": data_dir}, config))
    if as_json:
        import msgspec

        from api.schemas.filters import filters_answer

        answer = msgspec.json.encode(filters_answer(filters))
        typer.echo(msgspec.json.format(answer, indent=2).decode())
        return
    from rich.console import Console

    from rhapsode.look.filters import render

    Console(highlight=False).print(render(filters, time.time_ns() // 1000))


def disable_script(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Let no worker run a script, whatever is in its file, until it is enabled again."""
    from capture.script_switches import Switches

    settings = load_settings({"data_dir": data_dir}, config)
    script = _known(settings, name)
    with as_owner_of(settings.data_dir / "journal"):
        Switches(_directory(settings)).disable(script, _person())
    typer.echo(f"{script} is disabled: workers that run stop it within a second")


def enable_script(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Run a script again that was disabled, or that was switched off by what it did."""
    from capture.script_switches import Switches

    settings = load_settings({"data_dir": data_dir}, config)
    script = _known(settings, name)
    with as_owner_of(settings.data_dir / "journal"):
        was = Switches(_directory(settings)).enable(script, _person())
    if {script, script.removesuffix(_SUFFIX)} & {*settings.filters.disabled}:
        typer.echo(f"{script} stays disabled: the setting filters.disabled names it")
    elif was is None:
        typer.echo(f"{script} was not switched off")
    else:
        typer.echo(f"{script} is enabled: workers that run start it within a second. It was off: {was}")


def _known(settings: Settings, name: str) -> str:
    """The file's name; SettingsError when no worker, switch or folder has heard of it."""
    # A path is what the shell completes, and switches go by the name alone.
    script = f"{Path(name).name.removesuffix(_SUFFIX)}{_SUFFIX}"
    filters = _read(settings)
    known = {*filters.off, *(each.name for each in filters.scripts)}
    known |= {f"{example.removesuffix(_SUFFIX)}{_SUFFIX}" for example in settings.filters.examples}
    if script not in known and script not in _files(settings.lua_dir):
        words = f"there is no filter script {printable(script)}: `rhapsode filter list` names them"
        raise SettingsError(words)
    return script


def _files(folder: Path | None) -> set[str]:
    """Of the scripts that a worker would find there."""
    from capture.scripts.folder import read_folder

    if folder is None:
        return set()
    found = read_folder(folder)
    return {*found.unread, *(script.name for script in found.scripts)}


def _read(settings: Settings) -> "Filters":
    from api.filters import read_filters

    journals = settings.data_dir / "journal"
    try:
        os.scandir(journals).close()
    except OSError as error:
        raise SettingsError(
            f"{journals} cannot be looked into ({error.strerror}): name the directory of what runs here by"
            " --data-dir, as the account of the service or as root"
        ) from error
    return read_filters(settings.data_dir)


def _directory(settings: Settings) -> Path:
    from capture.script_report_files import FILTERS_DIR

    return settings.data_dir / "journal" / FILTERS_DIR


def _person() -> str:
    """Who is at the command line, also behind sudo."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = f"user {os.getuid()}"
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {account}" if behind and behind != account else account
