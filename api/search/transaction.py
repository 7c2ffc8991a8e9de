"""All messages of some calls: those with their session ids, and what the rules of the mapping join to them.

Source: homer-app's correlation. Values come from the messages of the calls themselves, and the session ids
that are asked for are among them where nobody captured the SIP; what a rule finds adds none, but for the
session ids of a rule that tells them to all later ones. An empty value joins nothing: in Homer it joins all
that lack the field.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

import msgspec

from api.search.buckets import MAX_GROUP
from api.search.decide import Found
from api.search.match import as_number, compile_match, getter
from api.search.meeting import Meeting
from api.search.query import Condition, Expression, Operator, Or, Query, disjunction
from api.search.rules import Rule, Rules, stages, with_other_legs
from api.search.run import Page, Searcher, Session
from api.search.syntax import MAX_PATTERN_CHARS, MAX_PATTERNS
from capture.route import MessageClass

Network = IPv4Network | IPv6Network

_CALL_IDS = frozenset(["sid", "call_id"])
SIP_CLASSES = tuple(c for c in MessageClass if c.is_sip)


class Calls(NamedTuple):
    """Some calls of one class."""

    message_class: MessageClass
    ids: Sequence[str]
    rules: Rules = Rules()


class Shared(NamedTuple):
    """What the same search on another data node has to know."""

    calls: list[Found]
    told: frozenset[str]
    """Session ids that a rule tells."""


class Transaction(NamedTuple):
    """What belongs to them."""

    page: Page
    warnings: list[str]
    """Where less was looked for than the rules say."""


async def find_transaction(
    searcher: Searcher,
    asked: Sequence[Calls],
    from_us: int,
    to_us: int,
    *,
    limit: int,
    without: Iterable[str] = (),
    deduplicate: bool = False,
    meeting: Meeting[Shared] | None = None,
) -> Transaction:
    """The newest `limit` messages of these calls, newest first; `without` addresses or networks at either
    end. `deduplicate`: without what another capture agent has sent too. `meeting`: with the same search on
    other data nodes, so that what belongs to their calls is found here.
    """
    meeting = meeting or Meeting(1)
    is_left_out = _leaving_out(without)
    warnings: list[str] = []
    async with searcher.session() as session:
        for calls in asked:
            wanted = {call_id for call_id in calls.ids if call_id}
            if wanted:
                finding = _Finding(session, calls.rules, (from_us, to_us), limit, is_left_out, meeting)
                await finding.run(calls.message_class, wanted)
                warnings += finding.warnings
    page = session.page(limit)
    rows = [found for found in page.rows if not is_left_out(found)]
    return Transaction(page._replace(rows=without_repeats(rows) if deduplicate else rows), warnings)


class _Finding:
    """The way through the rules of one mapping."""

    def __init__(
        self,
        session: Session,
        rules: Rules,
        window: tuple[int, int],
        limit: int,
        is_left_out: Callable[[Found], bool],
        meeting: Meeting[Shared],
    ) -> None:
        self._session = session
        self._rules = rules
        self._window = window
        self._limit = limit
        self._is_left_out = is_left_out
        self._meeting = meeting
        self.warnings: list[str] = []

    async def run(self, message_class: MessageClass, wanted: set[str]) -> None:
        """Find the calls, then follow each rule; rules that do not depend on each other at the same time."""
        ids = with_other_legs(wanted, self._rules.endings)
        # A call may hold messages of every class of SIP: a MESSAGE within the dialog, say.
        classes = SIP_CLASSES if message_class.is_sip else (message_class,)
        # Of all at once: each time that they are asked for costs a round trip.
        await self._session.snapshot.buckets(
            {*classes, *(rule.message_class for rule in self._rules.rules)}, *self._window
        )
        walks = await self._session.find([self._query(c, _equal("sid", ids)) for c in classes], self._limit)
        own = self._kept(found for walk in walks for found in walk.found)
        calls = [found for each in await self._exchange(own, frozenset()) for found in each.calls]
        told: frozenset[str] = frozenset()
        for stage in stages(self._rules.rules):
            asked = [
                (rule, query)
                for rule in stage
                if (query := self._followed(rule, wanted, calls, told)) is not None
            ]
            told |= await self._follow(asked)
            told = frozenset().union(*[each.told for each in await self._exchange([], told)])

    async def _exchange(self, calls: list[Found], told: frozenset[str]) -> list[Shared]:
        async with self._session.waiting():
            return await self._meeting.exchange(Shared(calls, told))

    async def _follow(self, asked: Sequence[tuple[Rule, Query]]) -> set[str]:
        """Look-ups in one place as one, then searches side by side; the session ids that they tell.

        A look-up takes less time than another connection for it would.
        """
        look_ups: dict[tuple[MessageClass, int, int], list[tuple[Rule, Query]]] = {}
        searches = []
        for rule, query in asked:
            if rule.is_quick:
                place = query.message_class, query.from_us, query.to_us
                look_ups.setdefault(place, []).append((rule, query))
            else:
                searches.append((rule, query))
        told: set[str] = set()
        for together in look_ups.values():
            where = disjunction([query.where for _, query in together])
            query = msgspec.structs.replace(together[0][1], where=where)
            for walk in await self._session.find([query], self._limit, first_group=MAX_GROUP):
                for rule, own in together:
                    told |= self._told(rule, own, walk.found)
        walks = await self._session.find_each([query for _, query in searches], self._limit)
        for (rule, query), found in zip(searches, walks, strict=True):
            if found is not None:
                told |= self._told(rule, query, found.found)
        return told

    def _told(self, rule: Rule, query: Query, found: Iterable[Found]) -> set[str]:
        """The session ids of what a rule has found, if it tells them; others may have found more with it."""
        if not rule.tells_sids:
            return set()
        matches = compile_match(query.where)
        return _values_of("sid", self._kept(message for message in found if matches(message.fields)))

    def _kept(self, messages: Iterable[Found]) -> list[Found]:
        return [found for found in messages if not self._is_left_out(found)]

    def _followed(
        self, rule: Rule, wanted: set[str], calls: list[Found], told: frozenset[str]
    ) -> Query | None:
        values = _values_of(rule.source, calls)
        if rule.joins_legs or rule.source in _CALL_IDS:
            # Of some calls nobody has captured the SIP, but what belongs to it.
            values |= wanted
        if not values:
            return None
        values |= told
        if rule.joins_legs or rule.ending:
            values = with_other_legs(values, self._rules.endings)
        where: Expression
        if rule.is_pattern:
            where = Condition(rule.field, Operator.LIKE, self._patterns(rule, values))
        elif rule.is_number:
            numbers = {number for value in values if (number := as_number(value)) is not None}
            where = Condition(rule.field, Operator.EQUAL, tuple(sorted(numbers)))
        else:
            where = _equal(rule.field, values)
        if rule.joins_legs:
            where = Or((where, _equal("correlation_id", values)))
        return self._query(rule.message_class, where, rule.before_us, rule.after_us)

    def _patterns(self, rule: Rule, values: set[str]) -> tuple[str, ...]:
        patterns = sorted(value for value in values if len(value) <= MAX_PATTERN_CHARS)[:MAX_PATTERNS]
        if len(patterns) < len(values):
            self.warnings.append(
                f"{rule.name}: {len(values) - len(patterns)} values are too long or too many for patterns"
            )
        return tuple(patterns)

    def _query(
        self, message_class: MessageClass, where: Expression, before_us: int = 0, after_us: int = 0
    ) -> Query:
        from_us, to_us = self._window
        return Query(message_class, from_us + before_us, to_us + after_us, self._limit, where)


def _equal(field: str, values: Iterable[str]) -> Condition:
    return Condition(field, Operator.EQUAL, tuple(sorted(values)))


def _values_of(field: str, messages: Iterable[Found]) -> set[str]:
    """Every value that is there, as text."""
    get = getter(field)
    values = {get(found.fields) for found in messages}
    return {str(value) for value in values if value is not None and value != ""}


def without_repeats(rows: Sequence[Found]) -> list[Found]:
    """Without each message whose payload another capture agent has sent before; one without any stays."""
    agents: dict[bytes, object] = {}
    first: list[Found] = []
    for found in reversed(rows):
        payload, agent = found.stored.payload, found.fields.get("node")
        if not payload or agents.setdefault(payload, agent) == agent:
            first.append(found)
    first.reverse()
    return first


def _networks(texts: Iterable[str]) -> list[Network]:
    """What is no address or network leaves nothing out."""
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError:
            continue
    return networks


def _leaving_out(texts: Iterable[str]) -> Callable[[Found], bool]:
    """Whether one of a message's ends lies within one of these."""
    networks = _networks(texts)

    @lru_cache(maxsize=4096)
    def is_within(end: str) -> bool:
        try:
            address = ip_address(end)
        except ValueError:
            # A filter may have set anything.
            return False
        return any(address in network for network in networks)

    def is_left_out(found: Found) -> bool:
        ends = (found.fields.get("source"), found.fields.get("destination"))
        return any(is_within(str(end)) for end in ends if end)

    return is_left_out if networks else lambda _: False
