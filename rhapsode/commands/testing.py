"""`rhapsode filter test`: the tests that stand beside filter scripts."""

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rhapsode.errors import RhapsodeError
from rhapsode.terminal import plain_console, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from rhapsode.filters.testing import FileOutcome

EXAMPLE = "Example: rhapsode filter test /etc/rhapsode/filters --junit report.xml"

HUNG_S = 3.0
"""A test that does not come back for so long is ended, and with it the run."""


def run_tests(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of the scripts, or one FILE_test.lua.")
    ],
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Also write JUnit XML, for CI.", show_default=False),
    ] = None,
) -> None:
    """Run the tests beside filter scripts: every *_test.lua. Exit status 0 only if all pass, else 1."""
    from rhapsode.filters.hanging import ended_after
    from rhapsode.filters.testing import find_test_files, run_file

    paths = find_test_files(directory)
    run = _TestRun(junit)
    since = time.perf_counter()
    with ended_after(HUNG_S, run.say_hung) as watchdog:
        numbers = itertools.count(1)
        for path in paths:

            def begin(name: str, file: str = path.name) -> None:
                run.at_hand = file, name
                watchdog.call = next(numbers)

            outcome = run_file(path, begin)
            # Who reads what is shown may take their time.
            watchdog.call = 0
            run.add(outcome)
    run.finish(time.perf_counter() - since)
    raise typer.Exit(1 if run.failed else 0)


class _TestRun:
    """What is shown of the tests, and what becomes of one that does not come back."""

    def __init__(self, junit: Path | None) -> None:
        self.at_hand = "", ""
        """File and name of the test that runs."""
        self._junit = junit
        self._console = plain_console()
        self._files: list[FileOutcome] = []

    @property
    def failed(self) -> int:
        return sum(file.failed for file in self._files)

    def add(self, file: "FileOutcome") -> None:
        from rich.text import Text

        self._files.append(file)
        self._console.print(Text(file.name, "bold"))
        if file.problem is not None:
            first, *others = file.problem.splitlines()
            self._console.print(_verdict("FAILED", "bold red", first))
            _print_failure(self._console, "\n".join(others))
        for test in file.tests:
            if test.failure is None:
                self._console.print(_verdict("ok", "green", test.name))
            else:
                self._console.print(_verdict("FAILED", "bold red", test.name))
                _print_failure(self._console, test.failure)

    def finish(self, seconds: float) -> None:
        from rich.text import Text

        total = sum(len(file.tests) + (file.problem is not None) for file in self._files)
        line = Text(f"{total - self.failed} passed", "green" if not self.failed else "")
        line.append(f", {self.failed} failed", "bold red" if self.failed else "not bold dim")
        line.append(f", in {seconds:.2f} s", "not bold dim")
        self._console.print()
        self._console.print(line)
        self._write_junit()

    def _write_junit(self) -> None:
        from rhapsode.filters.junit import junit_xml

        if self._junit is None:
            return
        try:
            self._junit.write_bytes(junit_xml(self._files))
        except OSError as error:
            raise RhapsodeError(f"{self._junit} cannot be written: {error.strerror}") from error

    def say_hung(self) -> None:
        """In the watchdog's thread, while the other one is held by Lua."""
        from rhapsode.filters.testing import FileOutcome

        file, name = self.at_hand
        words = f"{name} does not come back: ended after {HUNG_S:g} s (a pattern that backtracks for ever?)"
        self.add(FileOutcome(file, (), f"{file}: {words}"))
        self._write_junit()


def _verdict(word: str, style: str, name: str) -> "Text":
    from rich.text import Text

    return Text.assemble("  ", (f"{word:8}", style), printable(name))


def _print_failure(console: "Console", words: str) -> None:
    from rich.text import Text

    from rhapsode.filters.difference import NEW, OLD

    styles = {OLD: "red", NEW: "green"}
    for line in words.splitlines():
        console.print(Text(f"            {printable(line)}", styles.get(line[:2], "")))
