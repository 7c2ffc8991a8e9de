"""The functions of heplify-server's scripts."""

import logging

import pytest

from capture.draft import Draft
from capture.errors import ScriptError
from capture.scripts.folder import make_script
from capture.scripts.homer import load_old_scripts, old_services
from capture.scripts.lua import LuaState
from capture.scripts.saying import Sayings
from capture.scripts.services import Services
from capture.settings import FilterSettings, SipSettings
from tests.support.drafts import INVITE, a_draft
from tests.support.old_scripts import OldFolder, Table, run, shown

FUNCTIONS = [
    "GetHEPStruct",
    "GetSIPStruct",
    "GetHEPProtoType",
    "GetHEPSrcIP",
    "GetHEPDstIP",
    "GetHEPSrcPort",
    "GetHEPDstPort",
    "GetHEPTimeSeconds",
    "GetHEPTimeUseconds",
    "GetHEPNodeID",
    "GetHEPCID",
    "GetSIPCallID",
    "GetRawMessage",
    "SetRawMessage",
    "SetHEPField",
    "SetSIPProfile",
    "SetSIPHeader",
    "SetCustomSIPHeader",
    "SetCustomHeader",
    "SetLokiLabel",
    "HashTable",
    "HashString",
    "Logp",
    "Print",
]
RTCP = b'{"type": 200}'


def rtcp() -> Draft:
    return a_draft(RTCP, protocol_type=5, correlation_id=b"abc@192.0.2.1")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("GetHEPProtoType()", "number 1"),
        ("GetHEPSrcIP()", "string 192.0.2.1"),
        ("GetHEPDstIP()", "string 192.0.2.2"),
        ("GetHEPSrcPort()", "number 5060"),
        ("GetHEPDstPort()", "number 5062"),
        ("GetHEPTimeSeconds()", "number 1795000000"),
        ("GetHEPTimeUseconds()", "number 123456"),
        ("GetHEPNodeID()", "number 2001"),
        ("GetHEPCID()", "string leg"),
        ("GetSIPCallID()", "string abc@192.0.2.1"),
        ("#GetRawMessage()", f"number {len(INVITE)}"),
        ("type(GetHEPStruct())", "string userdata"),
        ("type(GetSIPStruct())", "string userdata"),
        ("HEP.GetHEPSrcIP()", "string 192.0.2.1"),
        ("scriptEngine.GetHEPSrcIP()", "string 192.0.2.1"),
    ],
)
def test_getters_give_what_the_packet_says_with_its_type(expression: str, expected: str) -> None:
    assert shown(expression, a_draft(correlation_id=b"leg")) == expected


def test_ports_and_times_that_were_not_sent_are_numbers_too() -> None:
    draft = a_draft(source_port=None, capture_id=None, destination="")

    assert shown("GetHEPSrcPort()", draft) == "number 0"
    assert shown("GetHEPNodeID()", draft) == "number 0"
    assert shown("GetHEPDstIP()", draft) == "string "
    assert shown("GetHEPCID()", draft) == "string "


def test_every_function_stands_under_the_older_prefixes_too() -> None:
    folder = OldFolder(
        a="function look()\n"
        + "\n".join(f"assert(HEP.{name} and scriptEngine.{name} and {name}, '{name}')" for name in FUNCTIONS)
        + "\nend"
    )

    folder.run(a_draft())


@pytest.mark.parametrize("expression", ["GetSIPStruct()", "GetSIPCallID()"])
def test_packet_that_is_not_sip_has_an_empty_text_for_its_sip(expression: str) -> None:
    assert shown(expression, rtcp()) == "string "


def test_while_a_script_is_loaded_there_is_no_packet() -> None:
    folder = OldFolder(a="found = {GetHEPStruct(), GetSIPStruct(), GetRawMessage(), GetHEPSrcPort()}")

    assert folder.scripts.errors == {}
    assert OldFolder(a="assert(GetHEPStruct() == '' and GetHEPSrcPort() == 0)").scripts.errors == {}


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("ProtoType", "100", "protocol_type", 100),
        ("SrcIP", "192.0.2.77", "source", "192.0.2.77"),
        ("DstIP", "2001:db8::1", "destination", "2001:db8::1"),
        ("SrcPort", "5070", "source_port", 5070),
        ("DstPort", "+5071", "destination_port", 5071),
        ("NodeID", "7", "capture_id", 7),
        ("CID", "leg", "correlation_id", "leg"),
        ("SID", "call", "sid", "call"),
        ("NodeName", "north", "node_name", "north"),
        ("TargetName", "trunk", "sink:target_name", "trunk"),
    ],
)
def test_set_hep_field_sets_each_of_its_names(name: str, value: str, field: str, expected: object) -> None:
    draft = run(f"function set() SetHEPField('{name}', '{value}') end", a_draft())

    assert draft.changes == {field: expected}


