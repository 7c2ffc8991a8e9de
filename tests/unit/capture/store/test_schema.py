"""Which code may use which schema."""

import pytest

from capture.errors import SchemaMismatch
from capture.store.schema import CODE_LEVEL, NEEDED_LEVEL, SchemaLevel, judge
from migrations.run import head_level


def test_code_and_revisions_are_of_one_level() -> None:
    assert head_level() == CODE_LEVEL


@pytest.mark.parametrize(
    "found",
    [
        SchemaLevel(CODE_LEVEL, 1),
        SchemaLevel(NEEDED_LEVEL, 1),
        SchemaLevel(CODE_LEVEL + 5, CODE_LEVEL),
    ],
)
def test_schema_that_fits_is_used(found: SchemaLevel) -> None:
    judge(found)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "rhapsode migrate"),
        (SchemaLevel(NEEDED_LEVEL - 1, 1), "rhapsode migrate"),
        (SchemaLevel(CODE_LEVEL + 5, CODE_LEVEL + 1), "newer version"),
    ],
)
def test_schema_that_does_not_fit_is_refused_with_what_to_do(found: SchemaLevel | None, words: str) -> None:
    with pytest.raises(SchemaMismatch, match=words):
        judge(found)
