"""The roles as functions: what each process of Rhapsode does, whether alone or as a child of the supervisor.

Imports are inside the functions, because each process needs only its own: intake is back within a third of a
second.
"""

import asyncio
import os
import socket
from pathlib import Path

from capture.errors import JournalError
from capture.imported import JOURNAL_NAME as IMPORT_JOURNAL
from capture.intake.sockets import Sockets
from capture.journal.directory import ID_NAME
from capture.journal.figures import INTAKE_FIGURES, WORKER_FIGURES, IntakeFigure, WorkerFigure, read_figures
from rhapsode.settings import Settings

WORKER_NICE = 5
"""Of lower priority than intake: what the kernel holds for that is lost when it waits too long."""
IMPORT_NICE = 10
"""What is imported waits for what comes in."""


def make_data_directory(settings: Settings) -> None:
    """Make it unless it is there. Its content is private; root's PostgreSQL must get through to its own."""
    if not settings.data_dir.exists():
        settings.data_dir.mkdir(mode=0o700, parents=True)
        if os.geteuid() == 0:
            settings.data_dir.chmod(0o711)


def journal_directories(settings: Settings) -> list[Path]:
    """The journals that intake writes, one a worker."""
    return [settings.data_dir / "journal" / f"{number:04}" for number in range(settings.workers)]


def existing_journals(settings: Settings) -> list[Path]:
    """Every journal on disk, by name. The directory of packets set aside beside them is none."""
    return sorted(file.parent for file in (settings.data_dir / "journal").glob(f"*/{ID_NAME}"))


def has_waiting(journal: Path) -> bool:
    """Whether a journal has records that were not stored when its worker last looked."""
    try:
        appended = read_figures(journal / INTAKE_FIGURES)[IntakeFigure.LAST_NUMBER.name.lower()]
        stored = read_figures(journal / WORKER_FIGURES)[WorkerFigure.NUMBER.name.lower()] - 1
    except JournalError:
        return False
    return appended > stored


def run_intake(settings: Settings, sockets: Sockets) -> None:
    """Receive and append until SIGTERM or SIGINT."""
    from capture.intake.run import run

    directories = journal_directories(settings)
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
    run(sockets, directories, settings.intake, settings.journal)


def run_worker(settings: Settings, database_url: str, journal: Path, *, until_drained: bool = False) -> None:
    """Store what a journal holds until SIGTERM or SIGINT, or until it is drained."""
    from capture.worker import WorkerOptions, run

    os.nice(IMPORT_NICE if journal.name == IMPORT_JOURNAL else WORKER_NICE)

    run(
        WorkerOptions(
            journal_dir=journal,
            database_url=database_url,
            storage=settings.storage,
            retention=settings.retention,
            sip=settings.sip,
            hep=settings.decode,
            accept=settings.accept,
            lua_dir=settings.lua_dir,
            filters=settings.filters,
            until_drained=until_drained,
        )
    )


def run_api(settings: Settings, database_url: str, sock: socket.socket, *, alone: bool = False) -> None:
    """Serve HTTP until SIGTERM or SIGINT.

    `alone`: intake and workers are this machine's if there are journals, so that an API elsewhere does not
    call itself unhealthy for want of them.
    """
    from api.run import serve
    from api.settings import ApiOptions

    elsewhere = alone and not (settings.data_dir / "journal").is_dir()
    serve(
        sock,
        ApiOptions(
            database_url=database_url,
            data_dir=None if elsewhere else settings.data_dir,
            http=settings.web,
            auth=settings.auth,
            ui=settings.ui,
            search=settings.search,
            nodes=settings.nodes,
            prometheus=settings.prometheus,
            loki=settings.loki,
            influxdb=settings.influxdb,
            grafana=settings.grafana,
            custom_headers=settings.sip.custom_headers,
            tshark=settings.tshark,
            imports=settings.imports,
            journal=settings.journal,
            hep=settings.decode,
            retention=settings.retention,
        ),
    )


def prepare(settings: Settings, database_url: str) -> str | None:
    """Migrate the database and see that there is an admin; the password when one had to be made up.

    DatabaseAway when it cannot be reached; SchemaMismatch when it is newer and closed to this code.
    """
    from api.auth.accounts import ensure_admin

    migrate(database_url)
    password = settings.admin_password
    return ensure_admin(database_url, password.get_secret_value() if password is not None else None)


def migrate(database_url: str) -> None:
    """Bring an empty or older database to this code's schema, under a lock; refuse one closed to it."""
    from migrations.run import upgrade

    upgrade(database_url)
    asyncio.run(_check(database_url))


async def _check(database_url: str) -> None:
    from capture.store.connection import Connection
    from capture.store.schema import check_schema

    connection = await Connection.open(database_url)
    try:
        await check_schema(connection)
    finally:
        await connection.close()


def set_user_password(database_url: str, user: str, password: str) -> None:
    """Give the user a new password; AccountError in words when there is no such user."""
    from api.auth.accounts import set_password
    from rhapsode.audited import commander

    set_password(database_url, user, password, commander())
