"""The page that scripts are written from: each piece of Lua on it runs as it stands."""

import re
from pathlib import Path

import pytest

from capture.addresses import packed_address
from capture.hep.packet import Packet
from capture.settings import FilterSettings, SipSettings
from rhapsode.filters.testing import run_file
from rhapsode.filters.trial import trial_of
from tests.support.drafts import INVITE, TIME_US

PAGE = (Path(__file__).parents[3] / "docs" / "lua.md").read_text()
BLOCKS = [
    (PAGE.count("\n", 0, found.start()) + 1, found[1])
    for found in re.finditer(r"^```lua\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]
SCRIPTS = [(line, source) for line, source in BLOCKS if re.search(r"^function on_", source, re.MULTILINE)]
MODULES = [source for _, source in BLOCKS if source.startswith("-- lib/numbers.lua")]
SDP = (
    b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 0 96\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n"
)
PACKETS = [
    (1, INVITE),
    (
        1,
        INVITE.replace(
            b"Content-Length: 0\r\n\r\n", b"Content-Type: application/sdp\r\nX-CID: a_b2b-1\r\n\r\n"
        )
        + SDP,
    ),
    (1, INVITE.replace(b"INVITE sip:bob@example.com SIP/2.0", b"SIP/2.0 503 Service Unavailable")),
    *(
        (1, INVITE.replace(b"INVITE", method))
        for method in (b"OPTIONS", b"MESSAGE", b"SUBSCRIBE", b"REGISTER")
    ),
    (1, b"SIP/2.0 200 OK\r\n\r\n"),
    (5, b'{"report_blocks":[{"fraction_lost":3}]}'),
    (5, b"\x80\xc8\x00\x06" + bytes(24)),
    (100, b"callid=abc CRITICAL: it burns"),
    (100, b'{"level":3}'),
    (34, b"whatever"),
]


def packet(protocol_type: int, payload: bytes) -> Packet:
    address = packed_address("192.0.2.1")
    return Packet(
        version=3,
        payload=payload,
        source=address,
        destination=address,
        protocol_type=protocol_type,
        capture_id=2001,
    )


@pytest.mark.parametrize(
    "source", [source for _, source in SCRIPTS], ids=[f"line {line}" for line, _ in SCRIPTS]
)
def test_script_on_the_page_fails_with_no_packet(source: str, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "numbers.lua").write_text(MODULES[0])
    for name, table in {
        "customers": "user,customer\nalice,acme\n",
        "prefixes": "prefix,country\nbob,home\n",
    }.items():
        (tmp_path / f"{name}.csv").write_text(table)
    (tmp_path / "trunks.csv").write_text("address,trunk,capacity\n192.0.2.1,north,30\n")
    script = tmp_path / "a.lua"
    script.write_text(source)
    trial = trial_of(script, FilterSettings(), SipSettings())

    errors = [trial.run(packet(*given), TIME_US).error for given in PACKETS]

    assert [str(error) for error in errors if error is not None] == []
    assert trial.calls > 0


@pytest.mark.parametrize("words", ["friendly-scanner", "trunks.csv"])
def test_tests_on_the_page_pass_with_its_script(words: str, tmp_path: Path) -> None:
    tests = [source for _, source in BLOCKS if source.startswith("test(") and words in source]
    scripts = [source for _, source in SCRIPTS if words in source]
    assert len(tests) == 1
    (tmp_path / "a.lua").write_text(scripts[0])
    (tmp_path / "a_test.lua").write_text(tests[0])

    outcome = run_file(tmp_path / "a_test.lua", lambda name: None)

    assert outcome.problem is None
    assert [test.failure for test in outcome.tests if test.failure] == []


def test_page_has_examples() -> None:
    assert len(SCRIPTS) > 25
    assert len(MODULES) == 1


NAMES = (
    *("drop", "keep", "sample", "set", "tag", "remove_header", "mask", "redact_body", "redact_sdp_keys"),
    *("correlate", "route", "count", "observe", "log.warn", "cache.get", "cache.set", "cache.delete"),
    *("lookup.file", "settings.NAME", "hash.md5", "json.decode", "require"),
    *("message:header", "message:sdp", "report:json", ":tag_value"),
)


@pytest.mark.parametrize("name", NAMES)
def test_every_function_is_on_the_page(name: str) -> None:
    assert f"`{name}" in PAGE
