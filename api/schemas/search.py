"""Homer's SearchObject, as far as a search reads it, and the answers.

Source: homer-app's binding rules. Unknown names are ignored; null is as good as missing.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from api.errors import RequestError
from api.search.query import query_text, window
from api.search.syntax import MAX_ELEMENTS, Element
from capture.route import MessageClass

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Milliseconds = Int64 | Annotated[float, msgspec.Meta(ge=-(2**63), le=2**63 - 1024)]

MAX_IDS = 10_000
"""Call-IDs or message ids in one question."""
MAX_WARNING_CHARS = 2000
BEFORE_HEP_MS = 10**11
"""In 1973: nothing was captured then, but seconds of our time that are taken for milliseconds are before."""
NONE_MISSING: Mapping[str, str] = MappingProxyType({})
MAX_LEFT_OUT = 1000
"""Addresses and networks that a transaction leaves out."""


class TimeWindow(msgspec.Struct):
    """Unix milliseconds, which the web UI sends with decimals too; both ends belong to the window."""

    from_: Milliseconds | None = msgspec.field(name="from", default=None)
    to: Milliseconds | None = None

    @property
    def from_ms(self) -> int | None:
        """The whole millisecond that it begins in."""
        return None if self.from_ is None else math.floor(self.from_)

    @property
    def to_ms(self) -> int | None:
        """The whole millisecond that it ends in."""
        return None if self.to is None else math.floor(self.to)


class Location(msgspec.Struct):
    """Which data nodes to ask."""

    node: list[str] | str | None = None


class Param(msgspec.Struct):
    """What to search, and how much of it."""

    search: dict[str, Any] | None = None
    """By `hepid_profile`: form elements, or `{"id", "uuid", "callid"}`."""
    limit: Int64 | None = None
    orlogic: bool | None = None
    location: Location | None = None
    whitelist: Annotated[list[str], msgspec.Meta(max_length=MAX_LEFT_OUT)] | None = None
    """Addresses to leave out, despite its name."""


class SearchObject(msgspec.Struct):
    """The body of every search."""

    param: Param | None = None
    timestamp: TimeWindow | None = None

    @property
    def parameters(self) -> Param:
        return self.param or Param()

    @property
    def window(self) -> tuple[int, int]:
        """First and last microsecond."""
        times = self.timestamp or TimeWindow()
        return window(times.from_ms or 0, times.to_ms or 0)

    @property
    def window_warnings(self) -> list[str]:
        """Why nothing can be in the window, where that is so."""
        times = self.timestamp or TimeWindow()
        from_ms, to_ms = times.from_ms or 0, times.to_ms or 0
        if not to_ms:
            return ["timestamp: there is no window without from and to"]
        if from_ms > to_ms:
            return ["timestamp: from is after to"]
        if to_ms < BEFORE_HEP_MS:
            return ["timestamp: milliseconds are wanted, and these are before 1973: perhaps they are seconds"]
        return []

    @property
    def nodes(self) -> list[str]:
        """The data nodes to ask; without any all are."""
        location = self.parameters.location
        nodes = location.node if location else None
        if not nodes:
            return []
        return [nodes] if isinstance(nodes, str) else nodes


class Classes(NamedTuple):
    """The parts of a question by the class that they are for."""

    known: dict[MessageClass, Any]
    unknown: list[str]
    """Keys that name no class of ours."""


def classes_of(search: SearchObject) -> Classes:
    """The keys of `search`."""
    known, unknown = {}, []
    for key, value in (search.parameters.search or {}).items():
        try:
            known[MessageClass(key)] = value
        except ValueError:
            unknown.append(key)
    return Classes(known, unknown)


def strict_classes_of(search: SearchObject) -> dict[MessageClass, dict[str, Any]]:
    """The same where a key that names no class is an error, and each value an object."""
    known, unknown = classes_of(search)
    if unknown:
        raise RequestError(f'invalid search profile key: "{query_text(unknown[0])}"')
    if not all(isinstance(value, dict) for value in known.values()):
        raise RequestError
    return known


def elements_of(value: Any) -> list[Element]:
    """The form elements of one class; RequestError when they are not of the right types."""
    if not isinstance(value, list) or len(value) > MAX_ELEMENTS:
        raise RequestError
    return [_element(item) for item in value]


def _element(item: Any) -> Element:
    if not isinstance(item, dict):
        raise RequestError
    name, kind = item.get("name"), item.get("type")
    if not isinstance(name, str) or not (kind is None or isinstance(kind, str)):
        raise RequestError
    value = item.get("value")
    if isinstance(value, list):
        return Element(name, [_scalar(part) for part in value], kind or "string")
    return Element(name, None if value is None else _scalar(value), kind or "string")


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise RequestError


def message_ids_of(value: dict[str, Any]) -> list[int]:
    """`id`, else all of `uuid`; a number may come as text, or as a float without decimals."""
    given = value.get("id")
    listed = [given] if given is not None else value.get("uuid")
    if not isinstance(listed, list):
        listed = [] if listed is None else [listed]
    if len(listed) > MAX_IDS:
        raise RequestError
    return [_message_id(item) for item in listed]


def _message_id(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # What has kept numbers as floats, such as a table of pandas, sends 1042.0.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    raise RequestError


def call_ids_of(value: dict[str, Any]) -> list[str]:
    """The session ids of a transaction; without any there is nothing to find."""
    given = value.get("callid")
    listed = given if isinstance(given, list) else [] if given is None else [given]
    if len(listed) > MAX_IDS:
        raise RequestError
    return [query_text(_scalar(item)) for item in listed]


class SearchAnswer(msgspec.Struct):
    """Rows of a search, oldest first."""

    total: int
    """Rows of this answer, not of all that match."""
    keys: list[str]
    data: list[dict[str, Any]]
    missing: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Data nodes that have not answered, where there are any."""


