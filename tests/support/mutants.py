"""Mutants: one named function of the code under test replaced by a wrong one, to show that a test sees it.

The only patch that tests may make. Each mutant is a mistake of which it is known that it loses, doubles or
hides messages; `tests/postgres/test_mutants.py` names for each the test that fails by it.

In this process:

    with mutated("keys_kept_after_rollback"):
        ...

In a process of its own, for what a test starts: `python -m tests.support.mutants MUTANT -m MODULE ARGUMENT…`
runs the module with its arguments as `python -m` would.
"""

import importlib
import os
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from api.search import sql
from api.search.query import Condition, Operator
from capture.journal.directory import open_header
from capture.journal.figures import WorkerFigure
from capture.journal.record import unpack_records
from capture.journal.segment import RECORDS_START, segment_numbers, segment_path
from capture.journal.syncing import OpenSegment, Syncing
from capture.keys import KeyMemory
from capture.store.columns import KEY_TEXT_COLUMNS, keys_table
from capture.store.connection import RowsRefused
from capture.store.partitions import HOUR_US

Replace = Callable[[Callable[..., Any]], Callable[..., Any]]
"""From a function to what stands in its place."""


@dataclass(frozen=True)
class Mutant:
    """A mistake."""

    target: str
    """`module:name` or `module:Class.name`, where the name is looked up when it is called."""
    replace: Replace


MUTANTS: dict[str, Mutant] = {}
"""By the function that makes it."""


def _mutant(target: str) -> Callable[[Replace], Replace]:
    def enter(replace: Replace) -> Replace:
        MUTANTS[replace.__name__] = Mutant(target, replace)
        return replace

    return enter


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The code under test with this mutant, until the block is left."""
    mutant = MUTANTS[name]
    module, _, path = mutant.target.partition(":")
    *owners, attribute = path.split(".")
    owner = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original = getattr(owner, attribute)
    setattr(owner, attribute, wraps(original)(mutant.replace(original)))
    try:
        yield
    finally:
        setattr(owner, attribute, original)


def command(name: str, module: str, *arguments: str) -> list[str]:
    """The command line of a module under a mutant."""
    return [sys.executable, "-m", "tests.support.mutants", name, "-m", module, *arguments]


# What a worker remembers


@_mutant("capture.worker.session:Session._make_pipeline")
def keys_kept_after_rollback(original: Callable[..., Any]) -> Callable[..., Any]:
    """The memory of written keys outlives a batch that was rolled back."""
    return _keeping_keys(original, lambda session: not _has_lost_commits(session))


@_mutant("capture.worker.session:Session._make_pipeline")
def keys_kept_after_a_crash_of_postgresql(original: Callable[..., Any]) -> Callable[..., Any]:
    """The memory of written keys outlives commits that PostgreSQL lost."""
    return _keeping_keys(original, _has_lost_commits)


def _has_lost_commits(session: Any) -> bool:
    """Old figures stand until the database has caught up with them."""
    number: int = session._position.number
    return bool(session._words[WorkerFigure.NUMBER] > number)


def _keeping_keys(original: Callable[..., Any], keeps: Callable[[Any], bool]) -> Callable[..., Any]:
    kept: list[KeyMemory] = []

    def make(session: Any, *given: Any) -> Any:
        pipeline = original(session, *given)
        if kept and keeps(session):
            pipeline._keys = kept[-1]
        kept.append(pipeline._keys)
        return pipeline

    return make


@_mutant("capture.pipeline:Pipeline._add_keys")
def keys_kept_across_a_dropped_bucket(original: Callable[..., Any]) -> Callable[..., Any]:
    """Written keys are remembered by the bounds of a bucket, not by its leaf."""

    class ByBounds:
        def __init__(self, keys: KeyMemory, leaf: Any) -> None:
            self._keys, self._place = keys, hash((leaf.message_class, leaf.lower_us))

        def new_values(self, _: int, *values: Any) -> Any:
            return self._keys.new_values(self._place, *values)

    def add(pipeline: Any, rows: Any, leaf: Any, *given: Any) -> None:
        keys = pipeline._keys
        pipeline._keys = ByBounds(keys, leaf)
        try:
            original(pipeline, rows, leaf, *given)
        finally:
            pipeline._keys = keys

    return add


@_mutant("capture.pipeline:Pipeline._labelled")
def keys_kept_from_import_to_import(original: Callable[..., Any]) -> Callable[..., Any]:
    """What was written for one import counts as written for the next, and goes when the first is deleted."""

    class Unforgetting:
        def forget(self) -> None:
            pass

    def labelled(pipeline: Any, *given: Any) -> Any:
        keys = pipeline._keys
        pipeline._keys = Unforgetting()
        try:
            return original(pipeline, *given)
        finally:
            pipeline._keys = keys

    return labelled


# What a search narrows to


@_mutant("api.search.narrow:_Translation._all")
def two_conditions_on_one_key_row(original: Callable[..., Any]) -> Callable[..., Any]:
    """An AND of key atoms asks for one key row that has both values."""

    def conjoin(translation: Any, atoms: Sequence[Any]) -> Any:
        joined = original(translation, atoms)
        if len(joined.calls) < 2 or joined.given is not None:
            return joined
        conditions = [shown.condition for shown in joined.calls if shown.condition is not None]
        shown = joined.calls[0]._replace(condition=sql.all_of(conditions))
        keys = sql.sql("m.call in (select call from (", translation.places_of(shown), ") as shown)")
        return joined._replace(keys=keys, calls=(shown,))

    return conjoin


@_mutant("api.search.narrow:_Translation._condition")
def empty_told_by_null(original: Callable[..., Any]) -> Callable[..., Any]:
    """`isEmpty` is narrowed to calls that have a key row without the value."""

    def condition(translation: Any, asked: Condition) -> Any:
        if asked.operator is not Operator.EMPTY or asked.field not in KEY_TEXT_COLUMNS:
            return original(translation, asked)
        # The first row of a call has whatever it showed first: only a later one is without it.
        return translation._key_atom(sql.sql(f"coalesce(k.{asked.field}, '') = ''"))

    return condition


@_mutant("api.search.walk:grouped")
def arithmetic_buckets(original: Callable[..., Any]) -> Callable[..., Any]:
    """Which buckets the keys name is told from times and the step, not from the partitions' bounds."""

    def grouped(*given: Any) -> Iterator[Any]:
        for group in original(*given):
            yield group._replace(lowers=tuple(lower - lower % (2 * HOUR_US) for lower in group.lowers))

    return grouped


