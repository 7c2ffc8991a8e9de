"""Stored messages as packets again, for scripts to be tried on."""

import time
from pathlib import Path

import msgspec
import pytest

from capture.draft import Draft
from capture.errors import StoreError
from rhapsode.filters.stored import newest_packets
from tests.support.rhapsode import run
from tests.support.stored import a_packet, store

pytestmark = pytest.mark.slow

TIME_US = 1_795_000_000_000_000
SIP = b"OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n\r\n"
STORED = [
    a_packet(TIME_US, SIP % 1),
    a_packet(TIME_US + 1, b'{"type": 200}', protocol_type=5, correlation_id=b"call-1", node_name=b"sbc"),
    a_packet(
        TIME_US + 2, SIP % 2, vlan=7, family=10, source=bytes(15) + b"\1", destination=bytes(15) + b"\2"
    ),
    a_packet(TIME_US + 3, b"a line", protocol_type=100, correlation_id=b"call-2", capture_id=None),
]


async def test_messages_of_all_classes_come_back_as_they_were_sent(database_url: str) -> None:
    await store(database_url, STORED)

    assert await newest_packets(database_url, TIME_US, 100) == STORED


async def test_newest_are_taken_whatever_their_class(database_url: str) -> None:
    await store(database_url, STORED)

    assert await newest_packets(database_url, TIME_US, 2) == STORED[2:]
    assert await newest_packets(database_url, TIME_US + 3, 2) == STORED[3:]
    assert await newest_packets(database_url, TIME_US + 4, 2) == []


async def test_ids_that_stand_for_addresses_alone_are_the_same_when_read_again(database_url: str) -> None:
    report = a_packet(TIME_US, b"{}", protocol_type=34)
    await store(database_url, [report])

    (found,) = await newest_packets(database_url, TIME_US, 1)

    pair = b"192.0.2.1|192.0.2.2"
    assert found == msgspec.structs.replace(report, correlation_id=pair)


async def test_fields_that_a_script_set_beside_the_payload_are_not_taken_for_what_was_sent(
    database_url: str,
) -> None:
    await store(database_url, STORED[:1], script=set_from_user)

    assert await newest_packets(database_url, TIME_US, 1) == STORED[:1]


def set_from_user(draft: Draft) -> None:
    assert draft.write("from_user", b"hidden") is None
    assert draft.write("sid", b"another") is None


async def test_database_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(StoreError, match=r"refused|Connect"):
        await newest_packets("postgresql://nobody@127.0.0.1:1/none", 0, 1)


SCRIPT = """
function on_packet(packet)
    if packet.protocol_type == 100 then
        drop("log")
    end
    set("node", "here")
end
"""


async def test_script_is_tried_on_what_came_lately_and_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    now_us = time.time_ns() // 1000
    old, lately = a_packet(now_us - 3_600_000_000, SIP % 1), a_packet(now_us - 1000, SIP % 2)
    line = a_packet(now_us, b"a line", protocol_type=100, correlation_id=b"call-1")
    await store(database_url, [old, lately, line])
    script = tmp_path / "here.lua"
    script.write_text(SCRIPT)

    first, second = (
        run("filter", "try", script, "--last", "10m", "--database-url", database_url) for _ in range(2)
    )

    assert (first.returncode, first.stderr) == (0, "")
    assert "    node  – → here\n" in first.stdout
    assert "    dropped: log\n" in first.stdout
    assert "2 packets: 1 changed, 1 dropped, 0 failed, 0 unchanged; 2 calls, " in first.stdout
    assert first.stdout.partition("; ")[0] == second.stdout.partition("; ")[0]
    assert await newest_packets(database_url, 0, 10) == [old, lately, line]
