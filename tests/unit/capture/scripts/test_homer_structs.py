"""The structs of heplify-server's scripts, read and written by assignment."""

import pytest

from capture.errors import ScriptError
from capture.settings import SipSettings
from tests.support.drafts import INVITE, TIME_US, a_draft
from tests.support.old_scripts import OldFolder, run, shown

RICH = (
    b"INVITE sip:bob@example.com;user=phone SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.net>;tag=2\r\n"
    b"Call-ID: abc@192.0.2.1\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Contact: <sip:alice@192.0.2.1:5070>\r\n"
    b'Authorization: Digest username="auth-alice", realm="x"\r\n'
    b"User-Agent: phone\r\n"
    b"Server: proxy\r\n"
    b"P-Asserted-Identity: <sip:1234@pai.example>\r\n"
    b"Remote-Party-ID: <sip:rpid@example.org>\r\n"
    b"Privacy: id\r\n"
    b"Organization: Example\r\n"
    b"Max-Forwards: 69\r\n"
    b'Reason: Q.850;cause=16;text="bye"\r\n'
    b"Diversion: <sip:div@example.org>\r\n"
    b"Expires: 300\r\n"
    b"X-RTP-Stat: PS=100\r\n"
    b"Content-Type: text/plain\r\n"
    b"Content-Length: 4\r\n\r\nbody"
)
RESPONSE = (
    b"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
    b"To: <sip:b@y>;tag=2\r\nCall-ID: abc\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Version", "number 2"),
        ("Protocol", "number 17"),
        ("SrcIP", "string 192.0.2.1"),
        ("DstIP", "string 192.0.2.2"),
        ("SrcPort", "number 5060"),
        ("DstPort", "number 5062"),
        ("Tsec", "number 1795000000"),
        ("Tmsec", "number 123456"),
        ("ProtoType", "number 1"),
        ("NodeID", "number 2001"),
        ("NodePW", "string secret"),
        ("CID", "string leg"),
        ("Vlan", "number 12"),
        ("ProtoString", "string sip"),
        ("Timestamp", "number 1795000000.1235"),
        ("NodeName", "string 2001"),
        ("TargetName", "string "),
        ("SID", "string abc@192.0.2.1"),
        ("SIP.FromUser", "string alice"),
        ("Nothing", "nil nil"),
    ],
)
def test_fields_of_the_hep_struct(field: str, expected: str) -> None:
    draft = a_draft(auth_key=b"secret", correlation_id=b"leg", vlan=12)

    assert shown(f"GetHEPStruct().{field}", draft) == expected


def test_payload_of_the_hep_struct_is_the_raw_message() -> None:
    run("function check() assert(GetHEPStruct().Payload == GetRawMessage()) end", a_draft())


def test_version_is_the_address_family_and_node_name_the_one_sent() -> None:
    draft = a_draft(source="2001:db8::1", destination="2001:db8::2", node_name=b"north")

    assert shown("GetHEPStruct().Version", draft) == "number 10"
    assert shown("GetHEPStruct().NodeName", draft) == "string north"


@pytest.mark.parametrize(("protocol_type", "name"), [(5, "rtcp"), (34, "rtpagent"), (100, "log"), (77, "77")])
def test_protocol_has_a_name_and_no_sip_struct(protocol_type: int, name: str) -> None:
    draft = a_draft(b"{}", protocol_type=protocol_type, correlation_id=b"call")

    assert shown("GetHEPStruct().ProtoString", draft) == f"string {name}"
    assert shown("GetHEPStruct().SIP", draft) == "nil nil"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("FromUser", "alice"),
        ("FromHost", "example.org"),
        ("FromTag", "1"),
        ("ToUser", "bob"),
        ("ToHost", "example.net"),
        ("ToTag", "2"),
        ("URIUser", "bob"),
        ("URIHost", "example.com"),
        ("URIRaw", "sip:bob@example.com;user=phone"),
        ("CallID", "abc@192.0.2.1"),
        ("XCallID", ""),
        ("FirstMethod", "INVITE"),
        ("FirstResp", ""),
        ("FirstRespText", ""),
        ("CseqMethod", "INVITE"),
        ("CseqVal", "7 INVITE"),
        ("ContactUser", "alice"),
        ("ContactHost", "192.0.2.1"),
        ("ContactPort", "5070"),
        ("ContactVal", "<sip:alice@192.0.2.1:5070>"),
        ("AuthUser", "auth-alice"),
        ("AuthVal", 'Digest username="auth-alice", realm="x"'),
        ("UserAgent", "phone"),
        ("Server", "proxy"),
        ("PaiUser", "1234"),
        ("PaiHost", "pai.example"),
        ("PAssertedIdVal", "<sip:1234@pai.example>"),
        ("ViaOne", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1"),
        ("ViaOneBranch", "z9hG4bK1"),
        ("ReasonVal", 'Q.850;cause=16;text="bye"'),
        ("DiversionVal", "<sip:div@example.org>"),
        ("Expires", "300"),
        ("ContentType", "text/plain"),
        ("ContentLength", "4"),
        ("RemotePartyIdVal", "<sip:rpid@example.org>"),
        ("Privacy", "id"),
        ("Organization", "Example"),
        ("MaxForwards", "69"),
        ("RTPStatVal", "PS=100"),
        ("Body", "body"),
        ("Profile", "call"),
    ],
)
def test_fields_of_the_sip_struct_are_texts(field: str, expected: str) -> None:
    assert shown(f"GetSIPStruct().{field}", a_draft(RICH)) == f"string {expected}"


