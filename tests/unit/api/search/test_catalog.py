"""When the catalog is read anew, and when it is not."""

from collections.abc import Sequence
from typing import Any, cast

from api.database import Reading
from api.search.catalog import Catalog
from capture.route import MessageClass

HOUR = "FOR VALUES FROM ('0') TO ('3600000000')"
CLASSES = [MessageClass.CALL]


class AReading:
    """A transaction that sees one stamp and one leaf."""

    def __init__(self, stamp: str, bound: str | None = HOUR) -> None:
        self._stamp, self._bound = stamp, bound
        self.catalogs_read = 0

    async def fetch(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        if not values:
            return [(self._stamp, None)]
        self.catalogs_read += 1
        return [
            (f"{kind}_1_call", f"{kind}_1_call_p1", self._bound, False, rules)
            for kind, rules in (("messages", ["{}"]), ("keys", None))
        ]


async def ask(catalog: Catalog, reading: AReading) -> int:
    """How many buckets it tells."""
    return len((await catalog.buckets(cast(Reading, reading), CLASSES))[MessageClass.CALL])


async def test_catalog_is_read_once_while_its_rows_stay_the_same():
    catalog, first, second = Catalog(), AReading("1"), AReading("1")

    assert [await ask(catalog, first), await ask(catalog, second)] == [1, 1]
    assert (first.catalogs_read, second.catalogs_read) == (1, 0)


async def test_catalog_is_read_anew_when_a_row_of_it_has_changed():
    catalog, first, second = Catalog(), AReading("1"), AReading("2")

    assert [await ask(catalog, first), await ask(catalog, second)] == [1, 1]
    assert (first.catalogs_read, second.catalogs_read) == (1, 1)


async def test_catalog_of_an_earlier_snapshot_is_not_taken_for_that_of_a_later_one():
    catalog, late, early = Catalog(), AReading("2"), AReading("1")

    await ask(catalog, late)
    await ask(catalog, early)

    assert early.catalogs_read == 1


async def test_catalog_read_while_a_leaf_went_is_not_remembered():
    catalog, torn, whole = Catalog(), AReading("1", bound=None), AReading("1")

    assert [await ask(catalog, torn), await ask(catalog, whole)] == [0, 1]