@pytest.mark.parametrize(
    "call",
    [
        "SetHEPField('SrcPort', 'http')",
        "SetHEPField('SrcPort', '5060 ')",
        "SetHEPField('SrcPort', '1e3')",
        "SetHEPField('SrcPort', '')",
        "SetHEPField('SrcPort', '99999')",
        "SetHEPField('SrcPort')",
        "SetHEPField('Vlan', '3')",
        "SetHEPField('Payload', 'x')",
        "SetHEPField('SrcIP', 'gateway')",
        "SetHEPField('SID', '')",
        "SetHEPField('', 'x')",
        "SetHEPField()",
    ],
)
def test_set_hep_field_ignores_what_it_cannot_read_and_does_not_know(call: str) -> None:
    assert run(f"function set() {call} end", a_draft()).changes == {}


def test_address_that_is_none_is_named_in_the_log() -> None:
    folder = OldFolder(a="function set()\n SetHEPField('SrcIP', 'gateway')\nend")

    folder.run(a_draft())

    assert folder.said == [
        ("warn", "source is an IPv4 or IPv6 address; it stays as it was", "a.lua", 2),
    ]


def test_numbers_are_taken_for_text() -> None:
    draft = run("function set() SetHEPField('SrcPort', 5070) SetHEPField('CID', 12) end", a_draft())

    assert draft.changes == {"source_port": 5070, "correlation_id": "12"}


def test_what_is_neither_text_nor_number_is_an_error_at_the_line_of_the_script() -> None:
    folder = OldFolder(a="function set()\n\n SetSIPHeader('FromUser', {})\nend")

    with pytest.raises(ScriptError) as raised:
        folder.run(a_draft())

    assert str(raised.value) == "a.lua:3: FromUser is text, not a table"


def test_proto_type_0_is_set_for_who_drops_such_packets() -> None:
    assert run("function set() SetHEPField('ProtoType', '0') end", a_draft()).changes == {"protocol_type": 0}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("call", "call"),
        ("c", "call"),
        ("registration", "registration"),
        ("reg", "registration"),
        ("default", "default"),
        ("x", "default"),
        ("Call", "default"),
        ("", "default"),
    ],
)
def test_profile_is_chosen_by_its_first_letter(profile: str, expected: str) -> None:
    assert run(f"function set() SetSIPProfile('{profile}') end", a_draft()).changes == {"profile": expected}


@pytest.mark.parametrize(
    "call", ["SetSIPProfile('call')", "SetSIPHeader('FromUser', 'x')", "SetCustomSIPHeader({a = 'b'})"]
)
def test_setters_of_sip_do_nothing_to_another_packet_but_say_so(call: str) -> None:
    folder = OldFolder(a=f"function set() {call} end")

    draft = folder.run(rtcp())

    assert draft.changes == {}
    assert [(level, line) for level, _, _, line in folder.said] == [("warn", 1)]


GO_NAMES = {
    "FromUser": "from_user",
    "FromHost": "from_domain",
    "FromTag": "from_tag",
    "ToUser": "to_user",
    "ToHost": "to_domain",
    "ToTag": "to_tag",
    "URIUser": "ruri_user",
    "URIHost": "ruri_domain",
    "CallID": "call_id",
    "XCallID": "custom:callid_aleg",
    "Method": "method",
    "ContactUser": "contact_user",
    "ContactHost": "contact_domain",
    "AuthUser": "auth_user",
    "UserAgent": "user_agent",
    "Server": "server",
    "PaiUser": "pai_user",
    "PaiHost": "pai_domain",
    "ViaOne": "via",
}
COLUMNS = {
    "from_user": "from_user",
    "from_domain": "from_domain",
    "from_tag": "from_tag",
    "to_user": "to_user",
    "to_domain": "to_domain",
    "to_tag": "to_tag",
    "ruri_user": "ruri_user",
    "ruri_domain": "ruri_domain",
    "callid_aleg": "custom:callid_aleg",
    "contact_user": "contact_user",
    "contact_domain": "contact_domain",
    "auth_user": "auth_user",
    "user_agent": "user_agent",
    "pid_user": "pai_user",
    "pid_domain": "pai_domain",
    "via": "via",
}


@pytest.mark.parametrize(("name", "field"), [*GO_NAMES.items(), *COLUMNS.items()])
def test_set_sip_header_knows_the_names_of_go_and_of_the_columns(name: str, field: str) -> None:
    assert run(f"function set() SetSIPHeader('{name}', 'new') end", a_draft()).changes == {field: "new"}


@pytest.mark.parametrize("name", ["X-Trunk", "URIRaw", "Agent", "callid"])
def test_any_other_name_is_a_custom_header(name: str) -> None:
    draft = run(f"function set() SetSIPHeader('{name}', 'new') end", a_draft())

    assert draft.changes == {f"custom:{name}": "new"}


