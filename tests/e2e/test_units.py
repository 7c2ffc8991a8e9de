"""The systemd units of docs/operations.md: systemd takes them, and the commands in them are commands."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import find_program
from tests.support.rhapsode import ROOT, command, environment

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
UNITS = dict(
    re.findall(
        r"^```ini\n# /etc/systemd/system/(\S+?\.service).*\n((?:.*\n)*?)```$", OPERATIONS, re.MULTILINE
    )
)
INSTALLED = "/opt/rhapsode/bin/rhapsode"


def test_there_is_a_unit_for_everything_and_one_for_each_role() -> None:
    roles = [f"rhapsode-{role}.service" for role in ("migrate", "intake", "worker@", "api")]

    assert list(UNITS) == ["rhapsode.service", *roles]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = find_program("systemd-analyze")
    # It looks for the programs, and for the units that others want.
    for name, unit in UNITS.items():
        (tmp_path / name).write_text(unit.replace(INSTALLED, "/bin/true"))
    checked = [tmp_path / name.replace("@.", "@0000.") for name in UNITS]
    (tmp_path / "rhapsode-worker@0000.service").symlink_to("rhapsode-worker@.service")

    done = subprocess.run(
        [program, "verify", "--man=no", *map(str, checked)],
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        check=False,
    )

    ours = [line for line in done.stderr.splitlines() if "rhapsode" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_command_of_a_unit_knows_its_options(name: str) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNITS[name], re.MULTILINE)
    program, *arguments = line.split()

    done = subprocess.run(
        [*command(*arguments), "--help"], capture_output=True, text=True, env=environment(), check=False
    )

    assert program == INSTALLED
    assert done.returncode == 0, done.stderr
