"""Scripts of our own API: what they are loaded with, and which packets reach them."""

import pytest

from capture.errors import ScriptError
from tests.support.drafts import a_draft
from tests.support.filtering import Filter, tags_of


@pytest.mark.parametrize(
    ("name", "types"),
    [("on_sip", {1}), ("on_rtcp", {5}), ("on_log", {100}), ("on_packet", set(range(256)))],
)
def test_entry_point_is_reached_by_its_types_alone(name: str, types: set[int]) -> None:
    assert set(Filter(f"function {name}(it) end").functions) == types


def test_script_with_several_entry_points_is_called_once_for_a_packet() -> None:
    script = Filter("function on_packet(packet) end function on_log(line) end")

    assert {len(functions) for functions in script.functions.values()} == {1}


def test_each_type_has_its_own_object() -> None:
    script = Filter(
        "function on_sip(message) tag('kind', getmetatable(message)) end\n"
        "function on_rtcp(report) tag('kind', getmetatable(report)) end\n"
        "function on_log(line) tag('kind', getmetatable(line)) end\n"
        "function on_packet(packet) tag('any', getmetatable(packet)) end"
    )
    drafts = [
        a_draft(),
        a_draft(b"{}", protocol_type=5),
        a_draft(b"x", protocol_type=100),
        a_draft(b"x", protocol_type=34),
    ]

    found = [tags_of(script.run(draft)).get("kind") for draft in drafts]

    assert found == ["message", "report", "line", None]
    assert all(tags_of(draft)["any"] == "packet" for draft in drafts)


def test_global_variables_last_from_packet_to_packet() -> None:
    script = Filter("local seen = 0\nfunction on_sip(message) seen = seen + 1 tag('seen', seen) end")
    script.run()

    assert tags_of(script.run()) == {"seen": "2"}


def test_error_while_a_script_is_loaded_names_its_line() -> None:
    with pytest.raises(ScriptError) as caught:
        Filter("\nlocal x = nil + 1\nfunction on_sip(message) end")

    assert (caught.value.file, caught.value.line) == ("a.lua", 2)


def test_entry_point_that_the_script_did_not_define_is_not_reached() -> None:
    source = "if settings.wanted then\nfunction on_log(line) end\nend\nfunction on_sip(message) end"

    assert set(Filter(source).functions) == {1}
    assert set(Filter(source, {"wanted": True}).functions) == {1, 100}


def test_entry_point_that_is_no_function_any_more_is_left_alone() -> None:
    script = Filter("function on_sip(message)\non_sip = nil\ntag('a', 1)\nend")

    assert tags_of(script.run()) == {"a": "1"}
    assert tags_of(script.run()) == {}


def test_local_entry_point_is_an_error() -> None:
    with pytest.raises(ScriptError) as caught:
        Filter("local x\nlocal function on_sip(message)\nend")

    assert str(caught.value) == "a.lua:2: on_sip is local, so that it is never run: leave the word local out"


def test_what_preludes_hand_to_each_other_is_gone_when_a_script_is_loaded() -> None:
    script = Filter(
        "local names = {} for name in pairs(_G) do names[#names + 1] = name end\n"
        "function on_sip(message) tag('names', table.concat(names, ' ')) end"
    )

    names = str(tags_of(script.run())["names"]).split()

    assert [name for name in names if name.startswith("__")] == []
    assert {
        "drop",
        "sample",
        "set",
        "tag",
        "count",
        "log",
        "cache",
        "lookup",
        "settings",
        "hash",
        "json",
    } <= set(names)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        ("GetHEPSrcIP()", "message.source"),
        ("local sip = GetSIPStruct()", "message"),
        ("SetSIPHeader('X', 'y')", "tag"),
        ("HashTable('get', 'x')", "cache"),
        ("scriptEngine.GetRawMessage()", "message"),
    ],
)
def test_function_of_heplify_server_says_what_to_use_instead(call: str, hint: str) -> None:
    script = Filter(f"function on_sip(message)\n{call}\nend")

    with pytest.raises(ScriptError, match=r"a\.lua:2: .*" + hint):
        script.run()
