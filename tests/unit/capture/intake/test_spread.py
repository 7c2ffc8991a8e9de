from collections import Counter

import pytest

from capture.intake.spread import choose_journal, spread_key
from tests.support.hep_bytes import a_hep3, chunk
from tests.support.sender import call_id, packet

PEER = bytes(10) + b"\xff\xff\xc0\x00\x02\x01"


def sip(header: bytes) -> bytes:
    return a_hep3(payload=b"OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n" + header + b"\r\nCSeq: 1 OPTIONS\r\n\r\n")


@pytest.mark.parametrize(
    "header", [b"Call-ID: abc@host", b"Call-ID:abc@host", b"i: abc@host", b"i:  abc@host "]
)
def test_call_id_is_the_key_in_its_usual_spellings(header: bytes) -> None:
    assert spread_key(sip(header), PEER) == b"abc@host"


def test_all_messages_of_a_call_have_one_key() -> None:
    assert [spread_key(packet(number), PEER) for number in range(6)] == [call_id(0).encode()] * 6


def test_correlation_id_is_the_key_where_no_call_id_is_seen() -> None:
    rtcp = a_hep3(chunk(0x11, b"abc@host"), payload=b'{"type":200}')

    assert spread_key(rtcp, PEER) == b"abc@host"


@pytest.mark.parametrize("length", [0, 5, 6, 60_000])
def test_correlation_chunk_of_an_impossible_length_is_passed_over(length: int) -> None:
    rtcp = a_hep3(payload=b"\0\0\0\x11" + length.to_bytes(2, "big") + b"abc")

    assert spread_key(rtcp, PEER) == PEER


@pytest.mark.parametrize("packet_bytes", [b"", b"rubbish", b"\nCall-ID", b"\0\0\0\x11", b"\0\0\0\x11\0"])
def test_anything_else_goes_by_its_sender(packet_bytes: bytes) -> None:
    assert spread_key(packet_bytes, PEER) == PEER


def test_endless_call_id_is_cut() -> None:
    assert len(spread_key(b"\nCall-ID:" + b"x" * 60_000, PEER)) == 1024


def test_journals_are_chosen_alike_in_every_run_and_evenly() -> None:
    choose, again = choose_journal(4), choose_journal(4)
    chosen = [choose(packet(number * 6), PEER) for number in range(2000)]

    assert chosen == [again(packet(number * 6 + 5), PEER) for number in range(2000)]
    assert set(chosen) == {0, 1, 2, 3}
    assert max(Counter(chosen).values()) < 600


def test_choice_is_the_same_in_every_version() -> None:
    # xxh3-64 of the Call-ID modulo 1,000: were it another, calls would change workers when intake is updated.
    assert choose_journal(1000)(packet(0), PEER) == 719
