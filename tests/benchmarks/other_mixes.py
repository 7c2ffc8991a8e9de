"""Traffic beside the main mix, measured without a target: what each kind of platform would see of its own."""

import random
from collections.abc import Callable, Iterator
from itertools import islice

from tests.benchmarks import mix
from tests.benchmarks.mix import DOMAIN, LOOP, SBCS, SEED, hep_packet
from tests.support.captures import CORPUS, hep_packets

_START_US = 1_790_000_000_000_000
_SPACING_US = 220
_PACE = 0.02
"""Calls that follow each other so quickly must end quickly, or all would be under way at once."""


def main_mix() -> Iterator[bytes]:
    """Calls alone: see `mix`."""
    return (timed.packet for timed in mix.calls(0, _START_US, _SPACING_US, _PACE))


def options_and_registers() -> Iterator[bytes]:
    """Half of it calls; a quarter OPTIONS, each under a Call-ID of its own; a quarter REGISTER."""
    chance, calls = random.Random(SEED + 1), main_mix()
    while True:
        if chance.random() < 0.5:
            yield from _ping(chance)
        else:
            yield from _registration(chance)
        yield from islice(calls, 2)


def a_fifth_rtcp() -> Iterator[bytes]:
    """Calls, and one RTCP report to four messages of them, under the Call-ID that was last seen."""
    chance, calls = random.Random(SEED + 2), mix.calls(0, _START_US, _SPACING_US, _PACE)
    while True:
        messages = [timed.packet for timed in islice(calls, 4)]
        yield from messages
        yield _rtcp(chance, _call_id(messages[-1]))


def new_call_ids() -> Iterator[bytes]:
    """Every packet a Call-ID, a caller and an address that nobody has seen: a scanner, or an attack."""
    chance = random.Random(SEED + 3)
    while True:
        user = f"{chance.randrange(10**12):012d}"
        source = f"172.16.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        call_id = f"{chance.getrandbits(96):024x}{LOOP.decode()}"
        yield _request(chance, "INVITE", user, f"{user}@{DOMAIN}", call_id, (source, SBCS[0]), 1)


def corpus() -> Iterator[bytes]:
    """Packets that real programs sent, each as it was: the same Call-IDs over and over."""
    packets = [packet for capture in sorted(CORPUS.glob("*.pcap")) for packet in hep_packets(capture)]
    yield from packets


MIXES: dict[str, tuple[Callable[[], Iterator[bytes]], int]] = {
    "half OPTIONS and REGISTER": (options_and_registers, 60_000),
    "a fifth RTCP": (a_fifth_rtcp, 60_000),
    "a flood of new Call-IDs": (new_call_ids, 60_000),
    "the corpus": (corpus, 60_000),
}
"""Name → packets and how many of them the sender holds."""


def _ping(chance: random.Random) -> Iterator[bytes]:
    peer, sbc = f"192.0.2.{chance.randrange(1, 201)}", chance.choice(SBCS)
    call_id = f"{chance.getrandbits(96):024x}{LOOP.decode()}@{sbc}"
    yield _request(chance, "OPTIONS", "ping", peer, call_id, (sbc, peer), 1)
    yield _response("200 OK", "OPTIONS", "ping", call_id, (peer, sbc), 1)


def _registration(chance: random.Random) -> Iterator[bytes]:
    """A telephone that registers again: under the Call-ID of its last time."""
    number = chance.randrange(mix.CALLERS)
    user, source, sbc = mix.caller(number), mix.caller_address(number), SBCS[number % len(SBCS)]
    call_id, cseq = f"reg-{number * 7919:016x}@{source}", chance.randrange(1, 9999)
    yield _request(chance, "REGISTER", user, DOMAIN, call_id, (source, sbc), cseq)
    yield _response("200 OK", "REGISTER", user, call_id, (sbc, source), cseq)


def _request(
    chance: random.Random, method: str, user: str, target: str, call_id: str, ends: tuple[str, str], cseq: int
) -> bytes:
    branch = f"z9hG4bK{chance.getrandbits(64):016x}{LOOP.decode()}"
    text = (
        f"{method} sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP {ends[0]}:5060;rport;branch={branch}\r\n"
        f"From: <sip:{user}@{DOMAIN}>;tag={chance.getrandbits(40):010x}\r\nTo: <sip:{user}@{DOMAIN}>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
        f"Contact: <sip:{user}@{ends[0]}:5060>\r\nUser-Agent: Fanvil X6U 2.12.18.1\r\nExpires: 300\r\n"
        f"Allow: INVITE,ACK,CANCEL,BYE,NOTIFY,REFER,OPTIONS,INFO\r\nContent-Length: 0\r\n\r\n"
    )
    return hep_packet(text.encode(), _START_US, ends, (5060, 5060), call_id.encode(), node=1)


def _response(status: str, method: str, user: str, call_id: str, ends: tuple[str, str], cseq: int) -> bytes:
    text = (
        f"SIP/2.0 {status}\r\nVia: SIP/2.0/UDP {ends[1]}:5060;rport=5060;branch=z9hG4bK{LOOP.decode()}1\r\n"
        f"From: <sip:{user}@{DOMAIN}>;tag=1\r\nTo: <sip:{user}@{DOMAIN}>;tag=2\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\nServer: Oracle SBC SCZ9.1.0 MR-1 Patch 4\r\nContent-Length: 0\r\n\r\n"
    )
    return hep_packet(text.encode(), _START_US, ends, (5060, 5060), call_id.encode(), node=1)


def _rtcp(chance: random.Random, call_id: bytes) -> bytes:
    """A sender report as rtpengine words it."""
    text = (
        f'{{"sender_information":{{"ntp_timestamp_sec":{chance.getrandbits(31)},"ntp_timestamp_usec":'
        f'{chance.getrandbits(20)},"octets":{chance.randrange(10**6)},"rtp_timestamp":{chance.getrandbits(31)},'
        f'"packets":{chance.randrange(9999)}}},"ssrc":{chance.getrandbits(32)},"type":200,"report_count":1,'
        f'"report_blocks":[{{"source_ssrc":{chance.getrandbits(32)},"highest_seq_no":{chance.getrandbits(16)},'
        f'"fraction_lost":{chance.randrange(3)},"ia_jitter":{chance.randrange(90)},"packets_lost":0,'
        f'"lsr":{chance.getrandbits(32)},"dlsr":{chance.getrandbits(16)}}}],"sdes_count":0}}'
    )
    ends = (SBCS[0], mix.GATEWAYS[chance.randrange(len(mix.GATEWAYS))])
    return hep_packet(text.encode(), _START_US, ends, (30_001, 40_001), call_id, node=1, protocol_type=5)


def _call_id(packet: bytes) -> bytes:
    return packet.partition(b"\r\nCall-ID: ")[2].partition(b"\r\n")[0]
