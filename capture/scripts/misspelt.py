"""Names in the text of a script that mean nothing: fields, functions and entry points that there are none of.

Fields by the name of what an entry point is given, wherever it stands: helpers are mostly given it under the
same. Warnings for who checks a folder; a script that runs says the same where it happens.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice

from capture.errors import ScriptError
from capture.scripts.entry_points import NEW_KIND, find_definitions
from capture.scripts.folder import Script
from capture.scripts.host import Host
from capture.scripts.lua import Function, LuaState
from capture.scripts.message import add_message_libraries
from capture.scripts.traps import Trap

_KINDS: Mapping[str, str] = {
    "on_sip": "message",
    "on_rtcp": "report",
    "on_log": "line",
    "on_packet": "packet",
}
_NAME = re.compile(r"(?<![\w.:])[A-Za-z_]\w*")
_CALLED = re.compile(r"(?<![\w.:])([A-Za-z_]\w*)\s*+\(")
_DEFINED = re.compile(r"\bfunction\s+([A-Za-z_]\w*)")
_ASSIGNED = re.compile(r"\s*+=(?!=)")
_KEYWORDS = frozenset(["and", "elseif", "function", "if", "in", "not", "or", "return", "until", "while"])
"""What a bracket may follow."""
_FUNCTIONS = (
    *("drop", "keep", "sample", "set", "tag", "remove_header", "mask", "redact_body", "redact_sdp_keys"),
    *("correlate", "route", "count", "observe", "require"),
)
"""Of our own API, all that are no members of a table."""
_MOST = 20
"""Functions of a script named; to say more helps nobody, and takes time."""


def find_misspelt(script: Script) -> list[Trap]:
    """In the order of the lines; in one for heplify-server only what looks like an entry point of ours."""
    found = [*_entry_points(script)]
    if script.is_new_kind:
        state = LuaState()
        *_, explain = add_message_libraries(state, Host(state))
        found += [*_fields(script, state, explain), *_calls(script, state)]
    return sorted(found)


def _fields(script: Script, state: LuaState, explain: Function) -> Iterator[Trap]:
    kinds: dict[str, list[bytes]] = {}
    for point in script.entry_points:
        if point.parameters:
            kinds.setdefault(point.parameters[0], []).append(_KINDS[point.name].encode())
    for given, of_kinds in kinds.items():
        for use in re.finditer(rf"(?<![\w.:]){re.escape(given)}\s*[.:]\s*([A-Za-z_]\w*)", script.code):
            if _ASSIGNED.match(script.code, use.end()):
                yield Trap(_line(script, use.start()), f'a field is set by set("{use[1]}", value)')
                continue
            answers = [state.call(explain, kind, use[1].encode()) for kind in of_kinds]
            if all(answers) and isinstance(words := answers[0][0], bytes):
                yield Trap(_line(script, use.start()), words.decode())


def _calls(script: Script, state: LuaState) -> Iterator[Trap]:
    """Functions that a script does nothing with but call them, and that nobody defines."""
    code = script.code
    defined = {*_DEFINED.findall(code)}
    known = {*_FUNCTIONS, *_KEYWORDS, *defined}
    mentions, calls = Counter(_NAME.findall(code)), Counter(_CALLED.findall(code))
    first = {call[1]: call.start() for call in reversed([*_CALLED.finditer(code)])}
    unknown = (
        name
        for name in sorted(first.keys() - known, key=first.__getitem__)
        if mentions[name] == calls[name] and not _is_global(name, state)
    )
    for name in islice(unknown, _MOST):
        maybe = _did_you_mean(name, [*_FUNCTIONS, *sorted(defined)])
        yield Trap(_line(script, first[name]), f"there is no function {name}{maybe}")


def _is_global(name: str, state: LuaState) -> bool:
    """Whether there is one; yes, too, if it was taken away, which `find_traps` or the script itself says."""
    try:
        return state.call(state.load(name, b"return " + name.encode())) != (None,)
    except ScriptError:
        return True


def _entry_points(script: Script) -> Iterator[Trap]:
    called = Counter(_CALLED.findall(script.code))
    for point in find_definitions(script.code):
        # Its definition looks like one call.
        if point.name in NEW_KIND or called[point.name] != 1:
            continue
        maybe = _did_you_mean(point.name, NEW_KIND, 0.8)
        if script.is_new_kind and (maybe or point.name.startswith("on_")):
            yield Trap(point.line, f"there is no entry point {point.name}{maybe}")
        elif maybe:
            words = f"there is no entry point {point.name}{maybe}, so that this is a script of heplify-server"
            yield Trap(point.line, words)


def _did_you_mean(name: str, known: Sequence[str], likeness: float = 0.6) -> str:
    return "".join(f" (did you mean {each}?)" for each in get_close_matches(name, known, 1, likeness))


def _line(script: Script, position: int) -> int:
    return script.code.count("\n", 0, position) + 1
