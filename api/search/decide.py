"""Decides which candidates match, by the code that ingest reads messages with.

One `Judge` a question and class; it runs in the API's process for what is near at hand and in scanner
processes for what is far. Plain functions on rows, no loop, no connection.
"""

from collections.abc import Sequence
from typing import NamedTuple

from api.search.candidate import Candidate, restore, stored_message
from api.search.match import Fields, compile_match
from api.search.query import And, Condition, Expression, Not, Operator, Or, fields_of
from capture.fields import StoredMessage, read_fields
from capture.route import MessageClass
from capture.sip.ids import call_hash
from capture.store.codec import PayloadCodec
from capture.text import to_text

ROW_FIELDS = frozenset(
    [
        "id",
        "time_us",
        "time_seconds",
        "time_useconds",
        "create_date",
        "delay_us",
        "capture_id",
        "node",
        "source",
        "destination",
        "source_port",
        "destination_port",
        "family",
        "flags",
        "protocol_type",
        "ip_protocol",
    ]
)
"""Fields that the columns tell without the payload, and without what a filter has set beside them."""


class Found(NamedTuple):
    """A message that matches."""

    stored: StoredMessage
    fields: Fields
    note: str | None
    """Why the payload cannot be shown, if so."""
    node: str = ""
    """The data node that it is of; empty where there is one only."""


class Judge:
    """Reads candidates of one class and decides on them."""

    def __init__(
        self,
        message_class: MessageClass,
        where: Expression,
        custom_headers: Sequence[str],
        payloads: PayloadCodec,
    ) -> None:
        self._class = message_class
        self._matches = compile_match(where)
        self._custom_headers = custom_headers
        self._payloads = payloads
        asked = fields_of(where)
        self._needs_raw = "raw" in asked
        self._needs_row = bool(asked - {"raw"})
        self._row_suffices = asked - {"raw"} <= ROW_FIELDS
        self._session_ids = {call_hash(value): value for value in _session_ids(where)}

    def matches(self, row: Candidate) -> bool:
        """Whether the message of a row matches."""
        if not self._row_suffices:
            return self.find(row) is not None
        fields = read_fields(stored_message(self._class, row, b""), ()) if self._needs_row else {}
        if self._needs_raw:
            payload, _ = restore(self._payloads, row)
            fields["raw"] = to_text(payload.rstrip(b"\0"))
        return self._matches(fields)

    def find(self, row: Candidate) -> Found | None:
        """The message of a row with its fields, if it matches."""
        return self.fits(self.read(row))

    def fits(self, found: Found) -> Found | None:
        """The same of one that has been read already."""
        return found if self._matches(found.fields) else None

    def read(self, row: Candidate) -> Found:
        """The message of a row with its fields."""
        payload, note = restore(self._payloads, row)
        session_id = None
        if note is not None and row.session_id is None:
            # Its session id is lost with the payload, but one that is asked for can be recognised.
            session_id = self._session_ids.get(row.call)
        stored = stored_message(self._class, row, payload, session_id=session_id)
        fields = read_fields(stored, self._custom_headers)
        if note is not None:
            known = {"call_id": session_id} if session_id is not None else {}
            fields = {**fields, **known, "parse_error": note, "raw": ""}
        return Found(stored, fields, note)


def _session_ids(expression: Expression) -> set[str]:
    match expression:
        case Condition(field="sid" | "call_id", operator=Operator.EQUAL, values=values):
            return {value for value in values if isinstance(value, str)}
        case And(parts=parts) | Or(parts=parts):
            return set().union(*map(_session_ids, parts))
        case Not() | Condition():
            return set()
