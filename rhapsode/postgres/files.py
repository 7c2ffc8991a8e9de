"""The files around a running PostgreSQL: its configuration, its socket, and what a dead one leaves behind."""

import hashlib
import os
import shutil
from pathlib import Path

MAJOR = 18
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107
"""sun_path of a Unix socket address is 108 bytes with its NUL."""
MB = 1024 * 1024


def socket_directory(directory: Path) -> Path:
    """`run` in the directory, or one with a short name that is the same at each start."""
    inside = directory / "run"
    if len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    base = "/run" if os.geteuid() == 0 and Path("/run").is_dir() else "/tmp"  # noqa: S108 - 0700, its owner checked
    return Path(base) / f"rhapsode-{digest}"


def clear_stale_files(cluster: Path, socket: Path) -> None:
    """Remove what a killed server left. Only for the holder of the directory's lock, which no live server is
    without.

    PostgreSQL refuses to start while the pid in such a file belongs to any process, which after a restart of
    a machine or container it often does.
    """
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    (socket / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
    (socket / SOCKET_NAME).unlink(missing_ok=True)


def memory_bytes() -> int:
    """Memory of this machine, or of the control group that we are confined to."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(name).read_text().strip()
        except OSError:
            continue
        if limit.isdecimal():
            total = min(total, int(limit))
    return total


def server_configuration(cluster: Path) -> str:
    """`rhapsode.conf` for this machine: memory from its size, WAL from its disk."""
    return render_configuration(memory_bytes(), shutil.disk_usage(cluster).total)


def render_configuration(memory: int, disk: int) -> str:
    """The settings in which an ingesting server differs from PostgreSQL's defaults, and why."""
    # Recovery replays at most this much and is to take less than 15 s: 1,300 MB of COPY took 10.4 s on two
    # busy cores, a third of it for the checkpoint at the end.
    wal_mb = _between(disk // 40 // MB, 128, 1280)
    shared_mb = _between(memory // 8 // MB, 32, 2048)
    values = {
        "shared_buffers": f"{shared_mb}MB",
        "effective_cache_size": f"{_between(memory // 2 // MB, 64, 1 << 20)}MB",
        "maintenance_work_mem": f"{_between(memory // 32 // MB, 16, 512)}MB",
        "work_mem": f"{_between(memory // 256 // MB, 4, 64)}MB",
        "max_wal_size": f"{wal_mb}MB",
        "min_wal_size": f"{_between(wal_mb // 4, 64, 512)}MB",
        # Before recovery PostgreSQL syncs every file there is: two weeks have tens of thousands, and opening
        # each of 14,000 took 40 s on a busy disk. One call for the whole file system does not.
        "recovery_init_sync_method": "syncfs",
        "wal_compression": "pglz",  # page images are most of the WAL after a checkpoint
        "wal_buffers": "16MB",
        "checkpoint_timeout": "5min",
        "max_connections": "80",  # each worker has three, the API ten or so
        # Two tables and a dozen indexes for each class and two hours: pg_dump locks them all at once.
        "max_locks_per_transaction": "512",
        "jit": "off",  # compiling costs more than the short statements here take
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m postgres[%p] ",
        # Statements and rows hold what people said to each other; they are no business of the log's.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
        "cluster_name": "rhapsode",
    }
    return "".join(f"{name} = '{value}'\n" for name, value in values.items())


def _between(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))
