"""Fields that a script of our own API asks for and that there are none of, seen in its text.

By the name of what an entry point is given, wherever it stands: helpers are mostly given it under the same.
Warnings for who checks a folder; a script that runs says the same where it happens.
"""

import re
from collections.abc import Mapping

from capture.scripts.folder import Script
from capture.scripts.host import Host
from capture.scripts.lua import LuaState
from capture.scripts.message import add_message_libraries
from capture.scripts.traps import Trap

_KINDS: Mapping[str, str] = {
    "on_sip": "message",
    "on_rtcp": "report",
    "on_log": "line",
    "on_packet": "packet",
}


def find_misspelt(script: Script) -> list[Trap]:
    """In the order of the lines; none in a script for heplify-server."""
    kinds: dict[str, list[bytes]] = {}
    for point in script.entry_points:
        if script.is_new_kind and point.parameters:
            kinds.setdefault(point.parameters[0], []).append(_KINDS[point.name].encode())
    if not kinds:
        return []
    state = LuaState()
    *_, explain = add_message_libraries(state, Host(state))
    found = []
    for given, of_kinds in kinds.items():
        for use in re.finditer(rf"(?<![\w.:]){re.escape(given)}\s*[.:]\s*([A-Za-z_]\w*)", script.code):
            answers = [state.call(explain, kind, use[1].encode()) for kind in of_kinds]
            if all(answers) and isinstance(words := answers[0][0], bytes):
                found.append(Trap(script.code.count("\n", 0, use.start()) + 1, words.decode()))
    return sorted(found)
