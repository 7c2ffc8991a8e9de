"""The payload dictionaries of a database: immutable, each with an id that is committed before its first use.

One comes with a release; the others were trained on what the installation itself has stored, and say on how
much. New payloads are compressed with the newest that was trained, else with the one of this release. None is
ever deleted.
"""

from typing import NamedTuple

from capture.errors import DatabaseAway
from capture.route import MessageClass
from capture.store.codec import Dictionary, shipped_dictionary
from capture.store.columns import messages_table
from capture.store.connection import Connection

MOST_TRAINED = 50
"""More are not trained: each is held by every reader that has met it, with tables some 200 kB."""

_NEWEST = "select id, {} from payload_dictionary where trained_on is not null order by id desc limit 1"
_NEWEST_CONTENT = _NEWEST.format("content")
_NEWEST_AGE = _NEWEST.format("extract(epoch from now() - created_at)::float8")
_LISTED = """
select id, trained_on, plain_bytes, stored_bytes, to_char(created_at, 'YYYY-MM-DD HH24:MI:SS')
from payload_dictionary order by id
"""
_SIP_MESSAGES = " + ".join(
    f"(select count(*) from (select from {messages_table(message_class)} limit $1) counted)"  # noqa: S608 # ours
    for message_class in MessageClass
    if message_class.is_sip
)


class Trained(NamedTuple):
    """How a dictionary was made: on how many messages, and what it made of those it was judged by."""

    messages: int
    plain_bytes: int
    stored_bytes: int


class Standing(NamedTuple):
    """Where a database stands with training."""

    newest: int | None
    """Id of the newest trained dictionary; None: only what came with a release."""
    age_s: float
    """How long ago that was trained, by the database's clock."""
    sip_messages: int
    """SIP messages stored, counted no further than was asked; only where nothing is trained yet."""


class ListedDictionary(NamedTuple):
    """A dictionary as people see it."""

    id: int
    trained_on: int | None
    plain_bytes: int | None
    stored_bytes: int | None
    created_at: str
    """UTC."""


async def dictionary_to_write_with(connection: Connection) -> Dictionary:
    """The newest trained one, else the shipped one, which gets its id now if it has none."""
    trained = await connection.fetch(Dictionary, _NEWEST_CONTENT)
    return trained[0] if trained else await shipped(connection)


async def shipped(connection: Connection) -> Dictionary:
    """The dictionary of this release, committed when this returns."""
    return Dictionary(await _id_of(connection, shipped_dictionary(), None), shipped_dictionary())


async def keep_trained(connection: Connection, content: bytes, trained: Trained) -> Dictionary:
    """Make a trained dictionary known, committed when this returns; the same content keeps its first id."""
    return Dictionary(await _id_of(connection, content, trained), content)


async def standing(connection: Connection, enough: int) -> Standing:
    """Whether there is a trained dictionary; if not, how many SIP messages there are, up to `enough`."""
    trained = await connection.fetch(tuple[int, float], _NEWEST_AGE)
    if trained:
        return Standing(*trained[0], 0)
    ((messages,),) = await connection.fetch(tuple[int], f"select {_SIP_MESSAGES}", enough)
    return Standing(None, 0.0, messages)


async def all_dictionaries(connection: Connection) -> dict[int, bytes]:
    """The content of every dictionary, by id."""
    return dict(await connection.fetch(tuple[int, bytes], "select id, content from payload_dictionary"))


async def listed_dictionaries(connection: Connection) -> list[ListedDictionary]:
    """Every dictionary, oldest first."""
    return await connection.fetch(ListedDictionary, _LISTED)


async def _id_of(connection: Connection, content: bytes, trained: Trained | None) -> int:
    # Look first: an insert that conflicts uses up a number all the same.
    look = "select id from payload_dictionary where sha256 = sha256($1)"
    insert = (
        "insert into payload_dictionary (content, trained_on, plain_bytes, stored_bytes)"
        " values ($1, $2, $3, $4) on conflict (sha256) do nothing returning id"
    )
    facts = trained or (None, None, None)
    for query, arguments in ((look, ()), (insert, facts), (look, ())):
        if rows := await connection.fetch(tuple[int], query, content, *arguments):
            return rows[0][0]
    raise DatabaseAway("a dictionary that was there has gone")
