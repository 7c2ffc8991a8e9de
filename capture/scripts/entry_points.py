"""The functions of a script that are run for each packet, found in its text.

heplify-server takes any line that reads `function name(…)` for one and runs `name(…)`, helpers and nested
functions among them. Scripts are written for that, so it is kept but where it only does harm: a function that
takes parameters and is called by the script itself is a helper, which would be called with nothing. Knows no
Lua beyond such lines.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

NEW_KIND = ("on_sip", "on_rtcp", "on_log", "on_packet")
"""Entry points of our own API: a script that defines one of them is of the new kind, and has no others."""

_DEFINITION = re.compile(
    r"[ \t]*+function[ \t]++(?P<name>[A-Za-z_]\w*+(?:[ \t]*+[.:][ \t]*+[A-Za-z_]\w*+)*+)[ \t]*+"
    r"\((?P<parameters>[^()\n]*+)\)"
)
_NEW_KIND = re.compile(
    rf"(?<![\w.:])(?:function\s++(?P<function>{'|'.join(NEW_KIND)})\s*+(?:\((?P<parameters>[^()]*+)\)?)?+"
    rf"|(?P<variable>{'|'.join(NEW_KIND)})\s*+=(?!=))"
)
_USE = re.compile(
    r"(?<![\w.:])(?P<defined>function\s++)?+(?P<name>[A-Za-z_]\w*+(?:\s*+[.:]\s*+[A-Za-z_]\w*+)*+)"
    r"\s*+(?P<called>[(\"'{\[])?+"
)
_COMMENT_OR_TEXT = re.compile(
    r"--\[(=*)\[.*?(?:\]\1\]|\Z)|--[^\n]*+|\[(=*)\[.*?(?:\]\2\]|\Z)"
    r"|\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?",
    re.DOTALL,
)


class EntryPoint(NamedTuple):
    """A function that a script defines."""

    name: str
    """As it is called: `clean`, `rules.clean`, `rules:clean`."""
    parameters: tuple[str, ...]
    line: int
    """Counted from 1."""


class Uses(NamedTuple):
    """What a script does with functions, by their names."""

    called: frozenset[str]
    defined: frozenset[str]


def find_entry_points(source: str) -> list[EntryPoint]:
    """Those to run for each packet, in the order of the text; of the new kind only those of `NEW_KIND`."""
    code = blank_out(source)
    defined = find_definitions(code)
    of_new_kind = _of_new_kind(code)
    if of_new_kind:
        return of_new_kind
    uses = find_uses(code)
    return [point for point in defined if not is_helper(point, uses)]


def is_new_kind(source: str) -> bool:
    """Whether a script is written for our own API."""
    return bool(_of_new_kind(blank_out(source)))


def find_definitions(code: str) -> list[EntryPoint]:
    """All functions whose definition stands in a line of its own, of code without comments and texts."""
    points = []
    for number, line in enumerate(code.split("\n"), 1):
        match = _DEFINITION.match(line)
        if match is not None:
            name = "".join(match["name"].split())
            names = [parameter.strip() for parameter in match["parameters"].split(",")]
            points.append(EntryPoint(name, tuple(filter(None, names)), number))
    return points


def _of_new_kind(code: str) -> list[EntryPoint]:
    """Wherever they stand, as `function on_sip(…)` or `on_sip = …`: our own API does not go by lines."""
    found: dict[str, EntryPoint] = {}
    for match in _NEW_KIND.finditer(code):
        name = match["function"] or match["variable"]
        if name not in found:
            names = (parameter.strip() for parameter in (match["parameters"] or "").split(","))
            line = code.count("\n", 0, match.start()) + 1
            found[name] = EntryPoint(name, tuple(filter(None, names)), line)
    return list(found.values())


def find_uses(code: str) -> Uses:
    """In code without comments and texts."""
    called, defined = set[str](), set[str]()
    for match in _USE.finditer(code):
        if match["called"]:
            name = "".join(match["name"].split())
            (defined if match["defined"] else called).add(name)
    return Uses(frozenset(called), frozenset(defined))


def is_helper(point: EntryPoint, uses: Uses, others: Iterable[Uses] = ()) -> bool:
    """Whether a function is called by the script itself, with something that a packet does not give.

    `others` are those of other scripts that see its globals: a call in one that has no such function of its
    own is one of this.
    """
    if not point.parameters:
        return False
    name = point.name
    return name in uses.called or any(name in other.called and name not in other.defined for other in others)


def blank_out(source: str) -> str:
    """The code alone: comments become blanks, and texts but for what they begin with; lines stay where they
    are."""

    def blank(found: re.Match[str]) -> str:
        blanks = re.sub(r"[^\n]", " ", found[0])
        return blanks if found[0].startswith("--") else found[0][0] + blanks[1:]

    return _COMMENT_OR_TEXT.sub(blank, source)
