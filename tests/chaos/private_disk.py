"""A small disk that nobody else sees: a tmpfs in a mount namespace of its own, gone with its process."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MOUNT = """
mount -t tmpfs -o size="$1",mode=0777 tmpfs "$2" && echo mounted &&
exec setpriv --reuid "$3" --regid "$4" --clear-groups cat
"""
BALLAST = "ballast"


def cannot_mount() -> str:
    """Why there cannot be such a disk; empty when there can."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return "unshare or setpriv is not installed"
    done = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return "" if done.returncode == 0 else "no right to mount"


@contextlib.contextmanager
def private_disk(size: int) -> Iterator[Path]:
    """A directory on a disk of so many bytes."""
    with tempfile.TemporaryDirectory(prefix="rhapsode-disk-") as place:
        # It ends with its standard input, and so with us.
        holder = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", _MOUNT, "sh", str(size), place, *_account()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"mounted\n"
            yield Path(f"/proc/{holder.pid}/root{place}")
        finally:
            holder.stdin.close()
            holder.wait(10)
            holder.stdout.close()


def _account() -> tuple[str, str]:
    """Of PostgreSQL in tests: it may go where the process that holds the namespace goes."""
    account = pwd.getpwnam("nobody")
    return str(account.pw_uid), str(account.pw_gid)


@contextlib.contextmanager
def fill(directory: Path) -> Iterator[None]:
    """Take all that is left of the disk, until the block is left."""
    path = directory / BALLAST
    block = bytes(1 << 20)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (len(block), 4096):
            with contextlib.suppress(OSError):
                while True:
                    os.write(descriptor, block[:size])
        yield
    finally:
        os.close(descriptor)
        path.unlink()
