"""The roles alone, for systemd units and containers: `intake`, `worker`, `api`, `migrate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from capture.intake.sockets import open_sockets, split_address
from rhapsode import roles
from rhapsode.commands.options import (
    Config,
    DatabaseUrl,
    DataDir,
    Hep,
    Http,
    HttpCert,
    HttpKey,
    LuaDir,
    Metrics,
    UiDir,
    Workers,
)
from rhapsode.commands.up import say
from rhapsode.early_stop import keep_early_stop
from rhapsode.errors import SettingsError
from rhapsode.lock import DirectoryLock
from rhapsode.logs import set_up_logs
from rhapsode.settings import Settings, load_settings
from rhapsode.supervisor import PREDECESSOR_WAIT_S
from rhapsode.temporary import running_database, usable_database
from rhapsode.web_socket import open_web_socket, shown_address

INTAKE_EXAMPLE = "Example: rhapsode intake --data-dir /var/lib/rhapsode --hep 0.0.0.0:9060 --workers 2"
WORKER_EXAMPLE = (
    "Example: rhapsode worker --data-dir /var/lib/rhapsode --journal 0001 --database-url postgresql://db/x"
)
API_EXAMPLE = "Example: rhapsode api --http 0.0.0.0:9080 --database-url postgresql://db/homer"
MIGRATE_EXAMPLE = "Example: rhapsode migrate --database-url postgresql://db/homer"


def intake(
    data_dir: DataDir = None,
    hep: Hep = None,
    workers: Workers = None,
    config: Config = None,
    metrics: Metrics = None,
) -> None:
    """Only receive: append every HEP packet to the journals under the data directory, one a worker."""
    settings = _start("intake", {"data_dir": data_dir, "hep": hep, "workers": workers}, config)
    lock = _share_directory(settings)
    sockets = open_sockets(settings.hep, settings.intake)
    _serve_metrics(metrics, settings)
    keep_early_stop()
    say(f"hep {shown_address(settings.hep, sockets.port)}")
    say(f"receive buffer {sockets.granted_bytes} bytes")
    roles.run_intake(settings, sockets)
    lock.close()


def worker(
    journal: Annotated[
        str, typer.Option("--journal", metavar="NAME", help="Directory of the journal under DIR/journal.")
    ] = "0000",
    until_drained: Annotated[
        bool, typer.Option("--until-drained", help="End when the journal is empty and nobody writes it.")
    ] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    lua_dir: LuaDir = None,
    config: Config = None,
    metrics: Metrics = None,
) -> None:
    """Only store: bring one journal's packets into the database. Runs on the machine of its intake."""
    settings = _start(
        f"worker {journal}", {"data_dir": data_dir, "database_url": database_url, "lua_dir": lua_dir}, config
    )
    lock = _share_directory(settings)
    keep_early_stop()
    _serve_metrics(metrics, settings)
    directory = settings.data_dir / "journal" / journal
    roles.run_worker(settings, running_database(settings), directory, until_drained=until_drained)
    lock.close()


def api(
    http: Http = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
    http_cert: HttpCert = None,
    http_key: HttpKey = None,
    ui_dir: UiDir = None,
) -> None:
    """Only answer: the HTTP API, on any machine that reaches the database."""
    settings = _start(
        "api",
        {
            "http": http,
            "data_dir": data_dir,
            "database_url": database_url,
            "web": {"cert": http_cert, "key": http_key},
            "ui": {"dir": ui_dir},
        },
        config,
    )
    url = running_database(settings)
    sock = open_web_socket(settings.http)
    keep_early_stop()
    scheme = "http" if settings.web.cert is None else "https"
    say(f"web {scheme}://{shown_address(settings.http, sock.getsockname()[1])}")
    roles.run_api(settings, url, sock, alone=True)


def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None, config: Config = None) -> None:
    """Bring an empty or older database to this version's schema. Safe to run twice, and at once.

    Makes the user admin when there is no admin yet, and prints the password if it made that up as well.
    """
    settings = _start("migrate", {"data_dir": data_dir, "database_url": database_url}, config)
    with usable_database(settings) as url:
        made = roles.prepare(settings, url)
    say("the database has this version's schema")
    if made is not None:
        say(f"user admin password {made}")


def _start(role: str, given: Mapping[str, Any], config: Path | None) -> Settings:
    settings = load_settings(given, config)
    set_up_logs(settings.log, role)
    return settings


def _share_directory(settings: Settings) -> DirectoryLock:
    """Several roles share a data directory, but not with `up`, which runs them itself."""
    roles.make_data_directory(settings)
    lock = DirectoryLock(settings.data_dir / "lock")
    lock.acquire(PREDECESSOR_WAIT_S, shared=True)
    return lock


def _serve_metrics(address: str | None, settings: Settings) -> None:
    if address is None:
        return
    from api.metrics import serve_metrics

    host, port = split_address(address)
    try:
        server = serve_metrics(host, port, settings.data_dir)
    except OSError as error:
        raise SettingsError(f"cannot serve metrics on {address}: {error.strerror or error}") from error
    say(f"metrics {shown_address(address, server.server_address[1])}")
