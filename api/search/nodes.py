"""Several data nodes asked at once: one answer of what all have, and the names of those that did not answer.

Each node has its own deadline. One that fails takes nothing of the others away, but is never passed over in
silence; only when none answers there is no answer. Knows no HTTP.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from api.errors import DatabaseError, NodesAway
from api.search.decide import Found
from api.search.meeting import Meeting
from api.search.query import Query
from api.search.run import Incomplete, Page, Searcher
from api.search.transaction import Calls, Shared, find_transaction, without_repeats

log = logging.getLogger(__name__)

T = TypeVar("T")
ONLINE_S = 2.0
"""A node that has not answered the shortest question by then is said to be away."""
NOTHING = Page([], None, None)


class Answer(NamedTuple):
    """What the nodes that were asked have."""

    page: Page
    missing: Mapping[str, str] = {}
    """Why a node has not answered, by its name."""
    warnings: Sequence[str] = ()


class Nodes:
    """The data nodes, this installation's own first."""

    def __init__(self, searchers: Sequence[Searcher]) -> None:
        """Their names are `Searcher.node`."""
        self._searchers = searchers

    @property
    def script_names(self) -> tuple[str, ...]:
        """Of headers and tags that scripts have set on any of them, as far as that is known."""
        return tuple(sorted({name for each in self._searchers for name in each.script_names.known}))

    async def refresh_script_names(self) -> bool:
        """Read them anew on every node that answers; whether there are others now. DatabaseError of this
        installation's own."""
        before = self.script_names
        own, *others = self._searchers
        await own.script_names.refresh()
        await asyncio.gather(*[each.script_names.refresh() for each in others], return_exceptions=True)
        return self.script_names != before

    async def online(self) -> list[tuple[str, bool]]:
        """Each node, and whether it answers now."""
        found = await asyncio.gather(*[_answers(each) for each in self._searchers])
        return [(each.node, answers) for each, answers in zip(self._searchers, found, strict=True)]

    async def close(self) -> None:
        """End the scanner processes of all."""
        for searcher in self._searchers:
            await searcher.close()

    def chosen(self, names: Iterable[str]) -> list[Searcher]:
        """Those of these names, in any case; all when there are none."""
        wanted = {name.lower() for name in names}
        return [each for each in self._searchers if not wanted or each.node.lower() in wanted]

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of these names that no data node has."""
        known = {each.node.lower() for each in self._searchers}
        return [name for name in names if name.lower() not in known]

    async def newest(self, names: Iterable[str], queries: Sequence[Query], limit: int) -> Answer:
        """The newest matches on the nodes of these names. NodesAway when none of them answers."""
        searchers = self.chosen(names)
        pages, missing = await _ask(searchers, lambda each: each.newest(queries, limit))
        return Answer(_merged(pages, limit), missing)

    async def transaction(
        self,
        names: Iterable[str],
        asked: Sequence[Calls],
        from_us: int,
        to_us: int,
        *,
        limit: int,
        without: Sequence[str] = (),
        deduplicate: bool = False,
    ) -> Answer:
        """All of some calls, with legs on whatever node: as `find_transaction`; errors as of `newest`."""
        searchers = self.chosen(names)
        meeting: Meeting[Shared] = Meeting(len(searchers))

        async def find(searcher: Searcher) -> Answer:
            try:
                page, warnings = await find_transaction(
                    searcher,
                    asked,
                    from_us,
                    to_us,
                    limit=limit,
                    without=without,
                    meeting=meeting,
                )
            finally:
                meeting.leave()
            return Answer(page, warnings=warnings)

        answers, missing = await _ask(searchers, find)
        warnings = list(dict.fromkeys(words for _, answer in answers for words in answer.warnings))
        page = _merged([(node, answer.page) for node, answer in answers], limit)
        if deduplicate:
            # Also what two nodes have of one packet.
            page = page._replace(rows=without_repeats(page.rows))
        return Answer(page, missing, warnings)


async def _answers(searcher: Searcher) -> bool:
    try:
        async with asyncio.timeout(ONLINE_S):
            await searcher.script_names.refresh()
    except (DatabaseError, SQLAlchemyError, TimeoutError):
        return False
    return True


async def _ask(
    searchers: Sequence[Searcher], question: Callable[[Searcher], Awaitable[T]]
) -> tuple[list[tuple[str, T]], dict[str, str]]:
    """What each node answers, by its name; why the others do not. NodesAway when none does."""
    if len(searchers) == 1:
        (only,) = searchers
        try:
            return [(only.node, await question(only))], {}
        except (DatabaseError, SQLAlchemyError) as error:
            raise NodesAway({only.node: _why(only.node, error)}) from error
    found = await asyncio.gather(*[question(each) for each in searchers], return_exceptions=True)
    answers: list[tuple[str, T]] = []
    errors: dict[str, BaseException] = {}
    for searcher, outcome in zip(searchers, found, strict=True):
        if isinstance(outcome, BaseException):
            if not isinstance(outcome, DatabaseError | SQLAlchemyError):
                raise outcome
            errors[searcher.node] = outcome
        else:
            answers.append((searcher.node, outcome))
    missing = {node: _why(node, error) for node, error in errors.items()}
    if missing and not answers:
        raise NodesAway(missing) from next(iter(errors.values()))
    return answers, missing


def _why(node: str, error: BaseException) -> str:
    if isinstance(error, DatabaseError):
        return str(error)
    # A pool without a free connection speaks for itself, past the driver's errors, and at length.
    log.error("data node %s: no database connection: %s", node, error)
    return "it has no connection free"


def _merged(pages: Sequence[tuple[str, Page]], limit: int) -> Page:
    """The newest of all; each message says which node it is of."""
    if not pages:
        return NOTHING
    if len(pages) == 1:
        node, page = pages[0]
        return page._replace(rows=_of(node, page.rows))
    rows = list(heapq.merge(*[_of(node, page.rows) for node, page in pages], key=_newest_first))
    ends: set[Incomplete | None] = {page.incomplete for _, page in pages}
    incomplete: Incomplete | None = "time" if "time" in ends else "limit" if "limit" in ends else None
    if len(rows) > limit:
        rows, incomplete = rows[:limit], incomplete or "limit"
    return Page(rows, incomplete, None)


def _of(node: str, rows: Sequence[Found]) -> list[Found]:
    return [found._replace(node=node) for found in rows]


def _newest_first(found: Found) -> tuple[int, int]:
    return -found.stored.time_us, -found.stored.id
