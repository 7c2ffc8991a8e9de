"""Whatever a script gives to the functions of our own API, it is done or an error at the script's line."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from capture.draft import Draft
from capture.errors import ScriptError
from capture.scripts.lua import Limits
from tests.support.drafts import INVITE, a_draft
from tests.support.filtering import Filter

FUNCTIONS = [
    *("drop", "keep", "sample", "set", "tag", "remove_header", "mask", "redact_body", "redact_sdp_keys"),
    *("correlate", "route", "count", "observe", "log.debug", "log.warn", "cache.get", "cache.set"),
    *("cache.delete", "lookup.file", "hash.md5", "json.decode", "require", "message.header", "message.sdp"),
    *("message.tag_value", "tostring", "pcall", "getmetatable", "setmetatable", "rawset", "pairs"),
]
VALUES = [
    *("nil", "true", "0", "-1", "1.5", "3", "1e308", "2^53", "-2^63", "0/0", "1/0", "''", "'x'", "'5'"),
    *("'from_user'", "'payload'", "'time'", "'source_port'", "'X-CID'", "'call'", "'a.csv'", "'\\0\\255'"),
    *("('x'):rep(70000)", "('\\n'):rep(1000)", "'../../x.csv'", "'[[[[{\"a\":'", "{}", "{ 1, 2 }"),
    *("{ a = 'b' }", "{ [1.5] = true }", "{ a = {} }", "function() end", "error", "message", "_G", "log"),
    *("coroutine.create(function() end)", "coroutine.wrap(function() drop() end)"),
    "setmetatable({}, { __tostring = function() return {} end, __index = error, __call = drop })",
    "setmetatable({}, { __eq = error, __lt = error, __concat = error, __tostring = error, __metatable = 1 })",
]
calls = st.tuples(st.sampled_from(FUNCTIONS), st.lists(st.sampled_from(VALUES), max_size=4)).map(
    lambda call: f"{call[0]}({', '.join(call[1])})"
)
LIMITS = Limits(instructions=100_000, memory_bytes=16 * 1024 * 1024)


def is_of_the_script(error: ScriptError | None) -> bool:
    """Not one of our own Lua, which would name its file."""
    return error is None or (error.file in ("a.lua", None) and ".lua]" not in error.words)


def error_of(script: Filter, draft: Draft) -> ScriptError | None:
    try:
        script.run(draft)
    except ScriptError as error:
        return error
    return None


@settings(max_examples=300, deadline=None)
@given(st.lists(calls, min_size=1, max_size=3), st.booleans())
@example(["message.header(message, ('x'):rep(70000))"], False)
def test_any_call_is_done_or_an_error_of_the_script(lines: list[str], caught: bool) -> None:
    body = "\n".join(f"pcall(function() {line} end)" if caught else line for line in lines)
    draft = a_draft()

    error = error_of(Filter(f"function on_sip(message)\n{body}\nend", limits=LIMITS), draft)

    assert is_of_the_script(error), error
    assert isinstance(draft.payload, bytes)
    assert all(isinstance(name, str) for name in draft.changes)


methods = st.tuples(
    st.sampled_from(["header", "sdp", "tag_value"]), st.lists(st.sampled_from(VALUES), max_size=3)
).map(lambda call: f"message:{call[0]}({', '.join(call[1])})")


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200) | st.sampled_from([INVITE, b"", b"{", b'{"payload":"', INVITE[:80]]),
    calls | methods,
)
def test_any_message_can_be_asked_and_changed(payload: bytes, call: str) -> None:
    script = Filter(f"function on_packet(packet) end\nfunction on_sip(message)\n{call}\nend", limits=LIMITS)

    error = error_of(script, a_draft(payload))

    assert is_of_the_script(error), error


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["from_user", "source", "payload", "via", "body", "node"]), st.binary(max_size=300))
def test_any_bytes_can_be_set(field: str, value: bytes) -> None:
    text = "".join(f"\\{byte:03d}" for byte in value)
    script = Filter(f"function on_sip(message)\nset('{field}', '{text}') mask('from_user', 1)\nend")

    error = error_of(script, a_draft())

    assert is_of_the_script(error), error
