"""Each known mistake, made on purpose, fails the one test that is named for it.

The tests named here run without their mutant in their own files.
"""

import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.postgres import (
    test_imports,
    test_keys_kept,
    test_search_narrowing,
    test_search_scripts,
    test_writer,
)
from tests.support.journals import write_journal
from tests.support.mutants import MUTANTS, mutated
from tests.unit.capture.journal import test_reader_damage

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"old_segment_appended_to": ROOT / "tests" / "e2e" / "test_faults_over_lives.py"}
"""Shown by a whole system only: this one by a loss of power, and by nothing else."""


class Caught(NamedTuple):
    """A test that fails by a mutant, and how."""

    mutant: str
    test: Callable[..., Any]
    words: str
    """What the failed assertion says."""
    given: dict[str, Any] = {}  # noqa: RUF012 - never changed
    """What the test is parametrised by."""


CAUGHT = [
    Caught(
        "keys_kept_after_rollback",
        test_keys_kept.test_message_stored_after_a_rollback_is_found_by_its_caller,
        r"'caller-\d+': 0\} != ",
    ),
    Caught(
        "keys_kept_after_a_crash_of_postgresql",
        test_keys_kept.test_messages_that_a_crash_of_postgresql_took_are_stored_again_and_found,
        r"'caller-\d+': 0\} != ",
    ),
    Caught(
        "keys_kept_across_a_dropped_bucket",
        test_keys_kept.test_message_in_a_bucket_dropped_and_made_again_is_found_by_its_caller,
        r"'caller': 0",
    ),
    Caught(
        "keys_kept_from_import_to_import",
        test_imports.test_file_imported_twice_is_there_twice_under_its_two_labels,
        r"\[\] == \['second', 'second'\]",
    ),
    Caught(
        "two_conditions_on_one_key_row",
        test_search_narrowing.test_values_of_one_message_that_stand_in_two_key_rows_are_found_together,
        r"\[\[\]\] == \[\[2\]\]",
    ),
    Caught(
        "empty_told_by_null",
        test_search_narrowing.test_empty_value_of_a_call_whose_key_rows_are_full_is_found,
        r"\[\[\], ",
    ),
    Caught(
        "arithmetic_buckets",
        test_search_narrowing.test_bucket_clipped_by_one_of_another_step_is_searched,
        r", \[\]\] == \[\[1\], ",
    ),
    Caught(
        "cut_values_taken_for_whole",
        test_search_narrowing.test_pattern_finds_what_lies_behind_the_cut_of_a_long_value,
        r"\[\[\], ",
        {"field": "from_user"},
    ),
    Caught(
        "header_taken_for_keyed_because_scripts_set_it",
        test_search_scripts.test_name_that_is_header_and_tag_is_found_in_buckets_of_all_settings,
        r"assert \[2, 3,",
    ),
    Caught(
        "or_of_key_and_column_taken_for_and",
        test_search_narrowing.test_or_of_a_key_and_a_column_finds_what_has_either,
        r"\[\[\], ",
    ),
    Caught(
        "transient_errors_bisected",
        test_writer.test_trouble_of_the_database_in_mid_copy_refuses_no_row,
        r"row 41 refused: no space left on device",
    ),
    Caught(
        "position_moved_from_anywhere",
        test_writer.test_second_writer_of_the_same_batch_stores_nothing,
        r"DID NOT RAISE",
    ),
    Caught(
        "good_records_given_up_behind_a_bad_one",
        test_reader_damage.test_bad_record_is_counted_and_all_others_are_read,
        r"^assert \[b'",
        {"index": 2, "byte": 30},
    ),
]


@pytest.mark.parametrize("caught", CAUGHT, ids=[caught.mutant for caught in CAUGHT])
def test_mutant_fails_the_test_that_is_named_for_it(caught: Caught, request: pytest.FixtureRequest) -> None:
    given = dict(caught.given)
    for name in inspect.signature(caught.test).parameters:
        if name == "journal":
            given[name] = write_journal(request.getfixturevalue("tmp_path"))
        elif name not in given:
            given[name] = request.getfixturevalue(name)

    with mutated(caught.mutant):
        words = _failure(caught.test, given)

    assert re.search(caught.words, words, re.DOTALL), words


def _failure(test: Callable[..., Any], given: dict[str, Any]) -> str:
    """How a test fails: by an assertion, or by `pytest.raises`, which has its own way to say so."""
    try:
        outcome = test(**given)
        if inspect.iscoroutine(outcome):
            asyncio.run(outcome)
    except (AssertionError, pytest.fail.Exception) as failure:
        return str(failure)
    raise AssertionError(f"{test.__name__} passes all the same")


def test_every_mutant_has_a_test() -> None:
    assert {caught.mutant for caught in CAUGHT} | set(ELSEWHERE) == set(MUTANTS)
    for mutant, path in ELSEWHERE.items():
        assert f'"{mutant}"' in path.read_text()
