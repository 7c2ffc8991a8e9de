"""The account that the embedded PostgreSQL runs as, and what that account can reach.

PostgreSQL refuses to run as root. Root's own directories are often closed to everybody else (/root is), and
making them readable would open more than the database: the server gets such a directory as an open descriptor
instead.
"""

import contextlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rhapsode.errors import PostgresError

CANDIDATES = ("postgres", "nobody")
"""initdb asks for an account with a passwd entry; none is ever made."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server runs as; `uid` None: as we do."""

    uid: int | None = None
    gid: int | None = None

    @property
    def arguments(self) -> list[str]:
        """uid and gid for the exec wrapper, `-` for no change."""
        return ["-", "-"] if self.uid is None else [str(self.uid), str(self.gid)]

    def own(self, path: Path) -> None:
        """Give `path` to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def make_directory(self, path: Path) -> None:
        """Make `path` the account's own directory, closed to all others; refuse somebody else's."""
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        seen = path.lstat()
        if not path.is_dir() or path.is_symlink() or seen.st_uid not in (os.geteuid(), self.uid):
            raise PostgresError(f"{path} belongs to another account")
        self.own(path)
        path.chmod(0o700)


def server_account() -> Account:
    """Ourselves, or for root the first of `CANDIDATES` that exists."""
    if os.geteuid() != 0:
        return Account()
    for name in CANDIDATES:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Account(entry.pw_uid, entry.pw_gid)
    raise PostgresError(
        f"PostgreSQL does not run as root, and there is none of the accounts {', '.join(CANDIDATES)}: "
        "run as another user, or give --database-url"
    )


def reaches(account: Account, path: Path) -> bool:
    """Whether the account can enter the directory, or run the file, at `path`."""
    script = 'if [ -d "$0" ]; then cd "$0"; else "$0" --version; fi'
    return _run_as(account, ["/bin/sh", "-c", script, str(path)])


def _run_as(account: Account, command: list[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - no shell text comes from outside
            command,
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except PermissionError as error:
        raise PostgresError(f"cannot change to the account of PostgreSQL: {error}") from error
    return done.returncode == 0


@dataclass(frozen=True, slots=True)
class Reachable:
    """A directory as the server names it, and the descriptors it needs for that."""

    path: str
    fds: tuple[int, ...] = ()


def make_reachable(directory: Path, account: Account, held: contextlib.ExitStack) -> Reachable:
    """A name under which the account can enter `directory`, valid until `held` closes and in whoever inherits
    fds.

    `/proc/self/fd/N` leads to the directory itself, past parents that are closed; PostgreSQL's processes are
    forks of one another, so the number means the same in all of them.
    """
    if reaches(account, directory):
        return Reachable(str(directory))
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    held.callback(os.close, fd)
    return Reachable(f"/proc/self/fd/{fd}", (fd,))
