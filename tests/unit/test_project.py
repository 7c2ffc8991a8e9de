"""What the project says of itself in several places, compared."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.split(r"[^\w-]", requirement)[0] for requirement in requirements]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")

    explained = re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)

    assert sorted(explained) == sorted(names)


def test_every_dependency_is_locked_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    locked = re.findall(r"^([\w-]+)==\S+(?: ;[^\\\n]*)? \\\n    --hash=sha256:", lock, re.MULTILINE)

    assert names <= set(locked)


def test_readme_names_every_setting_with_the_unit_and_default_of_its_page() -> None:
    row = re.compile(r"^\| (`[^`]+`) \| (.*?) \| (.*?) \| (.*?) \|", re.MULTILINE)
    page = row.findall((ROOT / "docs" / "settings.md").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(page) > 30
    assert row.findall(readme) == page
