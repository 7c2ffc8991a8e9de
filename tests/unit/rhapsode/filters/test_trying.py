"""How a packet is shown that scripts were tried on."""

from capture.draft import Draft
from capture.errors import ScriptError
from capture.hep.packet import Packet
from capture.interpret import Interpreter
from capture.settings import SipSettings
from rhapsode.filters.trial import Tried
from rhapsode.filters.trying import MOST_LINES, Tally, describe
from tests.support.drafts import INVITE, a_draft


def lines(draft: Draft, error: ScriptError | None = None) -> list[str]:
    return [line.plain for line in describe(7, Tried(draft, error))]


def test_packet_is_named_by_its_time_method_ends_and_session() -> None:
    head, unchanged = lines(a_draft())

    assert head == ("#7  2026-11-18 11:06:40.123456  INVITE  192.0.2.1:5060 → 192.0.2.2:5062  abc@192.0.2.1")
    assert unchanged == "    unchanged"


def test_fields_are_shown_before_and_after() -> None:
    draft = a_draft()
    draft.write("node_name", b"sbc\n1")
    draft.write("from_user", None)
    draft.write("custom:agent", b"x" * 400)

    assert lines(draft)[1:] == [
        "    node       – → sbc·1",
        "    from_user  alice → –",
        "    tag agent  – → " + "x" * 300 + "…",
    ]


def test_lines_of_a_payload_are_shown_where_they_differ() -> None:
    draft = a_draft()
    draft.write("payload", INVITE.replace(b"User-Agent: phone\r\n", b"").replace(b"alice", b"*****"))

    assert lines(draft)[1:] == [
        "    from_user   alice → *****",
        "    user_agent  phone → –",
        f"    payload, {len(INVITE)} → {len(INVITE) - 19} bytes",
        "      - From: <sip:alice@example.org>;tag=1",
        "      + From: <sip:*****@example.org>;tag=1",
        "      - User-Agent: phone",
    ]


def test_payload_that_is_all_other_is_not_shown_without_end() -> None:
    draft = a_draft()
    draft.write("raw", b"line\r\n" * 500)

    shown = lines(draft)

    assert len(shown) == MOST_LINES + 3
    assert shown[-1] == f"      … {500 + 8 + 1 - MOST_LINES} lines more"


def test_payload_that_differs_in_its_line_ends_alone_says_so() -> None:
    draft = a_draft()
    draft.write("raw", INVITE.replace(b"\r\n", b"\n"))

    assert lines(draft)[-1] == "      other line ends, or bytes that are no text"


def test_dropped_packet_says_why_and_nothing_else() -> None:
    draft = a_draft()
    draft.write("from_user", b"x")
    draft.drop("scanner")

    assert lines(draft)[1:] == ["    dropped: scanner"]


def test_error_says_where() -> None:
    error = ScriptError("error", "attempt to index a nil value", "mask.lua", 12)

    assert lines(a_draft(), error)[1:] == ["    error: mask.lua:12: attempt to index a nil value"]


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    draft = a_draft(INVITE.replace(b"abc@", b"\x1b[31m@"))
    draft.drop("\x1b[2J")

    shown = lines(draft, ScriptError("error", "\x07"))

    assert "".join(shown).isprintable()


def test_packet_without_addresses_or_method_has_a_line_all_the_same() -> None:
    packet = Packet(version=1, payload=b"\x80\xc8", source=bytes(15) + b"\1", source_port=7, protocol_type=34)

    draft = Draft(packet, Interpreter(SipSettings()).interpret(packet, None), 0)

    assert lines(draft)[0] == "#7  1970-01-01 00:00:00.000000  type 34  [::1]:7 → –  |::1"


def test_summary_counts_each_outcome() -> None:
    changed, dropped = a_draft(), a_draft()
    changed.write("from_user", b"x")
    dropped.drop("why")
    tally = Tally()

    for tried in (
        Tried(changed, None),
        Tried(dropped, None),
        Tried(a_draft(), None),
        Tried(a_draft(), ScriptError("error", "oh")),
    ):
        tally.count(tried)

    assert tally.line(4, 10_000).plain == (
        "4 packets: 1 changed, 1 dropped, 1 failed, 1 unchanged; 4 calls, 2.5 µs each"
    )
    assert tally.failed == 1
    assert Tally().line(0, 0).plain == "0 packets: 0 changed, 0 dropped, 0 failed, 0 unchanged"
