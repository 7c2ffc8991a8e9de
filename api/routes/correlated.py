"""What transactions and exports have in common: the calls of a request, with all that belongs to them."""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

from fastapi import Request

from api.context import ApiContext
from api.errors import RequestError
from api.leaving import unless_gone
from api.routes.questions import question_warnings
from api.schemas.rows import oldest_first
from api.schemas.search import MAX_IDS, SearchObject, answer_headers, call_ids_of, strict_classes_of
from api.search.decide import Found
from api.search.fields import class_fields
from api.search.rules import Rules, read_rules
from api.search.transaction import Calls
from capture.route import MessageClass

_fields = lru_cache(maxsize=64)(class_fields)
"""Of each class, for the names that are known now: made anew each time they took a tenth of a millisecond."""


class Correlated(NamedTuple):
    """The messages of some calls."""

    messages: list[Found]
    """Oldest first."""
    headers: dict[str, str]
    """What the answer says about itself."""
    call_ids: list[str]
    """Those that were asked for."""
    missing: list[str]
    """Data nodes that have not answered."""

    @property
    def seen(self) -> list[str]:
        """For the audit: the calls that there are messages of, whatever else was asked for."""
        return calls_of(self.messages) or [", ".join(self.call_ids)]


def calls_of(messages: Iterable[Found]) -> list[str]:
    """The session ids of messages, each once."""
    ids = (found.fields.get("sid") for found in messages)
    return list(dict.fromkeys(str(sid) for sid in ids if sid))


def check_count(call_ids: Collection[str]) -> None:
    """RequestError when several keys together name more calls than one may."""
    if len(call_ids) > MAX_IDS:
        raise RequestError(f"more than {MAX_IDS} Call-IDs")


def unreadable_warnings(messages: Iterable[Found]) -> list[str]:
    """For `answer_headers`: how many of these messages are shown without the payload that they had."""
    count = sum(found.note is not None for found in messages)
    return [f"stored payloads that cannot be read: {count}"] if count else []


async def find_calls(request: Request, context: ApiContext, body: SearchObject) -> Correlated:
    """All that belongs to the Call-IDs of a body that has been read; given up when the client leaves."""
    options = context.options
    asked = []
    for message_class, value in strict_classes_of(body).items():
        call_ids = call_ids_of(value)
        if call_ids:
            asked.append(Calls(message_class, call_ids, await _rules(context, message_class)))
    check_count([call_id for calls in asked for call_id in calls.ids])
    finding = context.nodes.transaction(
        body.nodes,
        asked,
        *body.window,
        limit=options.search.transaction_limit,
        without=body.parameters.whitelist or (),
        deduplicate=options.search.deduplicate,
    )
    page, missing, found_warnings = await unless_gone(request, finding)
    warnings = [*question_warnings(context, body), *found_warnings]
    warnings += [warning for calls in asked for warning in calls.rules.warnings]
    warnings += unreadable_warnings(page.rows)
    skipped = [name for calls in asked for name in calls.rules.skipped]
    return Correlated(
        oldest_first(page.rows),
        answer_headers(page.incomplete, warnings, skipped, missing),
        [call_id for calls in asked for call_id in calls.ids],
        list(missing),
    )


async def _rules(context: ApiContext, message_class: MessageClass) -> Rules:
    options, nodes = context.options, context.nodes
    given = await context.correlation_mapping(message_class)

    def read() -> Rules:
        fields = {c: _fields(c, options.custom_headers, nodes.script_names) for c in MessageClass}
        return read_rules(message_class, given, fields)

    rules = read()
    # A field that is not known may be one that a filter script has begun to set.
    return read() if rules.warnings and await nodes.refresh_script_names() else rules
