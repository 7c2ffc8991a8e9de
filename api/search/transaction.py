"""All messages of some calls, over every class, with the legs that a correlation id joins to them.

Source: the correlation rules that Homer is seeded with: Call-ID to session id of every table, correlation id
to session id, and a Call-ID with `_b2b-1` at its end (the habit of SEMS as B2BUA). Followed both ways, so
that a call is whole whichever leg it is opened by.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from api.search.buckets import MAX_GROUP
from api.search.decide import Found
from api.search.query import Condition, Expression, Operator, Or, Query
from api.search.run import Page, Searcher
from capture.route import MessageClass

B2B_END = "_b2b-1"

Network = IPv4Network | IPv6Network


async def find_transaction(
    searcher: Searcher,
    call_ids: Sequence[str],
    from_us: int,
    to_us: int,
    *,
    limit: int,
    without: Iterable[str] = (),
) -> Page:
    """The newest `limit` messages of these calls, newest first; `without` addresses or networks at either
    end.
    """
    wanted = {call_id for call_id in call_ids if call_id}
    is_left_out = _leaving_out(without)
    async with searcher.session() as session:
        if wanted:
            own = await session.find(_queries(_by_session(wanted), from_us, to_us, limit), limit)
            joined = {str(found.fields.get("correlation_id", "")) for walk in own for found in walk.found}
            legs = _legs(wanted | joined)
            others = Or(
                (_by_session(legs - wanted), Condition("correlation_id", Operator.EQUAL, _values(legs)))
            )
            await session.find(_queries(others, from_us, to_us, limit), limit, first_group=MAX_GROUP)
    page = session.page(limit)
    return page._replace(rows=[found for found in page.rows if not is_left_out(found)])


def _queries(where: Expression, from_us: int, to_us: int, limit: int) -> list[Query]:
    return [Query(message_class, from_us, to_us, limit, where) for message_class in MessageClass]


def _by_session(ids: Iterable[str]) -> Condition:
    return Condition("sid", Operator.EQUAL, _values(ids))


def _values(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(ids))


def _legs(ids: Iterable[str]) -> set[str]:
    """These ids and their other legs by name."""
    legs = set()
    for session_id in ids:
        a_leg = session_id
        while a_leg.endswith(B2B_END):
            a_leg = a_leg.removesuffix(B2B_END)
            legs.add(a_leg)
        legs |= {session_id, session_id + B2B_END}
    return legs - {""}


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
