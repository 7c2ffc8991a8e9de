"""Which partitions there are and what is keyed in each, remembered from search to search.

Reading that takes longer than a short search's other statements together. What is remembered is used only
where the snapshot of the search has the very rows of the catalog that it was read from: each search asks for
their ids and versions (`xmin`), which change with every partition that is attached, detached or about to be,
and with every version of what is keyed that is noted or forgotten.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from api.database import Reading
from api.search.buckets import Buckets
from api.search.fields import CUSTOM
from capture.keys import keyed_rules
from capture.route import MessageClass
from capture.store.columns import keys_table, messages_table
from capture.store.partitions import CatalogEntry, Leaf, leaves_of

MAX_REMEMBERED = 16
"""Sets of classes: the web UI asks for one, or for all."""

_CATALOG = """
select parent.relname::text, leaf.relname::text, pg_get_expr(leaf.relpartbound, leaf.oid), i.inhdetachpending,
    case when parent.relname like 'messages%' then array(
        select keying.rules::text from leaf_keying join keying using (version)
        where leaf_keying.message_class = substr(parent.relname, length('messages_') + 1)
            and leaf_keying.leaf = substring(leaf.relname from '_p([0-9]+)$')::bigint
    ) end
from pg_inherits i
join pg_class parent on parent.oid = i.inhparent
join pg_class leaf on leaf.oid = i.inhrelid
where parent.relname = any ($1::text[]) and parent.relkind = 'p' and pg_table_is_visible(parent.oid)
"""
"""Each leaf, and with a leaf of messages the rules of every version that has written there."""

_STAMP = """
select
    (select string_agg(concat_ws(' ', inhparent, inhrelid, xmin), ',') from pg_inherits
        where inhparent in ({parents})),
    (select string_agg(concat_ws(' ', message_class, leaf, version, noted.xmin, keying.xmin), ',')
        from leaf_keying noted join keying using (version) where message_class in ({classes}))
"""
"""Which rows `_CATALOG` is made of. Without values, so that it is planned once a connection."""

Stamp = Sequence[str | None]


class _Remembered(NamedTuple):
    stamp: Stamp
    buckets: Mapping[MessageClass, Sequence[Buckets]]


class Catalog:
    """The buckets of each class, as some snapshot had them and as long as later ones have the same."""

    def __init__(self, custom_headers: Sequence[str] = ()) -> None:
        self._custom_headers = tuple(custom_headers)
        self._headers = frozenset(f"{CUSTOM}{name}" for name in custom_headers)
        self._remembered: dict[frozenset[MessageClass], _Remembered] = {}

    async def buckets(
        self, reading: Reading, message_classes: Iterable[MessageClass]
    ) -> Mapping[MessageClass, Sequence[Buckets]]:
        """For each class all its partitions, newest first, one by one, as this transaction sees them.

        The transaction is REPEATABLE READ, or stamp and catalog would not be of the same moment.
        """
        classes = frozenset(message_classes)
        (row,) = await reading.fetch(_stamp_of(classes))
        stamp = tuple(row)
        remembered = self._remembered.get(classes)
        if remembered is not None and remembered.stamp == stamp:
            return remembered.buckets
        parents = [table(c) for c in classes for table in (messages_table, keys_table)]
        catalog = await reading.fetch(_CATALOG, parents)
        buckets = self._read(classes, catalog)
        # A bound that could not be told any more says that a leaf went while the catalog was read.
        if all(bound is not None for _, _, bound, _, _ in catalog):
            while len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[classes] = _Remembered(stamp, buckets)
        return buckets

    def _read(
        self, classes: Iterable[MessageClass], catalog: Sequence[Sequence[Any]]
    ) -> dict[MessageClass, list[Buckets]]:
        noted = {name: rules for _, name, _, _, rules in catalog if rules is not None}
        leaves = leaves_of(CatalogEntry(*entry) for *entry, _ in catalog)
        leaves.sort(key=lambda leaf: leaf.lower_us, reverse=True)
        return {
            c: [self._bucket(leaf, noted[leaf.messages_table]) for leaf in leaves if leaf.message_class is c]
            for c in classes
        }

    def _bucket(self, leaf: Leaf, noted: Sequence[str]) -> Buckets:
        # A leaf that no version is noted for keys nothing that can be relied on.
        rules = [_same_rules(version, self._custom_headers) for version in noted]
        keyed = frozenset.intersection(*rules) if rules else frozenset()
        return Buckets((leaf.lower_us,), leaf.lower_us, leaf.upper_us, keyed, self._headers)


@lru_cache(maxsize=256)
def _stamp_of(classes: frozenset[MessageClass]) -> str:
    names = sorted(classes, key=lambda c: c.key)
    parents = [f"'{table(c)}'::regclass" for c in names for table in (messages_table, keys_table)]
    return _STAMP.format(parents=", ".join(parents), classes=", ".join(f"'{c.key}'" for c in names))


@lru_cache(maxsize=256)
def _same_rules(version: str, custom_headers: tuple[str, ...]) -> frozenset[str]:
    """What a version of what is keyed, JSON as the database has it, keys by today's rule."""
    noted = msgspec.json.decode(version)
    return frozenset(name for name, rule in keyed_rules(custom_headers).items() if noted.get(name) == rule)
