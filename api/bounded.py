"""The first instant of another program: its limits, an account without rights, then the program itself.

Run as a file by an interpreter of its own, as between fork and exec a process with threads may do next to
nothing. `bounded.py UID GID MEMORY SECONDS PROGRAM ARGUMENT…`; UID -1: the account stays.
"""

import os
import resource
import sys

_OPEN_FILES = 64


def main(arguments: list[str]) -> None:
    """Become the program, or end with why that cannot be."""
    uid, gid, memory_bytes, seconds = map(int, arguments[:4])
    program = arguments[4:]
    limits = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        # It answers on a pipe: there is no file that it has to write.
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    )
    for limit, value in limits:
        _, most = resource.getrlimit(limit)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(limit, (value, value))
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.chdir("/")
    try:
        os.execv(program[0], program)  # noqa: S606 - what the settings name, and no shell
    except OSError as error:
        sys.exit(f"{program[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