class HostPosition(msgspec.Struct):
    """A column of the ladder."""

    host: list[str]
    position: int


class Transaction(msgspec.Struct):
    """A call as the web UI draws it."""

    messages: list[dict[str, Any]]
    calldata: list[dict[str, Any]]
    hosts: dict[str, HostPosition]
    alias: dict[str, str]


class TransactionAnswer(msgspec.Struct):
    """All messages of some calls, oldest first."""

    total: int
    keys: list[str]
    data: Transaction
    missing: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Data nodes that have not answered, where there are any."""


def keys_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Every key of any row."""
    known: dict[str, Any] = {}
    for row in rows:
        known.update(row)
    return list(known)


def answer_headers(
    incomplete: str | None,
    warnings: Sequence[str] = (),
    skipped: Sequence[str] = (),
    missing: Mapping[str, str] = NONE_MISSING,
) -> dict[str, str]:
    """What an answer says about itself; a warning may quote what the user wrote, so it is percent-encoded.

    `missing`: why a data node has not answered, by its name.
    """
    headers = {}
    if missing:
        headers["X-Rhapsode-Missing-Nodes"] = _header_text(", ".join(missing))
        said = [f"data node {node} is missing: {why}" for node, why in missing.items()]
        warnings = [*said, *warnings]
    if incomplete is not None:
        headers["X-Rhapsode-Incomplete"] = incomplete
    if warnings:
        headers["X-Rhapsode-Warning"] = _header_text("; ".join(warnings)[:MAX_WARNING_CHARS])
    if skipped:
        headers["X-Rhapsode-Skipped"] = _header_text("; ".join(skipped)[:MAX_WARNING_CHARS])
    return headers


def _header_text(text: str) -> str:
    """Percent-encoded, and cut to what clients and proxies take in a header, not within a character."""
    encoded = _percent_encoded(text)
    if len(encoded) <= MAX_WARNING_CHARS:
        return encoded
    cut = encoded[:MAX_WARNING_CHARS]
    escape = cut.rfind("%", MAX_WARNING_CHARS - 2)
    return _percent_encoded(unquote(cut if escape < 0 else cut[:escape], errors="ignore"))


def _percent_encoded(text: str) -> str:
    # A server that is to send a blank at a header's end sends no answer at all.
    return quote(text, safe=" !#$&'()*+,/:;<=>?@[]^_`{|}~\"", errors="replace").strip()


def example_search(key: str, value: object) -> dict[str, object]:
    """A request that finds something where anything has been captured: these twenty years, one class."""
    return {
        "timestamp": {"from": 1_577_836_800_000, "to": 2_208_988_800_000},
        "param": {"search": {key: value}},
    }


DATA_EXAMPLE = example_search("1_call", [{"name": "data_header.method", "value": "INVITE", "type": "string"}])
MESSAGE_EXAMPLE = example_search("1_call", {"uuid": [1]})
TRANSACTION_EXAMPLE = example_search("1_call", {"callid": ["a84b4c76e66710@10.0.0.1"]})
