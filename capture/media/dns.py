"""DNS as JSON, protocol type 53, as heplify makes it.

Source: hep-protocol 13, "DNS".
"""

import msgspec

from capture.media.lenient import read_integer, read_object, read_text


class DnsMessage(msgspec.Struct, frozen=True, gc=False):
    """A query or its answer."""

    transaction_id: int | None = None
    is_response: bool = False
    response_code: int | None = None
    name: str = ""
    """Of the first question."""
    question_type: str = ""

    @property
    def session_id(self) -> str | None:
        """DNS names no call."""
        return None


def parse_dns(payload: bytes) -> DnsMessage:
    """MediaError when the payload is no JSON object."""
    message = read_object(payload)
    questions = message.get("questions")
    first = questions[0] if isinstance(questions, list) and questions else None
    question = first if isinstance(first, dict) else {}
    return DnsMessage(
        transaction_id=read_integer(message.get("id")),
        is_response=message.get("qr") in (True, 1, "1", "true"),
        response_code=read_integer(message.get("rcode")),
        name=read_text(question.get("name")),
        question_type=read_text(question.get("type")),
    )