def test_msg_is_the_whole_message_and_an_unknown_field_is_nil() -> None:
    run(
        "function check() assert(GetSIPStruct().Msg == GetRawMessage() and GetSIPStruct().No == nil) end",
        a_draft(),
    )


def test_fields_that_the_message_does_not_have_are_empty_texts() -> None:
    for field in ("PaiUser", "RTPStatVal", "AuthVal", "ContactVal", "Expires", "FirstResp"):
        assert shown(f"GetSIPStruct().{field}", a_draft()) == "string "


def test_of_a_response_the_first_method_is_its_status() -> None:
    draft = a_draft(RESPONSE)

    assert shown("GetSIPStruct().FirstMethod", draft) == "string 486"
    assert shown("GetSIPStruct().FirstResp", draft) == "string 486"
    assert shown("GetSIPStruct().FirstRespText", draft) == "string Busy Here"


SIP_FIELDS = {
    "FromUser": "from_user",
    "FromHost": "from_domain",
    "FromTag": "from_tag",
    "ToUser": "to_user",
    "ToHost": "to_domain",
    "ToTag": "to_tag",
    "URIUser": "ruri_user",
    "URIHost": "ruri_domain",
    "URIRaw": "ruri",
    "CallID": "call_id",
    "XCallID": "custom:callid_aleg",
    "FirstMethod": "method",
    "CseqVal": "cseq",
    "ContactUser": "contact_user",
    "ContactHost": "contact_domain",
    "AuthUser": "auth_user",
    "UserAgent": "user_agent",
    "Server": "server",
    "PaiUser": "pai_user",
    "PaiHost": "pai_domain",
    "ViaOne": "via",
    "ViaOneBranch": "via_branch",
    "ReasonVal": "reason",
    "DiversionVal": "diversion",
    "Expires": "expires",
    "ContentType": "content_type",
}


@pytest.mark.parametrize(("name", "field"), SIP_FIELDS.items())
def test_what_is_assigned_to_a_field_of_sip_is_stored_and_read_back(name: str, field: str) -> None:
    draft = run(
        f"function set() local s = GetSIPStruct() s.{name} = 'new' assert(s.{name} == 'new') end",
        a_draft(RICH),
    )

    assert draft.changes == {field: "new"}


@pytest.mark.parametrize(
    "name",
    [
        "CseqMethod",
        "ContactPort",
        "ContactVal",
        "AuthVal",
        "PAssertedIdVal",
        "ContentLength",
        "RemotePartyIdVal",
        "Privacy",
        "Organization",
        "MaxForwards",
        "RTPStatVal",
        "Body",
        "Msg",
        "FirstResp",
        "FirstRespText",
    ],
)
def test_field_that_is_not_stored_keeps_what_is_assigned_for_the_packet(name: str) -> None:
    folder = OldFolder(
        a=f"function set() local s = GetSIPStruct() seen = s.{name} s.{name} = 'new' end\n"
        f"function check() assert(GetSIPStruct().{name} == 'new') end",
        b="function restore() first = first or seen assert(seen == first) end",
    )

    assert folder.run(a_draft(RICH)).changes == {}
    folder.run(a_draft(RICH))


