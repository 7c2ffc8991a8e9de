"""Values that break what believes its input, as JSON and within addresses, and places to put them."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

MEGABYTE = 1 << 20
TEXTS = {
    "quotes": "'\"`' or ''='",
    "statement": "'); drop table users; --",
    "percent": "%",
    "underscore": "_",
    "backslashes": "\\' \\\" \\u0000 \\x00 $1 :a %(a)s {0}",
    "nul": "a\0b",
    "lines": "a\r\nSet-Cookie: b=c\r\n\r\n<html>",
    "control": "\x01\x1b[31m\x7f\x85\u2028",
    "emoji": "😀👩\u200d👩\u200d👧",
    "right-to-left": "\u202eمرحبا \u200fשלום",
    "combining": "e\u0301\u0323 \ufb03 \ufeff \uffff \U0010ffff",
    "path": "../../../../etc/passwd",
    "markup": "<script>alert(1)</script>${jndi:ldap://x}{{7*7}}",
    "empty": "",
    "blank": " \t ",
    "digits": "9" * 400,
    "negative digits": "-1",
    "word of JSON": "null",
    "megabyte": "é" * (MEGABYTE // 2),
}
"""By what is odd about them."""
NUMBERS = {
    "minus one": "-1",
    "zero": "0",
    "minus zero": "-0.0",
    "beyond 31 bits": str(2**31),
    "beyond 53 bits": str(2**53 + 1),
    "beyond 63 bits": str(2**63),
    "below 63 bits": str(-(2**63) - 1),
    "huge": str(10**80),
    "beyond what is read": "9" * 5000,
    "half": "1.5",
    "whole float": "7.0",
    "huge float": "1e308",
    "beyond floats": "1e999",
    "tiny": "5e-324",
    "not a number": "NaN",
    "infinity": "-Infinity",
}
SHAPES = {
    "null": "null",
    "true": "true",
    "false": "false",
    "empty list": "[]",
    "empty object": "{}",
    "list": '["a", 1, null]',
    "object with odd names": json.dumps({text: [text] for text in list(TEXTS.values())[:15]}),
    "half a character": r'"\ud800"',
    "deep lists": "[" * 10_000 + "]" * 10_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
}
VALUES = {name: json.dumps(text, ensure_ascii=False) for name, text in TEXTS.items()} | NUMBERS | SHAPES
"""JSON by name; some of it is none."""
PATHS = {
    **{name: quote(text[:8000], safe="") for name, text in TEXTS.items() if text},
    **{name: number for name, number in NUMBERS.items() if name != "beyond what is read"},
    "no UTF-8": "%ff%fe%c0%80",
    "encoded twice": "%2527%2500",
    "dots": "%2e%2e%2f%2e%2e",
}
"""Parts of addresses, encoded."""
HOLE = "\ue000 hole \ue000"
_HOLE_JSON = json.dumps(HOLE)


class Slot(NamedTuple):
    """A place within a body."""

    body: Any
    """With `HOLE` in that place."""
    place: tuple[str | int, ...]

    def filled(self, value: str) -> bytes:
        """The body as JSON, with this JSON in the place."""
        return json.dumps(self.body).replace(_HOLE_JSON, value).encode()


def slots(body: Any, place: tuple[str | int, ...] = ()) -> Iterator[Slot]:
    """Every place of a body: its leaves, what holds these, and the whole."""
    yield Slot(HOLE, place)
    items: list[tuple[str | int, Any]] = []
    if isinstance(body, dict):
        items = list(body.items())
    elif isinstance(body, list):
        items = list(enumerate(body))
    for key, inner in items:
        for slot in slots(inner, (*place, key)):
            outer = dict(body) if isinstance(body, dict) else list(body)
            outer[key] = slot.body
            yield Slot(outer, slot.place)
