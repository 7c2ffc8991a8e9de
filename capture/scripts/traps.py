"""What in a script of heplify-server's API does something else than its author may think, seen in its text.

Warnings for who checks a folder, no errors: such scripts run. Reads the text as `entry_points` does, and so
sees what is written out, not what is meant. Knows no Lua state.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from capture.scripts.entry_points import EntryPoint, find_definitions
from capture.scripts.folder import Script


class Trap(NamedTuple):
    """One place in a file."""

    line: int
    """Counted from 1."""
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.words}"


_NO_FILES = "no file can be read or written"
_NO_PROGRAMS = "no program can be started"
_NO_LOADING = "put the code into the script, or into a file for require"
_NO_INTERNALS = "nothing of the interpreter can be reached"
_REMOVED: Mapping[str, str] = {
    "io": f"{_NO_FILES}: Logp writes to the log, and lookup.file of the new API reads tables",
    "os.execute": _NO_PROGRAMS,
    "os.exit": "a script ends by return",
    "os.getenv": "settings.NAME of the new API has what the file of settings gives to a script",
    "os.remove": _NO_FILES,
    "os.rename": _NO_FILES,
    "os.tmpname": _NO_FILES,
    "os.setlocale": "numbers are written alike everywhere",
    "string.dump": _NO_INTERNALS,
    "debug": _NO_INTERNALS,
    "ffi": _NO_INTERNALS,
    "jit": _NO_INTERNALS,
    "package": "require finds files of the folder by itself",
    "loadstring": _NO_LOADING,
    "load": _NO_LOADING,
    "loadfile": _NO_LOADING,
    "dofile": _NO_LOADING,
    "module": "a file for require returns a table",
    "collectgarbage": "memory is freed by itself",
    "newproxy": "use setmetatable",
    "setfenv": _NO_INTERNALS,
    "getfenv": _NO_INTERNALS,
}
_REQUIRED_IN_VAIN = frozenset(["ffi", "io", "debug", "jit", "package"])
_OWN_NAME = r"(?:\blocal\b[^\n=]{{0,200}}\b{name}\b|\bfunction\s+{name}\b|(?<![\w.:]){name}\s*=(?!=))"
_REQUIRE = re.compile(r"(?<![\w.:])require\s*\(?\s*[\"']")
_QUOTED = re.compile(r"[\"']([^\"'\n]*)")

_STRUCT = re.compile(r"(?<![\w.:])(?:local\s+)?(\w+)\s*=\s*(?:HEP\.|scriptEngine\.)?GetSIPStruct\s*\(")
_SETTER = re.compile(r"(?<!\w)Set(?:SIPHeader|SIPProfile|CustomSIPHeader)\s*\(")
_TYPE = re.compile(r"\bGetHEPProtoType\s*\(|\bProtoType\s*[=~]=")
_TEST_OF_SIP = re.compile(_TYPE.pattern + r"|\bGetSIPStruct\s*\(")
_BRANCH = re.compile(r"\bif\b((?:(?!\bthen\b)[^;]){1,500}+)\bthen\b")
_BRANCH_END = re.compile(r"\b(?:return|else|elseif|end)\b")
_NO_SIP = re.compile(
    r"[\s(]*+(?:(?:HEP\.|scriptEngine\.)?GetHEPProtoType\s*\(\s*\)\s*~=\s*1"
    r"|(?P<struct>\w+)\s*==\s*(?:nil|[\"']))[\s)]*"
)
"""A test that a packet passes only if it is not SIP; texts are blanked but for what they begin with."""
_RAW = re.compile(r"(?<!\w)SetRawMessage\s*\(")
_HASH_TABLE = re.compile(r"(?<!\w)HashTable\s*\(")
_MEMORY = re.compile(
    r"^(?:local[ \t]+)?(\w+)[ \t]*=[ \t]*(?:\{|\w+[ \t]*\{\}[ \t]*$|0[ \t]*;?[ \t]*$)", re.MULTILINE
)


def find_traps(script: Script) -> list[Trap]:
    """In the order of the lines; in a script of the new kind only names that are not there."""
    code = script.code
    removed = [*_removed_names(code), *_removed_modules(script.source.decode("latin-1"), code)]
    if script.is_new_kind:
        return sorted(removed)
    traps = [
        *removed,
        *_functions_with_parameters(script),
        *_sip_without_test(script, code),
        *_first(_RAW, code, "SetRawMessage changes what is stored, not the fields that were read before it"),
        *_first(
            _HASH_TABLE,
            code,
            "HashTable belongs to one worker: with several, only what is kept under a Call-ID is found again",
        ),
        *_memory(code),
    ]
    return sorted(traps)


def _line(code: str, position: int) -> int:
    return code.count("\n", 0, position) + 1


def _first(pattern: re.Pattern[str], code: str, words: str) -> Iterator[Trap]:
    found = pattern.search(code)
    if found is not None:
        yield Trap(_line(code, found.start()), words)


def _functions_with_parameters(script: Script) -> Iterator[Trap]:
    for point in find_definitions(script.code):
        if point.parameters:
            yield Trap(point.line, _of_parameters(point, is_run=point in script.entry_points))


def _of_parameters(point: EntryPoint, *, is_run: bool) -> str:
    shown = f"{point.name}({', '.join(point.parameters)})"
    if is_run:
        return (
            f"{shown} is run for each packet, with globals of these names or nil as its arguments: write"
            " `local function` if it is a helper"
        )
    return f"{shown} is called by scripts and taken for a helper: write `local function` to say so"


def _removed_names(code: str) -> Iterator[Trap]:
    for name, advice in _REMOVED.items():
        root = name.partition(".")[0]
        if re.search(_OWN_NAME.format(name=root), code):
            continue
        follows = r"\b" if "." in name else r"\s*[.:(\[\"'{]"
        for found in re.finditer(rf"(?<![\w.:]){re.escape(name)}{follows}", code):
            yield Trap(_line(code, found.start()), f"{name} is not there, and its use an error: {advice}")


def _removed_modules(source: str, code: str) -> Iterator[Trap]:
    for found in _REQUIRE.finditer(code):
        quoted = _QUOTED.match(source, found.end() - 1)
        if quoted is not None and quoted[1].partition(".")[0] in _REQUIRED_IN_VAIN:
            words = f'require "{quoted[1]}" is an error: {_NO_INTERNALS}'
            yield Trap(_line(code, found.start()), words)


def _sip_without_test(script: Script, code: str) -> Iterator[Trap]:
    """In each function that is run for packets."""
    lines = code.split("\n")
    starts = [point.line for point in script.entry_points]
    for start, end in pairwise([*starts, len(lines) + 1]):
        body = "\n".join(lines[start - 1 : end - 1])
        for position, words in _untested(body):
            yield Trap(start - 1 + _line(body, position), words)


def _untested(body: str) -> Iterator[tuple[int, str]]:
    for struct in _STRUCT.finditer(body):
        name = struct[1]
        use = re.compile(rf"(?<![\w.:]){name}\s*[.\[]\s*[\w\"']").search(body, struct.end())
        test = re.compile(rf"(?<![\w.:]){name}\s*[=~]=\s*[\"']|\btype\s*\(\s*{name}\b").search(
            body, struct.end()
        )
        if use is None or _TYPE.search(body, 0, use.start()):
            continue
        if test is None or test.start() > use.start():
            words = f"{name} is an empty text for a packet that is not SIP: test {name} ~= '' before"
            yield use.start(), words
    setter = _SETTER.search(body)
    if setter is not None and _TEST_OF_SIP.search(body, 0, setter.start()) is None:
        words = f"{_name(setter)} does nothing but write to the log for a packet that is not SIP: test before"
        yield setter.start(), words
    yield from _set_where_none_is(body)


def _set_where_none_is(body: str) -> Iterator[tuple[int, str]]:
    """Setters of SIP in a branch for packets that are not SIP, up to the first word that may end it."""
    structs = {struct[1] for struct in _STRUCT.finditer(body)}
    for branch in _BRANCH.finditer(body):
        tests = [_NO_SIP.fullmatch(test) for test in re.split(r"\bor\b", branch[1])]
        if all(test is not None and (test["struct"] is None or test["struct"] in structs) for test in tests):
            end = _BRANCH_END.search(body, branch.end())
            for setter in _SETTER.finditer(body, branch.end(), end.start() if end else len(body)):
                yield (
                    setter.start(),
                    f"{_name(setter)} does nothing but write to the log: no packet is SIP here",
                )


def _name(setter: re.Match[str]) -> str:
    return setter[0].rstrip("( \t\n")


def _memory(code: str) -> Iterator[Trap]:
    """Tables and counts at the top level of a file, if functions change them."""
    for found in _MEMORY.finditer(code):
        name = found[1]
        changed = rf"^[ \t]+{name}\s*(?:\[[^\n]*|\.\w+\s*)?=(?!=)|\binsert\s*\(\s*{name}\b"
        if re.search(changed, code[found.end() :], re.MULTILINE):
            yield Trap(
                _line(code, found.start()),
                f"{name} is kept by each worker for itself, and lost when the folder changes: with several,"
                " only what is kept by Call-ID is found again",
            )
