"""A folder of scripts as people have them for heplify-server, from packets to rows."""

import hashlib
from pathlib import Path

import pytest

from capture.draft import Draft
from capture.scripts.folder import read_folder
from capture.scripts.homer import load_old_scripts
from capture.scripts.lua import LuaState
from capture.scripts.traps import find_traps
from tests.support.drafts import TIME_US, a_draft
from tests.support.old_scripts import Table

SCRIPTS = Path(__file__).parent / "heplify"
SDP = b"v=0\r\nc=IN IP4 203.0.113.9\r\nm=audio 40000 RTP/AVP 0\r\n"


class Folder:
    """All of them, as they stand."""

    def __init__(self) -> None:
        self.table = Table()
        found = read_folder(SCRIPTS)
        self.loaded = load_old_scripts([[script] for script in found.scripts], LuaState, self.table.services)

    def run(self, draft: Draft) -> dict[str, object]:
        for functions in self.loaded.functions.values():
            for function in functions:
                self.loaded.host.run(function, draft)
        return {**draft.changes}


@pytest.fixture
def folder() -> Folder:
    return Folder()


def sip(method: str = "INVITE", more: str = "", body: bytes = b"", user: str = "alice") -> bytes:
    return (
        f"{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
        f"From: <sip:{user}@10.0.0.5>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: call-1\r\n"
        f"CSeq: 1 {method}\r\nUser-Agent: Phone/1.2\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def test_all_files_load_and_name_what_they_run(folder: Folder) -> None:
    assert folder.loaded.errors == {}
    assert {name: len(functions) for name, functions in folder.loaded.functions.items()} == {
        "00_tables.lua": 0,
        "10_agents.lua": 1,
        "20_headers.lua": 1,
        "30_trunks.lua": 1,
        "40_nat.lua": 1,
        "50_correlation.lua": 1,
        "60_profile.lua": 1,
        "70_censor.lua": 1,
        "80_media.lua": 1,
        "90_keepalives.lua": 1,
    }


def test_request_gets_names_headers_and_ids(folder: Folder) -> None:
    payload = sip(more="X-Customer:  4711 \r\nX-Trunk: blue\r\n")

    changes = folder.run(a_draft(payload))

    minute = TIME_US // 60_000_000
    assert changes == {
        "node_name": "sbc-north",
        "custom:customer": "4711",
        "custom:X-Trunk": "blue",
        "from_domain": "customer.example",
        "user_agent": "phone",
        "correlation_id": hashlib.md5(f"alicebob{minute}".encode(), usedforsecurity=False).hexdigest(),
        "profile": "call",
    }
    assert folder.table.said == [("debug", "domain of alice customer.example", "40_nat.lua", 9)]


def test_trunk_is_named_by_either_address(folder: Folder) -> None:
    changes = folder.run(a_draft(sip("OPTIONS"), source="198.51.100.7", capture_id=5))

    assert changes["sink:target_name"] == changes["sink:loki:trunk"] == "blue"
    assert "sink:loki:src_ip" not in changes
    assert "node_name" not in changes


def test_body_of_a_message_is_censored_and_no_other(folder: Folder) -> None:
    message = sip("MESSAGE", body=b"secret", more="Content-Type: text/plain\r\n")

    changes = folder.run(a_draft(message))

    assert changes["payload"] == message.replace(b"secret", b"******")
    assert "payload" not in folder.run(a_draft(sip("INFO", body=b"secret")))


def test_rtcp_finds_its_call_by_the_address_of_the_sdp(folder: Folder) -> None:
    folder.run(a_draft(sip(more="Content-Type: application/sdp\r\n", body=SDP)))

    rtcp = folder.run(a_draft(b"{}", protocol_type=5, source="203.0.113.9", source_port=40001))
    other = folder.run(a_draft(b"{}", protocol_type=5, source="203.0.113.9", source_port=40003))

    assert (rtcp["sid"], rtcp["correlation_id"]) == ("call-1", "call-1")
    assert "sid" not in other


def test_profile_is_not_asked_of_what_is_no_sip(folder: Folder) -> None:
    folder.run(a_draft(b"{}", protocol_type=5, capture_id=5))

    assert folder.table.said == [
        ("warn", "SetSIPProfile: the packet is not SIP; nothing is set", "60_profile.lua", 3)
    ]


def test_keep_alives_get_protocol_type_0(folder: Folder) -> None:
    assert folder.run(a_draft(sip("OPTIONS", user="keepalive")))["protocol_type"] == 0
    assert "protocol_type" not in folder.run(a_draft(sip("OPTIONS")))


def test_traps_of_the_folder_are_pointed_out() -> None:
    found = {
        script.name: [(trap.line, trap.words.split(" ")[0]) for trap in find_traps(script)]
        for script in read_folder(SCRIPTS).scripts
    }

    assert {name: traps for name, traps in found.items() if traps} == {
        "00_tables.lua": [(14, "trim(text)")],
        "60_profile.lua": [(3, "SetSIPProfile")],
        "70_censor.lua": [(8, "SetRawMessage")],
        "80_media.lua": [(5, "HashTable")],
        "90_keepalives.lua": [(2, "ignored")],
    }
