"""Scripts of heplify-server: all of a folder in one Lua state, joined to one chunk as that server does.

So `local`s of one file are visible in those after it, and Lua's limits (200 of them) hold for all together.
What is run for a packet is the call that the text of a file names. Errors name the file and line that a line
of the chunk came from. A file that cannot be loaded is left out, and the rest runs. Knows no packet.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from typing import NamedTuple

from capture.errors import ScriptError
from capture.fields import proto_name
from capture.route import SIP
from capture.scripts.entry_points import EntryPoint
from capture.scripts.folder import Begin, Script, unwatched, watched, without_helpers
from capture.scripts.host import Host
from capture.scripts.lua import Function, LuaState, Service, Value
from capture.scripts.saying import MOST_BYTES
from capture.scripts.services import Services

CHUNK = "*.lua"
"""What errors of Lua call the joined scripts: no file has this name."""

_NEW_LINE = re.compile(rb"\r\n|\n\r|\r|\n")
"""As Lua counts lines."""
_PLACE = re.compile(r"\*\.lua:([0-9]{1,9})(?![0-9])")
_LOCAL = re.compile(r"\blocal\b(?=([^\n=]{0,200}))")
_WORD = re.compile(r"\w+")
_NAME_ENDS = re.compile(r"[.:]")
_HASHES = {b"md5": hashlib.md5, b"sha1": hashlib.sha1, b"sha256": hashlib.sha256}


class OldServices(NamedTuple):
    """What scripts may ask of Python beside the message at hand."""

    hash_get: Service
    hash_set: Service
    hash_del: Service
    say: Callable[[str, str, str, int], None]
    """Level, words, script and line, for the log."""


def old_services(services: Services) -> OldServices:
    table = services.hash_table

    def hash_set(key: bytes, value: bytes) -> bytes | None:
        refused = table.set(key, value)
        return None if refused is None else refused.encode()

    return OldServices(table.get, hash_set, table.delete, services.sayings.say)


class OldScripts(NamedTuple):
    """What was loaded."""

    state: LuaState
    host: Host
    scripts: tuple[Script, ...]
    """The version of each file that was."""
    functions: Mapping[str, tuple[Function, ...]]
    """What the host runs for a packet, in its order, by the name of the file."""
    errors: Mapping[str, str]
    """Why a file, or its newest version, was not loaded, by its name."""


def load_old_scripts(
    files: Sequence[Sequence[Script]],
    new_state: Callable[[], LuaState],
    services: OldServices,
    begin: Begin = unwatched,
) -> OldScripts:
    """Load files in the order given, of each the newest version that can be; `files` has them newest first.

    What fails while it is run has changed the state already, so that all are loaded again, into a new one.
    """
    untried = [list(versions) for versions in files]
    errors: dict[str, str] = {}
    while True:
        chosen = _without_helpers(_choose(untried, new_state(), errors, begin))
        joined = _Joined(chosen, new_state(), services, begin)
        words = joined.run()
        if words is None:
            return OldScripts(
                joined.state, joined.host, tuple(file.script for file in chosen), joined.functions(), errors
            )
        failed = chosen[joined.files_run].script
        errors.setdefault(failed.name, words)
        next(versions for versions in untried if failed in versions).remove(failed)


def _choose(
    untried: Sequence[list[Script]], state: LuaState, errors: dict[str, str], begin: Begin
) -> "list[_File]":
    """Of each file the newest version that can be compiled behind those before it; nothing is run."""
    chosen: list[_File] = []
    for versions in untried:
        while versions:
            try:
                chosen.append(_compiled(versions[0], chosen, state, begin))
                break
            except ScriptError as error:
                errors.setdefault(versions[0].name, str(error))
                del versions[0]
    return chosen


def _compiled(script: Script, before: "Sequence[_File]", state: LuaState, begin: Begin) -> "_File":
    file = _File(script, script.source, script.entry_points)
    with watched(begin, script):
        # By itself first, which tells best where it is wrong.
        state.load(script.name, script.source)
        try:
            state.load(script.name, script.source + b"\ndo end")
        except ScriptError:
            file = _of_returning(script)
    chunk = _Chunk([*before, file])
    try:
        state.load(CHUNK, chunk.source)
    except ScriptError as error:
        located = chunk.locate(error)
        words = f"{located.words} (to Lua all scripts of the folder are one)"
        raise ScriptError(located.kind, words, located.file, located.line) from None
    return file


def _without_helpers(files: "Sequence[_File]") -> "list[_File]":
    """Versions that were kept were read without those that they are run with."""
    scripts = without_helpers([file.script for file in files])
    return [
        file._replace(
            entry_points=tuple(point for point in file.entry_points if point in script.entry_points)
        )
        for file, script in zip(files, scripts, strict=True)
    ]


def _of_returning(script: Script) -> "_File":
    """A file that ends in `return` would end the chunk: it becomes a function of its own.

    If it makes no global functions to run for packets it is a module, and run when it is required.
    """
    local = _local_names(script.code)
    points = tuple(point for point in script.entry_points if _NAME_ENDS.split(point.name)[0] not in local)
    source = b"do local _ = (function(...) " + script.source + b"\nend)(...) end" if points else b""
    return _File(script, source, points)


def _local_names(code: str) -> set[str]:
    """What stands behind `local` in a line, and more than that where several statements do."""
    return {word for names in _LOCAL.findall(code) for word in _WORD.findall(names)}


# ---- the chunk ----


class _File(NamedTuple):
    """A script on its way into the chunk."""

    script: Script
    source: bytes
    entry_points: tuple[EntryPoint, ...]


class _Chunk:
    """Scripts as one text, and where its lines came from."""

    def __init__(self, files: Iterable[_File]) -> None:
        self.calls: dict[str, list[str]] = {}
        """Names of the functions to run, by file."""
        self.ends: dict[int, int] = {}
        """How many files have come to their end at a line that says so."""
        self._parts: list[bytes] = []
        self._line = 1
        self._starts: list[int] = []
        self._origins: list[tuple[str, int]] = []
        """File and line where the chunk's line of the same place in `_starts` came from."""
        for file in files:
            self._add_file(file)

    @property
    def source(self) -> bytes:
        return b"".join(self._parts)

    def origin(self, line: int) -> tuple[str, int] | None:
        """The file and its line that a line of the chunk came from; None: the chunk has no such line."""
        if not 1 <= line <= self._line:
            return None
        place = bisect_right(self._starts, line) - 1
        file, first = self._origins[place]
        return file, first + line - self._starts[place]

    def translate(self, words: str) -> str:
        """Words with every place of the chunk as one of a file."""

        def in_file(place: re.Match[str]) -> str:
            origin = self.origin(int(place[1]))
            return place[0] if origin is None else "{}:{}".format(*origin)

        return _PLACE.sub(in_file, words)

    def locate(self, error: ScriptError) -> ScriptError:
        """The error at the place where it is in a file."""
        words = self.translate(error.words)
        if error.file != CHUNK or error.line is None:
            return ScriptError(error.kind, words, error.file, error.line)
        # A script may throw words that look like a place.
        return ScriptError(error.kind, words, *(self.origin(error.line) or (None, None)))

    def _add_file(self, file: _File) -> None:
        name = file.script.name
        calls = self.calls[name] = []
        self._come_from(name, 1)
        # What begins the next file is no continuation of what ends this one.
        self._add(file.source + b"\ndo end\n")
        for point in file.entry_points:
            calls.append(f"e{len(self._starts)}")
            self._come_from(name, point.line)
            self._add(_entry(point, calls[-1]))
        self.ends[self._line] = len(self.ends) + 1
        self._add(b"__homer.end_of_file();\n")

    def _come_from(self, file: str, line: int) -> None:
        self._starts.append(self._line)
        self._origins.append((file, line))

    def _add(self, text: bytes) -> None:
        self._parts.append(text)
        self._line += len(_NEW_LINE.findall(text))


