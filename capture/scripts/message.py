"""A script of our own API, loaded into a state of its own; docs/lua.md is the page for who writes one.

Knows no folder, switch or worker, and nothing of what a packet holds.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from capture.errors import ScriptError
from capture.route import RTCP, SIP
from capture.scripts.at_hand import MessageServices, joined, share_of
from capture.scripts.folder import Begin, Script, unwatched, watched
from capture.scripts.host import Host
from capture.scripts.lua import Function, LuaState, Service, Value
from capture.scripts.services import Services
from capture.scripts.table_files import SUFFIXES
from capture.scripts.tables import names_in
from capture.scripts.worker_services import WorkerServices, hash_of

LOG = 100
PROTOCOL_TYPES = 256
"""Chunk 0x000b has one byte."""

Settings = Mapping[str, str | int | float | bool]
FunctionsByType = dict[int, tuple[Function, ...]]


def load_new_script(
    script: Script,
    state: LuaState,
    host: Host,
    services: Services,
    settings: Settings,
    begin: Begin = unwatched,
) -> FunctionsByType:
    """Run the script's top level in its new state: what is to be called for packets of which HEP type.

    `settings` are the script's own. ScriptError when it cannot be loaded.
    """
    on_sip, on_rtcp, on_log, on_any, _ = add_message_libraries(state, host)
    _add_service_library(state, script, services, settings)
    services.tables.want(names_in(script.source) | _named_in(settings))
    with watched(begin, script):
        state.call(state.load(script.name, script.source))
    defined = _defined(script, state)
    functions: FunctionsByType = {}
    if "on_packet" in defined:
        functions = dict.fromkeys(range(PROTOCOL_TYPES), (on_any,))
    for name, protocol_type, function in (
        ("on_sip", SIP, on_sip),
        ("on_rtcp", RTCP, on_rtcp),
        ("on_log", LOG, on_log),
    ):
        if name in defined:
            functions[protocol_type] = (function,)
    return functions


def _defined(script: Script, state: LuaState) -> set[str]:
    """The entry points that there are once the top level has run, for it may define them as settings want it.

    ScriptError for what can only be a mistake.
    """
    defined = {point.name for point in script.entry_points if state.function(point.name) is not None}
    for point in script.entry_points:
        if point.name not in defined and _local_function(point.name).search(script.source):
            words = f"{point.name} is local, so that it is never run: leave the word local out"
            raise ScriptError("error", words, script.name, point.line)
    return defined


@cache
def _local_function(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"\blocal\s+function\s+%b\b" % name.encode())


def _named_in(settings: Settings) -> set[bytes]:
    """Tables that the script's settings name."""
    texts = [value for value in settings.values() if isinstance(value, str)]
    return {text.encode() for text in texts if text.lower().endswith(SUFFIXES)}


def add_message_libraries(state: LuaState, host: Host) -> tuple[Function, ...]:
    """What runs the entry points for SIP, RTCP, log lines and any other packet; and `explain(kind, name)`.

    That says why an object has nothing of this name, and nothing if it has.
    """
    _add(state, "names.lua")
    _add(state, "json.lua")
    of_message = MessageServices(host)
    explain = _add(state, "message.lua", of_message.sdp, of_message.log_text)
    _add(
        state,
        "changes.lua",
        of_message.mask,
        of_message.remove_headers,
        of_message.redact_body,
        of_message.redact_sdp_keys,
        joined,
    )
    return *_add(state, "verdicts.lua", share_of), *explain


def _add_service_library(state: LuaState, script: Script, services: Services, settings: Settings) -> None:
    given: list[Value] = []
    for name, value in settings.items():
        given += (name.encode(), value.encode() if isinstance(value, str) else value)
    of_worker = WorkerServices(script.name, services)
    _add(
        state,
        "services.lua",
        of_worker.count,
        of_worker.observe,
        of_worker.say,
        of_worker.cache_get,
        of_worker.cache_set,
        of_worker.cache_delete,
        of_worker.lookup,
        hash_of,
        lambda: tuple(given),
    )


def _add(state: LuaState, library: str, *services: Service) -> tuple[Function, ...]:
    source = resources.files("lua_filters").joinpath("runtime", library).read_bytes()
    return state.add_library(library, source, *services)
