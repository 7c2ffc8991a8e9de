"""`rhapsode up`: opens the sockets, starts the children, restarts and stops them.

One thread, one loop that sleeps until a signal, the end of a child or a date. Intake comes first and needs
nobody; PostgreSQL, migration, workers and API follow as each becomes possible. Does no work of its own: no
packets, no SQL.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from capture.intake.sockets import open_sockets
from rhapsode.children import EXIT_REFUSED, Plan
from rhapsode.database import Database
from rhapsode.family import Child, Family, reaped
from rhapsode.health import Probe
from rhapsode.lock import DirectoryLock
from rhapsode.roles import existing_journals, has_waiting, journal_directories, make_data_directory
from rhapsode.settings import Settings
from rhapsode.wakeup import Wakeup
from rhapsode.web_socket import open_web_socket, shown_address

log = logging.getLogger(__name__)

PREDECESSOR_WAIT_S = 15.0
"""How long the children of a killed predecessor may take to end."""
LEFTOVER_LOOK_S = 2.0
"""How often journals without an intake are looked for (fewer workers than before, packets to be replayed)."""
PATIENCE_S = 15.0
"""Without a database for so long, receiving is announced alone."""

# Seconds after the signal by which each must have ended; the sum is the ten seconds that a stop may take.
INTAKE_STOPPED_S = 2.5
WORKERS_STOPPED_S = 6.5
API_STOPPED_S = 7.5
POSTGRES_FAST_S = 8.0


class Supervisor:
    """Everything on one machine. `say` gets the ready lines."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._wakeup = Wakeup()
        self._exits = contextlib.ExitStack()
        self._refused = False
        self._announced: set[str] = set()
        self._probe: Probe | None = None
        self._next_look = 0.0

    def run(self) -> int:
        """Until a signal; the exit status. RhapsodeError or ConfigError when something cannot be started."""
        with self._exits:
            self._open()
            try:
                while not self._wakeup.stops and not self._refused:
                    self._turn()
            finally:
                self._stop()
        return 1 if self._refused else 0

    def _open(self) -> None:
        settings = self._settings
        make_data_directory(settings)
        lock = DirectoryLock(settings.data_dir / "lock")
        self._exits.callback(lock.close)
        lock.acquire(PREDECESSOR_WAIT_S)
        self._sockets = open_sockets(settings.hep, settings.intake)
        self._exits.callback(self._sockets.close)
        self._web = open_web_socket(settings.http)
        self._exits.callback(self._web.close)
        self._hep_port, self._web_port = self._sockets.port, self._web.getsockname()[1]
        self._granted_bytes = self._sockets.granted_bytes
        self._database = Database(settings, lock.fileno())
        self._family = Family(lock, self._wakeup)
        self._started_at = time.monotonic()
        filenos = tuple(self._sockets.filenos())
        self._intake = self._family.add(Child(Plan("intake", settings, sockets=filenos)))
        self._family.start_due(self._started_at)
        self._api = Child(Plan("api", settings, self._database.url, sockets=(self._web.fileno(),)))
        self._workers: dict[Path, Child] = {}
        self._prepare: Child | None = None
        self._prepared = self._failed = False

    def _turn(self) -> None:
        """Look at everything once, then sleep until there is something to look at."""
        self._reap()
        now = time.monotonic()
        wait = min(LEFTOVER_LOOK_S, self._database.keep_up(now))
        if self._database.ready and self._prepare is None:
            self._start_preparing()
        if self._prepared:
            self._start_workers(now)
        if self._prepared or self._is_away(now):
            self._family.add(self._api)  # it refuses a schema that is not migrated yet, but not an absent one
        self._family.start_due(now)
        self._announce(now)
        self._wakeup.sleep(min(wait, self._family.next_due() - now))

    def _reap(self) -> None:
        for pid, status in reaped():
            if not self._family.ended(pid, status):
                self._database.ended(pid, status)

    def _start_preparing(self) -> None:
        """Migration and first admin are a child's work: a database that does not answer must not hold us."""
        self._report, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._exits.callback(os.close, self._report)
        self._exits.callback(os.close, write)

        def on_end(status: int) -> bool:
            self._prepared = status == 0
            self._refused = status == EXIT_REFUSED
            self._failed = status not in (0, EXIT_REFUSED)
            return self._failed

        plan = Plan("prepare", self._settings, self._database.url, report=write)
        self._prepare = self._family.add(Child(plan, on_end))

    def _start_workers(self, now: float) -> None:
        """One for each journal that intake writes; one, until it is drained, for each that nobody writes."""
        written = journal_directories(self._settings)
        for journal in written:
            self._start_worker(journal, until_drained=False)
        if now >= self._next_look:
            self._next_look = now + LEFTOVER_LOOK_S
            for journal in existing_journals(self._settings):
                if journal not in written:
                    self._start_worker(journal, until_drained=True)

    def _start_worker(self, journal: Path, *, until_drained: bool) -> None:
        if journal in self._workers:
            # It had drained its journal; what has been imported since is for the next one.
            self._workers[journal].wanted |= until_drained and has_waiting(journal)
            return
        plan = Plan(
            "worker", self._settings, self._database.url, journal=journal, until_drained=until_drained
        )

        def on_end(status: int) -> bool:
            if until_drained and status == 0:
                log.info("%s has drained its journal", plan.name)
            return not until_drained or status != 0

        self._workers[journal] = self._family.add(Child(plan, on_end))

    def _announce(self, now: float) -> None:
        """The ready lines: all of them when `/health` says so, those about receiving if that takes long."""
        if self._prepared and self._probe is None:
            address = shown_address(self._settings.http, self._web_port)
            tls = self._settings.web.cert is not None
            self._probe = Probe(address, "/health", tls=tls, wake=self._wakeup.wake)
            self._exits.callback(self._probe.close)
        if self._probe is not None and self._probe.healthy:
            scheme = "http" if self._settings.web.cert is None else "https"
            self._tell(f"web {scheme}://{shown_address(self._settings.http, self._web_port)}")
            self._tell_receiving()
            self._tell_password()
        elif self._probe is not None and self._probe.failing and self._takes_long(now):
            if not self._announced:
                log.warning("not ready: %s (see `rhapsode doctor`)", self._probe.failing)
            self._tell_receiving()
            self._tell_password()
        elif self._is_away(now):
            if not self._announced:
                log.warning("the database does not answer yet; packets are received and kept in the journal")
            self._tell_receiving()

    def _is_away(self, now: float) -> bool:
        """The database has not been usable so far, and it does not look as if it soon were."""
        return not self._prepared and (self._failed or self._takes_long(now))

    def _takes_long(self, now: float) -> bool:
        return now - self._started_at > PATIENCE_S

    def _tell_receiving(self) -> None:
        self._tell(f"hep {shown_address(self._settings.hep, self._hep_port)}")
        self._tell(f"receive buffer {self._granted_bytes} bytes")

    def _tell_password(self) -> None:
        """It is told once and kept nowhere: also when we are stopped before all is ready."""
        with contextlib.suppress(BlockingIOError):
            if self._prepare is not None and (made := os.read(self._report, 4096)):
                self._say(f"user admin password {made.decode()}")

    def _tell(self, line: str) -> None:
        if line not in self._announced:
            self._announced.add(line)
            self._say(line)

    def _stop(self) -> None:
        """Intake reads what its sockets hold and syncs; workers drain and flush; API; PostgreSQL.

        The other order would lose what is in the sockets, or leave workers without a database to flush to.
        Whatever does not make it waits in the journal for the next start.
        """
        began = self._wakeup.stopped_at or time.monotonic()
        log.info("stopping")

        def left(limit: float) -> float:
            return began + limit - time.monotonic()

        if self._intake.process is None:
            self._family.start(self._intake)  # it died a moment ago, and the sockets hold what came since
        self._sockets.close()
        self._web.close()
        if self._probe is not None:
            self._probe.close()
        self._family.end([self._intake], left(INTAKE_STOPPED_S), self._reap, hurry=signal.SIGTERM)
        preparing = [] if self._prepare is None else [self._prepare]
        self._family.end([*preparing, *self._workers.values()], left(WORKERS_STOPPED_S), self._reap)
        self._tell_password()
        self._family.end([self._api], left(API_STOPPED_S), self._reap)
        self._stop_database(began + POSTGRES_FAST_S)

    def _stop_database(self, deadline: float) -> None:
        self._database.ask_to_stop(signal.SIGINT)
        immediate = False
        while self._database.running:
            now = time.monotonic()
            if not immediate and (now >= deadline or self._wakeup.stops > 1):
                immediate = True
                self._database.ask_to_stop(signal.SIGQUIT)
            self._wakeup.sleep(1.0 if immediate else min(1.0, deadline - now))
            self._reap()