@pytest.mark.parametrize(
    ("assignment", "changes"),
    [
        ("Protocol = 6", {"ip_protocol": 6}),
        ("SrcIP = '192.0.2.9'", {"source": "192.0.2.9"}),
        ("DstIP = '192.0.2.9'", {"destination": "192.0.2.9"}),
        ("SrcPort = 1", {"source_port": 1}),
        ("DstPort = '2'", {"destination_port": 2}),
        ("Tsec = 1700000000", {"time_us": 1_700_000_000_123_456}),
        ("Tmsec = 7", {"time_us": 1_795_000_000_000_007}),
        ("Timestamp = 1700000000.5", {"time_us": 1_700_000_000_500_000}),
        ("ProtoType = 0", {"protocol_type": 0}),
        ("NodeID = 9", {"capture_id": 9}),
        ("Payload = 'x'", {"payload": b"x"}),
        ("CID = 'leg'", {"correlation_id": "leg"}),
        ("CID = nil", {"correlation_id": ""}),
        ("Vlan = 3", {"vlan": 3}),
        ("NodeName = 'north'", {"node_name": "north"}),
        ("TargetName = 'trunk'", {"sink:target_name": "trunk"}),
        ("SID = 'call'", {"sid": "call"}),
        ("SIP.FromUser = 'x'", {"from_user": "x"}),
        ("SIP.Profile = 'registration'", {"profile": "registration"}),
        ("Version = 10", {}),
        ("NodePW = 'x'", {}),
        ("ProtoString = 'x'", {}),
        ("SrcPort = 'http'", {}),
    ],
)
def test_what_is_assigned_to_a_field_of_hep_is_stored(assignment: str, changes: dict[str, object]) -> None:
    assert run(f"function set() GetHEPStruct().{assignment} end", a_draft()).changes == changes


def test_times_stay_exact_to_the_microsecond() -> None:
    draft = run("function set() local h = GetHEPStruct() h.Tsec, h.Tmsec = h.Tsec, h.Tmsec end", a_draft())

    assert draft.changes == {"time_us": TIME_US}


def test_what_one_function_assigns_another_reads() -> None:
    folder = OldFolder(
        a="function set() GetHEPStruct().Version = 10 SetHEPField('SrcIP', '192.0.2.9') end",
        b="function check() local h = GetHEPStruct() assert(h.Version == 10 and h.SrcIP == '192.0.2.9') end",
    )

    folder.run(a_draft())


def test_field_that_there_is_not_cannot_be_assigned() -> None:
    folder = OldFolder(a="function set()\n GetSIPStruct().FromUsr = 'x'\nend")

    with pytest.raises(ScriptError, match=r"^a.lua:2: the SIP struct has no field FromUsr$"):
        folder.run(a_draft())


def test_text_field_takes_no_table() -> None:
    folder = OldFolder(a="function set()\n GetHEPStruct().CID = {}\nend")

    with pytest.raises(ScriptError, match=r"^a.lua:2: CID is text, not a table$"):
        folder.run(a_draft())


def test_struct_may_be_kept_for_its_packet_only() -> None:
    folder = OldFolder(
        a="function keep()\n kept = kept or GetSIPStruct()\nend\nfunction use()\n used = kept.FromUser\nend"
    )
    folder.run(a_draft())

    with pytest.raises(ScriptError, match=r"^a.lua:5: this SIP struct is that of an earlier packet"):
        folder.run(a_draft())


def test_structs_are_closed_to_those_who_look_into_them() -> None:
    run(
        "function look()\n local s = GetSIPStruct()\n assert(getmetatable(s) == false)\n"
        " assert(not pcall(setmetatable, s, {}) and not pcall(rawset, s, 'a', 1))\n"
        " assert(tostring(s) == 'SIP struct' and s == GetSIPStruct() and s == GetHEPStruct().SIP)\nend",
        a_draft(),
    )


def test_custom_headers_are_read_written_and_gone_through() -> None:
    sip = SipSettings(custom_headers=("X-Trunk",))
    draft = run(
        "function set()\n local headers = GetSIPStruct().CustomHeader\n"
        " assert(headers['X-Trunk'] == 'blue' and headers['X-Other'] == nil)\n"
        " headers['X-Other'] = 'red'\n"
        " local found = {}\n"
        " for name, value in pairs(headers) do found[#found + 1] = name .. '=' .. value end\n"
        " table.sort(found)\n assert(table.concat(found, ' ') == 'X-Other=red X-Trunk=blue')\n"
        " GetSIPStruct().CustomHeader = {['X-More'] = 'green'}\nend",
        a_draft(INVITE.replace(b"User-Agent", b"X-Trunk: blue\r\nUser-Agent"), sip=sip),
    )

    assert draft.changes == {"custom:X-Other": "red", "custom:X-More": "green"}


def test_message_without_its_sip_struct_is_dropped() -> None:
    folder = OldFolder(
        a="function drop() GetHEPStruct().SIP = nil end",
        b="function check() assert(GetSIPStruct() == '' and GetHEPStruct().SIP == nil) end",
    )

    draft = folder.run(a_draft())

    assert draft.dropped == "a script took the SIP struct away"
    assert OldFolder(a="function look() assert(GetSIPStruct() ~= '') end").run(a_draft()).dropped is None
