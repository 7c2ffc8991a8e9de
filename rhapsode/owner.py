"""Writing below a data directory as the account of the service, whoever calls a command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rhapsode.errors import RhapsodeError


@contextmanager
def as_owner_of(directory: Path) -> Iterator[None]:
    """Root acts as the account that `directory` belongs to, if it is there; anybody else as before.

    Or the service could not read or replace what root made, and a link that it has left there would lead root
    to files of others. Changes the whole process: for commands, which have one thread.

    RhapsodeError where root may not act for others.
    """
    if os.geteuid() != 0 or not directory.exists() or (owner := directory.stat()).st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    try:
        os.setgroups([owner.st_gid])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    except PermissionError as error:
        raise RhapsodeError(
            f"{directory} belongs to the account {owner.st_uid}, and this process may not act as that:"
            " give the command as it"
        ) from error
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
