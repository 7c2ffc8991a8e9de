"""What one SIP message says, as far as Rhapsode stores, searches or shows it.

Source: RFC 3261 7, 20; RFC 3325 (P-Asserted-Identity); RFC 3326 (Reason); RFC 5806 (Diversion). Knows nothing
of HEP, tables or clocks.
"""

import msgspec


class SipMessage(msgspec.Struct, frozen=True, gc=False):
    """The parsed start line and headers. Text is in the one text form; "" means absent or empty."""

    is_request: bool
    method: str
    """The request's method, or the response's status code as text (`"200"`).

    "" without a readable start line.
    """
    reason_phrase: str = ""
    ruri: str = ""
    ruri_user: str = ""
    ruri_domain: str = ""
    call_id: str = ""
    cseq: str = ""
    """The whole value, `"1 INVITE"`."""
    cseq_method: str = ""
    """Upper-case method of CSeq, "" when unreadable."""
    from_user: str = ""
    from_domain: str = ""
    from_tag: str = ""
    to_user: str = ""
    to_domain: str = ""
    to_tag: str = ""
    contact_user: str = ""
    contact_domain: str = ""
    contact_port: str = ""
    pai_user: str = ""
    pai_domain: str = ""
    auth_user: str = ""
    """`username` of Authorization or Proxy-Authorization."""
    user_agent: str = ""
    server: str = ""
    via: str = ""
    """The topmost Via value, whole."""
    via_branch: str = ""
    content_type: str = ""
    reason: str = ""
    diversion: str = ""
    expires: str = ""
    parse_error: str | None = None
    """Why the message is not well-formed, None when it is; what could be read stands in the other fields."""


SipHead = tuple[str, str, str, tuple[str, ...], dict[str, str], str | None]
"""As much of a message as is asked for when it is stored: `method`, `call_id`, `cseq_method`; from_user,
from_domain, to_user, to_domain, ruri_user, ruri_domain, pai_user, auth_user, contact_user and user_agent;
the headers asked for besides, as they were spelt there, that have a value; `parse_error`.

A bare tuple, because a named one costs 0.3 µs on each message.
"""
