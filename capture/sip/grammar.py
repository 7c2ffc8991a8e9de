"""The words of SIP: header names, and the few rules that reading rests on.

Source: RFC 3261 7.3.3, 20 and 25.1; compact names also from the IANA registry of header fields. Patterns are
linear on any input: a repetition never gives back what it took, and a closing mark is optional.
"""

import re

BLANKS = " \t\r"
"""What may surround a value. A lone CR is no line end (RFC 3261 7), and no sender means it as text."""

SCANNED_CHARS = 8192
"""So much of a value is searched for a parameter that is oddly written. What is longer is an attack."""

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]++")
"""`token`: one or more of alphanum and ``- . ! % * _ + ` ' ~``."""

QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)
"""`quoted-string`: text and quoted pairs. Group 1 is empty where the closing quote is missing."""

QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
"""`quoted-pair`: a backslash, and the character it stands for."""

COMPACT_NAMES = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

READ_HEADERS = (
    "call-id",
    "cseq",
    "from",
    "to",
    "content-length",
    "via",
    "contact",
    "p-asserted-identity",
    "authorization",
    "proxy-authorization",
    "user-agent",
    "server",
    "content-type",
    "reason",
    "diversion",
    "expires",
)
"""The headers that a `SipMessage` is made of, in the order in which `parse` holds their values. The first
`SINGLE_HEADERS` of them are no lists and so may stand only once (RFC 3261 7.3.1)."""
SINGLE_HEADERS = 5


def header_name(text: str) -> str:
    """The one spelling of a header name: lower case, long form, without the blanks before the colon."""
    name = text.strip(BLANKS).lower()
    return COMPACT_NAMES.get(name, name)
