"""Tests of filter scripts: every `*_test.lua` beside them, each test in states of its own.

A test has no clock, no table and no setting but what it gives itself, so that it comes out the same anywhere.
What a test file may use is made by `lua_filters/runtime/testing.lua`, with the services of `bench`.
"""

from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from capture.errors import ScriptError
from capture.scripts.folder import TEST_SUFFIX
from capture.scripts.lua import Function, Limits, LuaState
from capture.scripts.modules import modules_below
from rhapsode.errors import RhapsodeError
from rhapsode.filters.bench import Bench

LIMITS = Limits(instructions=100_000_000, memory_bytes=256 * 1024 * 1024, subject_bytes=16 * 1024 * 1024)
"""Of a test itself: about a second. The scripts have theirs."""


class Outcome(NamedTuple):
    """One test, and how it went."""

    name: str
    line: int
    seconds: float
    failure: str | None
    """`FILE:LINE: words`, perhaps of several lines; None: it passed."""


class FileOutcome(NamedTuple):
    """A test file; `problem` is why it could not be run."""

    name: str
    tests: tuple[Outcome, ...]
    problem: str | None = None

    @property
    def failed(self) -> int:
        """How many tests failed; a file that could not be run counts as one."""
        return sum(test.failure is not None for test in self.tests) + (self.problem is not None)


def find_test_files(path: Path) -> list[Path]:
    """The test files of a folder, by name, or the one that is named; RhapsodeError when there is none."""
    if path.is_file() and path.name.endswith(TEST_SUFFIX):
        return [path]
    if path.is_file():
        raise RhapsodeError(f"{path} is no test: name its folder, or one of the files *{TEST_SUFFIX} in it")
    try:
        found = sorted(
            file for file in path.iterdir() if file.name.endswith(TEST_SUFFIX) and file.name[0] != "."
        )
    except OSError as error:
        raise RhapsodeError(f"{path} cannot be read: {error.strerror}") from error
    if not found:
        raise RhapsodeError(f"{path} has no tests: they are files named *{TEST_SUFFIX} beside the scripts")
    return found


def run_file(path: Path, begin: Callable[[str], None]) -> FileOutcome:
    """Run every test of a file; `begin` is told of each, and of the file's loading, before it runs."""
    try:
        source = path.read_bytes()
    except OSError as error:
        return FileOutcome(path.name, (), f"{path.name} cannot be read: {error.strerror}")
    begin("its top level")
    try:
        declared = list(_Loaded(path, source).bench.declared)
    except ScriptError as error:
        return FileOutcome(path.name, (), f"{path.name} does not load: {error}")
    if not declared:
        return FileOutcome(
            path.name, (), f'{path.name} has no tests: write test("what it shows", function() … end)'
        )
    return FileOutcome(path.name, tuple(_run_tests(path, source, declared, begin)))


def _run_tests(
    path: Path, source: bytes, declared: list[tuple[str, int]], begin: Callable[[str], None]
) -> Iterator[Outcome]:
    for number, (name, line) in enumerate(declared, 1):
        begin(name)
        before = perf_counter()
        failure = None
        try:
            # What a test leaves behind, in the file's own variables too, is nothing to the next one.
            loaded = _Loaded(path, source)
            loaded.state.call(loaded.run_test, number)
        except ScriptError as error:
            failure = str(error)
        yield Outcome(name, line, perf_counter() - before, failure)


class _Loaded:
    """A test file that has been run once, so that its tests are known."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.bench = Bench(path)
        self.state = LuaState(LIMITS, modules_below(path.parent))
        self.run_test = _testing_library(self.state, self.bench)
        self.state.call(self.state.load(path.name, source))


def _testing_library(state: LuaState, bench: Bench) -> Function:
    source = resources.files("lua_filters").joinpath("runtime/testing.lua").read_bytes()
    (run_test,) = state.add_library("testing.lua", source, *bench.services())
    return run_test
