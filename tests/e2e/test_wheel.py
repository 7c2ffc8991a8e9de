"""The wheel in an environment without this directory: what it holds, and that it runs anywhere."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from capture.store.schema import CODE_LEVEL

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
PACKAGES = {"capture", "api", "migrations", "lua_filters", "rhapsode"}


def run(*command: str | Path, cwd: Path, extra: Mapping[str, str] | None = None) -> str:
    """What a command prints; without this directory and the tests' settings in its environment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("RHAPSODE_")
    }
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, **(extra or {})},
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the locked build backend, without a network."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation")
    run(*pip, "-w", directory, ROOT, cwd=directory)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel in it.

    Dependencies are this environment's own, lent by a path file: installing them again would need a network
    and prove nothing about the wheel. A path file's directories come behind the environment's own packages,
    and their path files are not read, so this directory stays out.
    """
    environment = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment.parent)
    python = environment / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", ask, cwd=environment).strip())
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "lent.pth").write_text("".join(f"{path}\n" for path in sorted(lent)))
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps")
    run(*pip, wheel, cwd=environment)
    return environment / "bin"


def test_wheel_holds_the_packages_and_their_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    tops = {name.split("/")[0] for name in names}
    assert tops == PACKAGES | {f"rhapsode-{VERSION}.dist-info"}
    versions = (ROOT / "migrations" / "versions").glob("[0-9]*.py")
    static = (ROOT / "api" / "static").glob("*.*")
    lua = (ROOT / "lua_filters").rglob("*.lua")
    expected = {path.relative_to(ROOT).as_posix() for path in (*versions, *static, *lua)}
    assert expected
    assert expected | {"capture/store/sip.dict", f"rhapsode-{VERSION}.dist-info/licenses/LICENSE"} <= names
    assert not [name for name in names if Path(name).name.startswith("test_") or name.endswith(".pyc")]


def test_installed_command_runs_in_any_directory(installed: Path, tmp_path: Path) -> None:
    version = run(installed / "rhapsode", "--version", cwd=tmp_path)

    assert version == f"rhapsode {VERSION}\n"


def test_installed_packages_are_the_wheel_s_and_find_their_data(installed: Path, tmp_path: Path) -> None:
    script = (
        "import api.app, capture, lua_filters, migrations.run, rhapsode; "
        "from capture.store.codec import shipped_dictionary; "
        "print(len(shipped_dictionary())); "
        "print(*[module.__file__ for module in (api, capture, lua_filters, migrations, rhapsode)], sep='\\n')"
    )

    dictionary, *files = run(installed / "python", "-c", script, cwd=tmp_path).splitlines()

    assert int(dictionary) == (ROOT / "capture" / "store" / "sip.dict").stat().st_size
    assert all(Path(file).is_relative_to(installed.parent) for file in files), files


async def test_installed_migrations_make_a_database(
    installed: Path, tmp_path: Path, empty_database_url: str
) -> None:
    run(installed / "rhapsode", "migrate", cwd=tmp_path, extra={"RHAPSODE_DATABASE_URL": empty_database_url})

    connection = await asyncpg.connect(empty_database_url)
    try:
        level = await connection.fetchval("select level from schema_level")
    finally:
        await connection.close()
    assert level == CODE_LEVEL
