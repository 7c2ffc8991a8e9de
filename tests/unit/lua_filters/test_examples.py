"""The scripts that come with Rhapsode: each has tests, which pass, and says which settings it has."""

import re
from importlib import resources
from pathlib import Path

import pytest

from capture.addresses import packed_address
from capture.hep.packet import Packet
from capture.scripts.folder import Script, read_folder
from capture.scripts.tables import names_in
from capture.settings import FilterSettings, SipSettings
from rhapsode.filters.testing import find_test_files, run_file
from rhapsode.filters.trial import trial_of
from tests.support.drafts import INVITE, TIME_US

EXAMPLES = Path(str(resources.files("lua_filters").joinpath("examples")))
SCRIPTS = read_folder(EXAMPLES).scripts
PAGE = Path(__file__).parents[3] / "docs" / "lua.md"


@pytest.mark.parametrize("path", find_test_files(EXAMPLES), ids=lambda path: path.name)
def test_tests_of_an_example_pass(path: Path) -> None:
    outcome = run_file(path, lambda name: None)

    assert outcome.problem is None
    assert [(test.name, test.failure) for test in outcome.tests if test.failure] == []


SDP = b"v=0\r\nm=audio 1 RTP/SAVP 0\r\n" + b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n" * 20_000
HOSTILE = {
    "endless user": INVITE.replace(b"alice", b"+" + b"1" * 200_000),
    "endless name": INVITE.replace(b"alice", b"a" * 200_000),
    "endless called user": INVITE.replace(b"bob", b"1" * 200_000),
    "endless agent": INVITE.replace(b"phone", b"x" * 200_000),
    "endless leg": INVITE.replace(b"User-Agent", b"X-CID: " + b"a_b2b-1" * 30_000 + b"\r\nUser-Agent"),
    "endless Call-ID": INVITE.replace(b"abc@", b"_b2b-1" * 30_000),
    "many headers": INVITE.replace(b"User-Agent", b"X-Tenant: a\r\nDiversion: <sip:1@a>\r\n" * 5_000 + b"A"),
    "endless body": INVITE.replace(b"Content-Length: 0\r\n\r\n", b"\r\n") + SDP,
    "endless message": INVITE.replace(b"INVITE", b"MESSAGE") + b"x" * 1_000_000,
    "no SIP": b"\0\xff" * 100,
    "nothing": b"",
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_no_message_makes_an_example_fail(payload: bytes, tmp_path: Path) -> None:
    for script in SCRIPTS:
        (tmp_path / script.name).write_bytes(script.source)
    (tmp_path / "customers.csv").write_text("prefix,customer\n1111,acme\n")
    settings = FilterSettings(scripts={"trunk_metrics": {"192.0.2.1": "north"}})
    address = packed_address("192.0.2.1")
    packet = Packet(
        version=3, payload=payload, source=address, destination=address, protocol_type=1, capture_id=1
    )

    tried = [
        trial_of(tmp_path / script.name, settings, SipSettings()).run(packet, TIME_US) for script in SCRIPTS
    ]

    assert [str(each.error) for each in tried if each.error is not None] == []


def test_every_example_has_tests() -> None:
    tests = {path.name.removesuffix("_test.lua") for path in find_test_files(EXAMPLES)}

    assert {script.stem for script in SCRIPTS} == tests


def test_no_example_has_a_problem() -> None:
    assert read_folder(EXAMPLES).problems == ()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_example_says_at_its_beginning_which_settings_it_has(script: Script) -> None:
    source = script.source.decode()
    opening = re.match(r"(?:--[^\n]*\n)+", source)
    assert opening is not None

    read = set(re.findall(r"settings\.(\w+)", source))

    assert f"[filters.{script.stem}]" in opening[0]
    assert read <= set(re.findall(r"^-- (?:or )?(\w+) +=", opening[0], re.MULTILINE))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_example_asks_for_no_table_that_it_does_not_look_up(script: Script) -> None:
    wanted = names_in(script.source)

    assert wanted == ({b"customers.csv"} if script.stem == "customers" else set())


def test_every_example_is_on_the_page_of_scripts() -> None:
    page = PAGE.read_text()

    assert [script.name for script in SCRIPTS if f"`{script.stem}`" not in page] == []