@_mutant("api.search.narrow:_Translation._of_keys")
def cut_values_taken_for_whole(original: Callable[..., Any]) -> Callable[..., Any]:
    """A key row whose values were cut is no candidate unless what is left of them fits."""

    def of_keys(translation: Any, columns: str, buckets: sql.Sql, condition: sql.Sql) -> sql.Sql:
        table = keys_table(translation._message_class)
        return sql.sql(f"select {columns} from {table} k where k.bucket", buckets, " and ", condition)

    return of_keys


@_mutant("api.search.narrow:_Translation._text")
def header_taken_for_keyed_because_scripts_set_it(original: Callable[..., Any]) -> Callable[..., Any]:
    """A name that scripts have set narrows also where messages have it as a header that is not keyed."""

    def narrow_text(translation: Any, condition: Any) -> Any:
        if condition.field.startswith("custom:"):
            return translation._key_atom(translation._extra(condition.field, condition))
        return original(translation, condition)

    return narrow_text


@_mutant("api.search.narrow:_Translation._any")
def or_of_key_and_column_taken_for_and(original: Callable[..., Any]) -> Callable[..., Any]:
    """Where one side of an OR is a column and the other a key, both are asked for."""

    def disjoin(translation: Any, atoms: Sequence[Any]) -> Any:
        joined = original(translation, atoms)
        by_column = [atom for atom in atoms if atom.exact is not None]
        by_key = [atom for atom in atoms if atom.exact is None and atom.keys is not None]
        return translation._all(atoms) if by_column and by_key else joined

    return disjoin


# What the writer does


@_mutant("capture.store.connection:_of_copy")
def transient_errors_bisected(original: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    """Whatever PostgreSQL says to a COPY is taken for the rows' fault."""
    return lambda state, words: RowsRefused(words)


@_mutant("capture.store.writer:_move_position")
def position_moved_from_anywhere(original: Callable[..., Any]) -> Callable[..., Any]:
    """The position is updated without looking whether it stands where the batch began."""

    async def move(connection: Any, batch: Any, rows: Any) -> None:
        where = "select segment, byte_offset from journal_position where journal = $1"
        ((segment, offset),) = await connection.fetch(tuple[int, int], where, batch.journal)
        here = type(batch.start)(segment, offset, batch.start.number)
        moved = type(batch)(batch.journal, here, batch.end, batch.outcomes, batch.leaves, batch.synchronous)
        await original(connection, moved, rows)

    return move


# What the journal does


@_mutant("capture.journal.syncing:Syncing.next_segment")
def old_segment_appended_to(original: Callable[..., OpenSegment]) -> Callable[..., OpenSegment]:
    """A new run of intake goes on in the newest segment of the run before.

    Nothing shows it but a loss of power, after which a stored position may lie behind the segment's end.
    """

    def following(syncing: Syncing) -> OpenSegment:
        if syncing.current is None:
            syncing.current = _newest_used(syncing)
            if syncing.current is not None:
                return syncing.current
        return original(syncing)

    return following


def _newest_used(syncing: Syncing) -> OpenSegment | None:
    """The newest segment with a record, opened for writing behind its last whole one."""
    for number in reversed(segment_numbers(syncing._directory)):
        path = segment_path(syncing._directory, number)
        header = open_header(path)
        if header is None or header.first_number is None or path.stat().st_size <= RECORDS_START:
            continue
        segment = OpenSegment(path, os.open(path, os.O_RDWR | os.O_CLOEXEC), header)
        data = path.read_bytes()[RECORDS_START:]
        read, _, _ = unpack_records(data, header.key, RECORDS_START, header.first_number, [])
        segment.end, segment.used, segment.limit = RECORDS_START + read, True, 1 << 26
        return segment
    return None


@_mutant("capture.journal.reader:find_record")
def good_records_given_up_behind_a_bad_one(original: Callable[..., Any]) -> Callable[..., Any]:
    """Behind a damaged record a segment is read no further."""
    return lambda descriptor, key, offset: None


def main() -> None:
    _, name, _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    with mutated(name):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
