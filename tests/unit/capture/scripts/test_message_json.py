"""json.decode of scripts of our own API, compared with Python's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.drafts import a_draft
from tests.support.filtering import Filter, run_on_sip, tags_of

# Writes a decoded value as JSON, so that Python can compare it.
SHOW = r"""
local function escaped(c)
    return ("\\u%04x"):format(c:byte())
end

local function show(value)
    if type(value) == "table" then
        local parts = {}
        local is_list = next(value) == 1
        for key, item in pairs(value) do
            parts[#parts + 1] = is_list and show(item) or show(key) .. ":" .. show(item)
        end
        return is_list and "[" .. table.concat(parts, ",") .. "]" or "{" .. table.concat(parts, ",") .. "}"
    elseif type(value) == "string" then
        return '"' .. value:gsub('[%c"\\\127-\255]', escaped) .. '"'
    elseif type(value) == "number" then
        return ("%.17g"):format(value)
    end
    return tostring(value)
end
function on_log(line)
    local value, words = json.decode(line.payload)
    set("payload", words and "error: " .. words or show(value))
end
"""
SHOWING = Filter(SHOW)

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, min_size=1, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def decoded(text: str) -> str:
    return SHOWING.run(a_draft(text.encode(), protocol_type=100)).payload.decode("latin-1")


def as_bytes(value: object) -> object:
    """What Lua has for it: texts as UTF-8, here one character a byte."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("latin-1")
    if isinstance(value, list):
        return [as_bytes(item) for item in value]
    if isinstance(value, dict):
        return {as_bytes(name): as_bytes(item) for name, item in value.items()}
    return value


@given(VALUES, st.booleans())
def test_value_is_what_python_reads(value: object, ensure_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii)

    assert json.loads(decoded(text)) == as_bytes(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" ", "no value"),
        ("{", "a name should stand here"),
        ('{"a"', "a name has no colon"),
        ('{"a":1', "an object goes on without a comma"),
        ('{"a":1,}', "a name should stand here"),
        ("[1", "a list goes on without a comma"),
        ("[1,]", "no value"),
        ('"a', "a text has no end"),
        ('"\\x"', "\\x stands for nothing"),
        ('"\\u12"', "four hexadecimal digits should follow \\u"),
        ("1 2", "something follows the value, at byte 3"),
        ("01", "no value"),
        ("1.", "something follows the value, at byte 2"),
        ("1e", "something follows the value, at byte 2"),
        ("+1", "no value"),
        ("nan", "no value"),
        ("0x10", "something follows the value, at byte 2"),
        ("[" * 100, "more than 64 levels"),
        ("[" + "1," * 5000 + "1]", "more than 4096 values"),
        ('"' + "\\n" * 5000 + '"', "more than 4096 values"),
    ],
)
def test_text_that_is_no_json_is_said_so(text: str, words: str) -> None:
    assert decoded(text) == f"error: {words}"


@pytest.mark.parametrize(
    ("text", "character"),
    [('"\\u00e4"', "ä"), ('"\\ud83d\\ude00"', "😀"), ('"\\ud83d"', "\ufffd"), ('"\\ude00x"', "\ufffdx")],
)
def test_escaped_characters_are_utf8(text: str, character: str) -> None:
    assert json.loads(decoded(text)).encode("latin-1").decode() == character


def test_null_is_nil() -> None:
    body = (
        """local t = json.decode('{"a":null,"b":[null,1]}') tag('null', tostring(t.a or t.b[1]) .. t.b[2])"""
    )

    assert tags_of(run_on_sip(body)) == {"null": "nil1"}


def test_no_text_is_said_so() -> None:
    assert tags_of(run_on_sip("local _, words = json.decode(nil) tag('words', words)")) == {
        "words": "not text but nil"
    }


@pytest.mark.parametrize(
    "text", ["[" + "1," * 4000 + "1]", '"' + "\\u00e4" * 4000 + '"', '"' + "x" * 65_000 + '"']
)
def test_largest_text_takes_less_than_half_of_the_instructions(text: str) -> None:
    script = Filter(
        "function on_log(line) assert(json.decode(line.payload)) assert(json.decode(line.payload)) end"
    )

    script.run(a_draft(text.encode(), protocol_type=100))
