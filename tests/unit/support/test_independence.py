"""Judges that share code with what they judge would share its mistakes."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
JUDGED = {"api", "capture", "migrations", "rhapsode"}
JUDGES = ["oracle", "content", "sender", "search_oracle", "search_messages", "search_traffic"]


def imported(path: Path, seen: set[Path]) -> set[str]:
    """The modules that a module imports, anywhere in it, and those of the tests' own that these import."""
    seen.add(path)
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    for name in list(names):
        own = ROOT / f"{name.replace('.', '/')}.py"
        if name.startswith("tests.") and own not in seen:
            names |= imported(own, seen)
    return names


@pytest.mark.parametrize("judge", JUDGES)
def test_judge_shares_no_code_with_what_it_judges(judge: str) -> None:
    names = imported(ROOT / "tests" / "support" / f"{judge}.py", set())

    assert names
    assert not {name for name in names if name.partition(".")[0] in JUDGED}