def test_custom_headers_of_a_table_are_added_to_those_there_are() -> None:
    draft = run(
        "function set()\n SetSIPHeader('X-A', '1')\n"
        " SetCustomSIPHeader({['X-B'] = '2', ['X-C'] = 3, ['X-D'] = {}, [1] = 'x', [''] = 'y'})\nend",
        a_draft(),
    )

    assert draft.changes == {"custom:X-A": "1", "custom:X-B": "2", "custom:X-C": "3"}


def test_raw_message_is_replaced_and_fields_stay() -> None:
    draft = run(
        "function set()\n SetRawMessage('censored')\n assert(GetRawMessage() == 'censored')\n"
        " local sip = GetSIPStruct()\n assert(sip.FromUser == 'alice' and sip.Msg:match('^INVITE'))\n"
        " assert(sip.ContentLength == '0' and sip.Body == '')\nend",
        a_draft(),
    )

    assert draft.changes == {"payload": b"censored"}


LABELS_IGNORED = [
    ("job", "x"),
    ("src_ip", "x"),
    ("9lives", "x"),
    ("a-b", "x"),
    ("", "x"),
    ("a" * 65, "x"),
    ("a", ""),
    ("a", "x" * 1025),
]


@pytest.mark.parametrize(("name", "value"), LABELS_IGNORED)
def test_loki_label_against_its_rules_is_ignored(name: str, value: str) -> None:
    assert run(f"function set() SetLokiLabel('{name}', '{value}') end", a_draft()).changes == {}


def test_loki_labels_are_kept_up_to_five_of_a_packet() -> None:
    folder = OldFolder(
        a="function set() for i = 1, 7 do SetLokiLabel('label_' .. i, i) end SetLokiLabel('label_1', 'b') end"
    )

    first, second = folder.run(a_draft()), folder.run(a_draft())

    expected = {"sink:loki:label_1": "b"} | {
        f"sink:loki:label_{number}": str(number) for number in range(2, 6)
    }
    assert first.changes == expected
    assert second.changes == expected


def test_hash_table_remembers_texts_over_packets() -> None:
    table = Table()
    OldFolder(table, a="function set() assert(HashTable('set', 'key', 12) == '') end").run(a_draft())

    OldFolder(
        table,
        a="function get()\n assert(HashTable('get', 'key', '') == '12' and HashTable('get', 'none') == '')\n"
        " assert(HashTable('del', 'key') == '' and HashTable('get', 'key') == '')\n"
        " assert(HashTable('other', 'key', 'x') == '')\nend",
    ).run(a_draft())

    assert table.kept == {}


def test_hash_table_of_a_worker_says_what_it_cannot_keep() -> None:
    services = Services(None, FilterSettings())
    services.sayings = Sayings(lambda level, place, words: said.append((level, place, words)))
    said: list[tuple[int, str, str]] = []
    script = make_script(
        "a.lua",
        b"function keep()\n HashTable('set', 'key', 'x')\n HashTable('set', 'large', ('x'):rep(5000000))\n"
        b" assert(HashTable('get', 'key') == 'x' and HashTable('get', 'large') == '')\n"
        b" HashTable('del', 'key')\nend",
    )
    loaded = load_old_scripts([[script]], LuaState, old_services(services))

    loaded.host.run(loaded.functions["a.lua"][0], a_draft())

    assert said == [
        (logging.WARNING, "a.lua:3", "HashTable: 5000325 bytes are too many for one value: at most 4194304")
    ]
    assert len(services.hash_table) == 0


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("crc32", "abc"),
    ],
)
def test_hash_string_gives_hexadecimal_digits_or_the_text_itself(algorithm: str, expected: str) -> None:
    assert shown(f"HashString('{algorithm}', 'abc')", a_draft()) == f"string {expected}"


def test_log_has_errors_and_debugging_and_print_is_information() -> None:
    folder = OldFolder(
        a="function talk()\n Logp('ERROR', 'a message', 7)\n Logp('info', 'another')\n Print('x', nil, 2)\n"
        " print(true)\nend"
    )

    folder.run(a_draft())

    assert folder.said == [
        ("error", "a message 7", "a.lua", 2),
        ("debug", "another", "a.lua", 3),
        ("info", "x nil 2", "a.lua", 4),
        ("info", "true", "a.lua", 5),
    ]


def test_aleg_call_id_is_what_the_header_of_the_settings_says() -> None:
    sip = SipSettings(correlation_headers=("X-CID",))
    draft = a_draft(INVITE.replace(b"User-Agent", b"X-CID: first-leg\r\nUser-Agent"), sip=sip)

    assert shown("GetSIPStruct().XCallID", draft) == "string first-leg"
    assert shown("GetSIPStruct().XCallID", a_draft()) == "string "
