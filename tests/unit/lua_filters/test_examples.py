"""The scripts that come with Rhapsode: each has tests, which pass, and says which settings it has."""

import re
from importlib import resources
from pathlib import Path

import pytest

from capture.scripts.folder import Script, read_folder
from rhapsode.filters.testing import find_test_files, run_file

EXAMPLES = Path(str(resources.files("lua_filters").joinpath("examples")))
SCRIPTS = read_folder(EXAMPLES).scripts
PAGE = Path(__file__).parents[3] / "docs" / "lua.md"


@pytest.mark.parametrize("path", find_test_files(EXAMPLES), ids=lambda path: path.name)
def test_tests_of_an_example_pass(path: Path) -> None:
    outcome = run_file(path, lambda name: None)

    assert outcome.problem is None
    assert [(test.name, test.failure) for test in outcome.tests if test.failure] == []


def test_every_example_has_tests() -> None:
    tests = {path.name.removesuffix("_test.lua") for path in find_test_files(EXAMPLES)}

    assert {script.stem for script in SCRIPTS} == tests


def test_no_example_has_a_problem() -> None:
    assert read_folder(EXAMPLES).problems == ()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_example_says_at_its_beginning_which_settings_it_has(script: Script) -> None:
    source = script.source.decode()
    opening = re.match(r"(?:--[^\n]*\n)+", source)
    assert opening is not None

    read = set(re.findall(r"settings\.(\w+)", source))

    assert f"[filters.{script.stem}]" in opening[0]
    assert read <= set(re.findall(r"^-- (?:or )?(\w+) +=", opening[0], re.MULTILINE))


def test_every_example_is_on_the_page_of_scripts() -> None:
    page = PAGE.read_text()

    assert [script.name for script in SCRIPTS if f"`{script.stem}`" not in page] == []