def _entry(point: EntryPoint, name: str) -> bytes:
    """A line that notes the call of an entry point under a name.

    The call is compiled where the file's locals are visible, and finds whatever has the name when it is made.
    """
    arguments = "".join(f', "{parameter}"' for parameter in point.parameters if parameter != "...")
    return f"__homer.{name} = __homer.entry(function(...) {point.name}(...) end{arguments})\n".encode()


# ---- the state ----


class _Joined:
    """Scripts in the state that they run in."""

    def __init__(self, files: Sequence[_File], state: LuaState, services: OldServices, begin: Begin) -> None:
        self.state = state
        self._files = files
        self._begin = begin
        self._chunk = _Chunk(files)
        self.host = Host(state, self._chunk.locate)
        self.files_run = 0
        """Of how many files the top level has come to its end."""
        self._say = services.say
        (self._close,) = state.add_library(
            "homer.lua",
            resources.files("lua_filters").joinpath("runtime/homer.lua").read_bytes(),
            *(services.hash_get, services.hash_set, services.hash_del),
            *(hash_string, _proto_name, self._tag_names, self._log, self._refuse, self._count_file),
        )

    def run(self) -> str | None:
        """Run the top level of all files; what was wrong in the one that failed."""
        try:
            top_level = self.state.load(CHUNK, self._chunk.source)
            self._begin_next()
            self.state.call(top_level)
        except ScriptError as error:
            self.files_run = min(self.files_run, len(self._files) - 1)
            return str(self._chunk.locate(error))
        finally:
            self._begin(None)
        return self._find_lost()

    def _find_lost(self) -> str | None:
        """What is wrong where a script has taken away what files were to run, be it another one's."""
        for at, names in enumerate(self._chunk.calls.values()):
            if any(self.state.function(f"__homer.{name}") is None for name in names):
                self.files_run = at
                return f"{self._files[at].script.name}: its functions are lost: __homer is not for scripts"
        return None

    def _begin_next(self) -> None:
        following = self._files[self.files_run :]
        self._begin(following[0].script if following else None)

    def functions(self) -> dict[str, tuple[Function, ...]]:
        """To be called once: takes them out of the state."""
        functions = {}
        for file, names in self._chunk.calls.items():
            found = [self.state.function(f"__homer.{name}") for name in names]
            functions[file] = tuple(function for function in found if function is not None)
        self.state.call(self._close)
        return functions

    def _count_file(self, line: int) -> None:
        # Not in Lua, where nothing can be asked for any more when a file has filled the memory. By the line,
        # as a script may call what only the chunk should.
        if (ended := self._chunk.ends.get(line)) is not None:
            self.files_run = ended
            self._begin_next()

    def _tag_names(self) -> tuple[Value, ...]:
        draft = self.host.draft
        return () if draft is None else tuple(name.encode() for name in draft.tag_names())

    def _refuse(self) -> None:
        if self.host.draft is not None:
            self.host.draft.is_refused = True

    def _log(self, level: bytes, words: bytes, file: bytes, line: int) -> None:
        name = file.decode("utf-8", "replace")
        if name == CHUNK:
            name, line = self._chunk.origin(line) or (name, line)
        text = words[:MOST_BYTES].decode("utf-8", "replace")
        self._say(level.decode(), self._chunk.translate(text), name, line)


def hash_string(algorithm: bytes, text: bytes) -> bytes:
    """Hexadecimal digits of an md5, sha1 or sha256; by any other algorithm the text itself."""
    make = _HASHES.get(algorithm)
    return text if make is None else make(text, usedforsecurity=False).hexdigest().encode()


def _proto_name(protocol_type: float) -> bytes:
    return b"sip" if protocol_type == SIP else proto_name(int(protocol_type)).encode()
