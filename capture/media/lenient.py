"""JSON as capture agents write it, and the values in it.

Source: hep-protocol 12, "JSON readers must accept": numbers as text, missing keys, null, duplicate keys (the
last counts), blanks and NULs around. Every text that comes out is in the one text form. Knows no payload
type.
"""

import json
import re
from typing import Any

import msgspec

from capture.errors import MediaError
from capture.text import to_text

REPAIRED_CHARS = 4096
"""Words get their quotes in a text of this length: at 0.7 µs a word it is the dearest reading there is.
hepgen.js's longest is 2,000 characters."""

_LONGEST_NUMBER = 40

# A string (closed or not), or a run of characters that a number or a bare word may be made of.
_STRING_OR_WORD = re.compile(r'"(?:[^"\\]|\\.)*+"?|[A-Za-z0-9_.+\-]++', re.DOTALL)
_NUMBER_OR_LITERAL = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+\-]?[0-9]++)?|true|false|null")


def read_object(payload: bytes) -> dict[str, Any]:
    """The JSON object that a payload is; MediaError when it is none."""
    text = payload.strip(b"\0 \t\r\n")
    if text[:1] != b"{":
        raise MediaError("form", "not a JSON object")
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        value = _read_carefully(to_text(text))
    if not isinstance(value, dict):
        raise MediaError("form", "not a JSON object")
    return value


def _read_carefully(text: str) -> object:
    """Bytes that are not UTF-8, control characters in strings, NaN, and words without quotes (hepgen.js)."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        if len(text) > REPAIRED_CHARS:
            raise MediaError("json", "broken JSON") from error
    try:
        return json.loads(_STRING_OR_WORD.sub(_quote_word, text), strict=False)
    except (ValueError, RecursionError) as error:
        raise MediaError("json", "broken JSON") from error


def _quote_word(match: re.Match[str]) -> str:
    word = match[0]
    return word if word.startswith('"') or _NUMBER_OR_LITERAL.fullmatch(word) else f'"{word}"'


def read_text(value: object) -> str:
    """A value as text in the one text form; "" for null, objects and lists."""
    if isinstance(value, str):
        # JSON can escape a NUL and half a surrogate pair, which no stored text may hold.
        return to_text(value.encode("utf-8", "replace"))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    # An integer with so many digits cannot be turned into text, and is none.
    return str(value) if isinstance(value, float) or value.bit_length() < 1024 else ""


def read_integer(value: object) -> int | None:
    """A whole number, also sent as text or with a fraction of zero."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    number = read_number(value)
    return int(number) if number is not None and number == int(number) else None


def read_number(value: object) -> float | None:
    """A finite number, also sent as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None
