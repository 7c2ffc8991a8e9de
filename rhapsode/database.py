"""The database that the children use: the embedded PostgreSQL, started and restarted here, or one by URL."""

import logging
import signal
import time

from rhapsode.errors import RhapsodeError
from rhapsode.family import BackOff, status_words
from rhapsode.postgres import EmbeddedPostgres
from rhapsode.settings import Settings

log = logging.getLogger(__name__)

STARTING_POLL_S = 0.03


class Database:
    """Where the database is, and, when it is ours, keeping it up."""

    def __init__(self, settings: Settings, lock: int) -> None:
        """`lock`: descriptor of the data directory's lock, which PostgreSQL keeps like every child."""
        given = settings.database_url
        self._server = (
            EmbeddedPostgres(settings.data_dir / "postgres", inherited=(lock,)) if given is None else None
        )
        self.url = given.get_secret_value() if given is not None else self._embedded().url
        self._back_off = BackOff()
        self._answered = given is not None
        self._started_once = False
        self._stopping = False

    @property
    def ready(self) -> bool:
        """Whether to try to use it. A server by URL is for its users to find out."""
        return self._answered

    def keep_up(self, now: float) -> float:
        """Start what is down and see whether it answers; seconds until the next look.

        RhapsodeError when the very first start fails: that is for the operator.
        """
        server = self._server
        if server is None:
            return float("inf")
        if server.process is None:
            if now < self._back_off.due:
                return self._back_off.due - now
            self._start(server)
        if not self._answered:
            self._answered = server.process is not None and server.answers()
        return float("inf") if self._answered else STARTING_POLL_S

    def ended(self, pid: int, status: int) -> bool:
        """A process has ended; False when it is not the server."""
        server = self._server
        if server is None or server.process is None or server.process.pid != pid:
            return False
        server.ended(status)
        self._answered = False
        if self._stopping:
            return True
        delay = self._back_off.ended(time.monotonic())
        log.warning("PostgreSQL ended with %s, started again in %.1f s", status_words(status), delay)
        return True

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.process is not None

    def ask_to_stop(self, number: signal.Signals) -> None:
        """SIGINT: a fast shutdown; SIGQUIT: an immediate one."""
        self._stopping = True
        if self._server is not None and self._server.process is not None:
            self._server.process.send_signal(number)

    def _start(self, server: EmbeddedPostgres) -> None:
        self._back_off.started(time.monotonic())
        try:
            server.spawn()
        except (RhapsodeError, OSError) as error:
            if not self._started_once:
                raise
            delay = self._back_off.ended(time.monotonic())
            log.error("PostgreSQL cannot be started, again in %.1f s: %s", delay, error)
        self._started_once = True

    def _embedded(self) -> EmbeddedPostgres:
        assert self._server is not None  # noqa: S101 - for the type checker
        return self._server
