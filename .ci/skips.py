"""Fail when a test was skipped that nothing absent explains, or when there was no test at all."""

import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

CORPUS_WORDS = "the shared corpus is absent"
"""The reason that tests of the shared corpus give; they may be missed where it is not to be had."""
UI_WORDS = "RHAPSODE_TEST_HOMER_UI"
"""The variable that tests of the stock web UI name: it is somebody else's program, built by hand."""


def main(report: str) -> int:
    """The exit status for pytest's JUnit report."""
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314
    corpus_is_there = (Path(__file__).parents[2] / "shared" / "corpus").is_dir()
    missed = []
    for case in cases:
        for skip in case.iter("skipped"):
            reason = skip.get("message") or ""
            is_absent = CORPUS_WORDS in reason and not corpus_is_there
            is_absent |= UI_WORDS in reason and UI_WORDS not in os.environ
            if skip.get("type") == "pytest.xfail" or is_absent:
                continue
            missed.append(f"{case.get('classname')}::{case.get('name')}: {reason}")
    for line in missed:
        sys.stderr.write(f"skipped: {line}\n")
    if not cases:
        sys.stderr.write("no test ran\n")
    return 1 if missed or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
