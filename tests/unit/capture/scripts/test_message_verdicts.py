"""Verdicts of scripts of our own API: drop, keep, sample."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.errors import ScriptError
from tests.support.drafts import INVITE, a_draft
from tests.support.filtering import Filter, run_on_sip, tags_of


def test_dropped_message_has_the_reason() -> None:
    assert run_on_sip("drop('scanner')").dropped == "scanner"


def test_drop_needs_no_reason() -> None:
    assert run_on_sip("drop()").dropped == "dropped"


@pytest.mark.parametrize("verdict", ["drop('x')", "keep()", "sample(0)"])
def test_verdict_ends_the_script_at_once(verdict: str) -> None:
    draft = run_on_sip(f"tag('before', 1) {verdict} tag('after', 1)")

    assert tags_of(draft) == {"before": "1"}


@pytest.mark.parametrize(
    "attempt",
    [
        "pcall(drop, 'x')",
        "pcall(function() drop('x') end)",
        "pcall(pcall, drop, 'x')",
        "xpcall(function() drop('x') end, function() tag('after', 1) end)",
        "coroutine.resume(coroutine.create(function() drop('x') end))",
        "coroutine.wrap(function() drop('x') end)()",
        "pcall(coroutine.wrap(function() drop('x') end))",
        "table.sort({1, 2, 3}, function() drop('x') end)",
        "('x'):gsub('x', function() drop('x') end)",
        "local t = setmetatable({}, {__index = function() drop('x') end}) local y = t.y",
    ],
)
def test_verdict_is_not_caught(attempt: str) -> None:
    draft = run_on_sip(f"{attempt} tag('after', 1)")

    assert (draft.dropped, tags_of(draft)) == ("x", {})


def test_errors_are_caught_as_ever() -> None:
    draft = run_on_sip(
        "local ok, words = pcall(error, 'one', 0) tag('pcall', words)\n"
        "ok, words = xpcall(function() error('two', 0) end, function(w) return w .. '!' end)\n"
        "tag('xpcall', words)\n"
        "ok, words = coroutine.resume(coroutine.create(function() error('three', 0) end))\n"
        "tag('resume', words)\n"
        "tag('values', select('#', pcall(function() return 1, nil, nil end)))"
    )

    assert tags_of(draft) == {"pcall": "one", "xpcall": "two!", "resume": "three", "values": "4"}


def test_keep_stays_with_what_was_changed() -> None:
    draft = run_on_sip("tag('before', 1) keep()")

    assert draft.dropped is None
    assert tags_of(draft) == {"before": "1"}


@pytest.mark.parametrize("verdict", ["keep()", "drop('x')"])
def test_verdict_in_on_packet_is_that_of_the_whole_script(verdict: str) -> None:
    script = Filter(f"function on_packet(packet) {verdict} end function on_sip(message) tag('after', 1) end")

    assert tags_of(script.run()) == {}


def test_on_packet_runs_before_the_function_of_the_type() -> None:
    script = Filter(
        "function on_sip(message) tag('order', message:tag_value('order') .. ' sip') end\n"
        "function on_packet(packet) tag('order', 'packet') end"
    )

    assert tags_of(script.run()) == {"order": "packet sip"}


def test_packet_of_on_packet_is_of_no_use_in_on_sip() -> None:
    script = Filter(
        "function on_packet(packet) kept = packet end\nfunction on_sip(message)\nlocal x = kept.source\nend"
    )

    with pytest.raises(ScriptError, match=r"a\.lua:3: this packet belongs to an earlier packet"):
        script.run()


def with_call_id(call_id: str) -> bytes:
    return INVITE.replace(b"abc@192.0.2.1", call_id.encode())


def test_share_of_the_calls_is_kept() -> None:
    script = Filter("function on_sip(message) sample(0.25) tag('kept', 1) end")
    drafts = [script.run(a_draft(with_call_id(f"call-{number}"))) for number in range(2000)]

    kept = [draft for draft in drafts if draft.dropped is None]

    assert 400 < len(kept) < 600
    assert all(tags_of(draft) == {"kept": "1"} for draft in kept)
    assert {draft.dropped for draft in drafts} == {None, "sampled"}


@given(st.text("abcdef0123456789", min_size=1, max_size=8), st.floats(0, 1))
def test_all_messages_of_a_call_have_the_same_verdict_in_every_state(call_id: str, share: float) -> None:
    ringing = with_call_id(call_id).replace(b"INVITE sip:bob@example.com SIP/2.0", b"SIP/2.0 180 Ringing")
    body = f"sample({share!r})"

    one, other = (run_on_sip(body, a_draft(payload)) for payload in (with_call_id(call_id), ringing))

    assert one.dropped == other.dropped


@given(st.text(max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_what_a_share_keeps_a_larger_one_keeps_too(key: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    script = Filter(
        "function on_sip(message) sample(settings.share, settings.key) end", {"share": small, "key": key}
    )
    if script.run().dropped is not None:
        return

    script = Filter(
        "function on_sip(message) sample(settings.share, settings.key) end", {"share": large, "key": key}
    )

    assert script.run().dropped is None


@pytest.mark.parametrize("key", ["'x'", "5", "true", "message.from_user"])
def test_sample_takes_any_value_as_key(key: str) -> None:
    assert run_on_sip(f"sample(1, {key})").dropped is None
    assert run_on_sip(f"sample(0, {key})").dropped == "sampled"


def test_sample_returns_true_for_what_it_keeps() -> None:
    assert tags_of(run_on_sip("tag('kept', sample(1))")) == {"kept": "true"}


@pytest.mark.parametrize("share", ["-0.1", "1.1", "0/0", "'half'", "nil", "{}"])
def test_share_that_is_none_is_an_error(share: str) -> None:
    with pytest.raises(ScriptError, match=r"a\.lua:2: sample: the share is a number from 0 to 1, not "):
        run_on_sip(f"sample({share})")


def test_reason_that_is_no_text_is_an_error() -> None:
    with pytest.raises(ScriptError, match=r"a\.lua:2: drop: the reason is text, not a table"):
        run_on_sip("drop({})")


@pytest.mark.parametrize(
    "call", ["drop()", "keep()", "sample(1)", "set('node', 'x')", "tag('a', 1)", "mask('x')"]
)
def test_there_is_no_packet_while_a_script_is_loaded(call: str) -> None:
    with pytest.raises(ScriptError, match=r"a\.lua:1: .*: there is no packet while a script is loaded"):
        Filter(f"{call}\nfunction on_sip(message) end")


def test_error_names_file_and_line() -> None:
    with pytest.raises(ScriptError, match=r"a\.lua:2: oops"):
        run_on_sip("error('oops')")


def test_endless_loop_around_a_verdict_ends() -> None:
    with pytest.raises(ScriptError) as caught:
        run_on_sip("while true do pcall(function() error('x') end) end")

    assert caught.value.kind == "instructions"


def test_reason_is_one_line_and_cut() -> None:
    draft = run_on_sip("drop('\\27[31m\\n' .. ('x'):rep(1000000))")

    assert draft.dropped is not None
    assert draft.dropped.startswith("\\x1b[31m\\nx")
    assert len(draft.dropped) < 250
