"""The benchmark's traffic, from a seed: calls as a carrier sees them, and other mixes to compare with.

The main mix: 7.8 messages a call and 942 bytes a packet on average; 60,000 callers, of which the 6,000 busy
ones make 70 % of the calls and the long tail the rest; 100,000 callees. Half of the calls are seen on the
access side (telephone or PBX to SBC), half on the trunk side (SBC to gateway). Call number n is the same in
every run.

`LOOP` stands in all of a packet's ids where the sender writes the number of its pass through the packets, so
that each pass brings new calls. Shares no code with `capture`.
"""

import heapq
import random
import struct
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from tests.benchmarks.templates import REQUEST, RESPONSE, SDP, SERVERS, TELEPHONES
from tests.support.sender import chunk

SEED = 20261124
CALLERS, BUSY_CALLERS, CALLEES = 60_000, 6_000, 100_000
BUSY_SHARE = 0.7
LOOP = b"0000000z"
"""Eight characters that nothing else in a packet spells."""
GATEWAYS = tuple(f"198.51.100.{number}" for number in range(1, 33))
SBCS = tuple(f"203.0.113.{number}" for number in range(1, 5))
DOMAIN = "voice.example"
_NAMES = (
    "Anna Berg",
    "Reception",
    "Jonas Weber",
    "Support desk",
    "M. Okafor",
    "Front office",
    "Li Wei",
    "Unknown",
)
_COUNTRIES, _AREAS, _EXCHANGES = ("49", "43", "41"), 20, 100


class Timed(NamedTuple):
    """One packet and its capture time."""

    time_us: int
    packet: bytes


def caller(number: int) -> str:
    """The number of a caller, 12 digits; those below BUSY_CALLERS are the busy ones."""
    return _e164(number, 7919)


def callee(number: int) -> str:
    return _e164(number, 6007)


def _e164(number: int, prime: int) -> str:
    # The last five digits alone tell all apart: the prime has no factor in common with 100,000.
    mixed = number * 2_654_435_761 % 2**32
    country, area = _COUNTRIES[mixed % 3], mixed // 3 % _AREAS + 30
    return f"{country}{area}{mixed // 60 % _EXCHANGES:03d}{number * prime % 100_000:05d}"


def caller_address(number: int) -> str:
    """Busy callers stand behind one of 200 PBXs, each of the others is a telephone."""
    if number < BUSY_CALLERS:
        return f"192.0.2.{number % 200 + 1}"
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


Step = tuple[float, bool, str, str, bool]
"""Seconds since the step before, whether the calling side says it, its method or status, the method of its
transaction, and whether it carries SDP."""

_SETUP: tuple[Step, ...] = ((0, True, "INVITE", "INVITE", True), (0.01, False, "100 Trying", "INVITE", False))
_CHALLENGE: tuple[Step, ...] = (
    (0, True, "INVITE", "INVITE", True),
    (0.01, False, "407 Proxy Authentication Required", "INVITE", False),
    (0.01, True, "ACK", "ACK", False),
)
_RINGING: tuple[Step, ...] = ((1.2, False, "180 Ringing", "INVITE", False),)
_PROGRESS: tuple[Step, ...] = ((0.8, False, "183 Session Progress", "INVITE", True),)
_ANSWER: tuple[Step, ...] = ((6, False, "200 OK", "INVITE", True), (0.05, True, "ACK", "ACK", False))
_HANGUP: tuple[Step, ...] = ((0, True, "BYE", "BYE", False), (0.03, False, "200 OK", "BYE", False))
_HOLD: tuple[Step, ...] = (
    (5, True, "INVITE", "INVITE", True),
    (0.02, False, "100 Trying", "INVITE", False),
    (0.02, False, "200 OK", "INVITE", True),
    (0.02, True, "ACK", "ACK", False),
)
_CANCEL: tuple[Step, ...] = (
    (12, True, "CANCEL", "CANCEL", False),
    (0.01, False, "200 OK", "CANCEL", False),
    (0.02, False, "487 Request Terminated", "INVITE", False),
    (0.02, True, "ACK", "ACK", False),
)


def _refusal(status: str) -> tuple[Step, ...]:
    return ((0.5, False, status, "INVITE", False), (0.02, True, "ACK", "ACK", False))


RARE_STATUSES = ("488 Not Acceptable Here", "500 Server Internal Error", "604 Does Not Exist Anywhere")
_OUTCOMES: tuple[tuple[float, tuple[Step, ...]], ...] = (
    (0.478, _SETUP + _RINGING + _ANSWER + _HANGUP),
    (0.178, _CHALLENGE + _SETUP + _RINGING + _PROGRESS + _ANSWER + _HANGUP),
    (0.060, _SETUP + _RINGING + _ANSWER + _HOLD + _HOLD + _HANGUP),
    (0.120, _SETUP + _RINGING + _CANCEL),
    (0.099, _SETUP + _RINGING + _refusal("486 Busy Here")),
    (0.040, _SETUP + _refusal("404 Not Found")),
    (0.0145, _SETUP + _refusal("480 Temporarily Unavailable")),
    (0.008, _SETUP + _refusal("503 Service Unavailable")),
    (0.002, _SETUP + _refusal(RARE_STATUSES[0])),
    (0.0004, _SETUP + _refusal(RARE_STATUSES[1])),
    (0.0001, _SETUP + _refusal(RARE_STATUSES[2])),
)
_SHARES = [share for share, _ in _OUTCOMES]


class Call:
    """Call number n: who, where, what happens, and the bytes of its packets."""

    def __init__(self, number: int) -> None:
        chance = random.Random(SEED * 1_000_003 + number)
        busy = chance.random() < BUSY_SHARE
        self.number = number
        self.caller_number = (
            chance.randrange(BUSY_CALLERS) if busy else chance.randrange(BUSY_CALLERS, CALLERS)
        )
        self.caller, self.callee = caller(self.caller_number), callee(chance.randrange(CALLEES))
        self.hold_s = chance.uniform(2, 170)
        (self.steps,) = chance.choices([steps for _, steps in _OUTCOMES], _SHARES)
        sbc = chance.choice(SBCS)
        access = chance.random() < 0.5
        ends = (caller_address(self.caller_number), sbc) if access else (sbc, chance.choice(GATEWAYS))
        self._ports = (5060, 5060) if busy else (chance.randrange(1024, 60_000), 5060)
        self.source, self.destination = ends
        self._chance = chance
        self.call_id = f"{self._hex(24)}-{LOOP.decode()}@{ends[0]}"
        self._shared = {
            "display": chance.choice(_NAMES),
            "domain": DOMAIN,
            "caller": self.caller,
            "callee": self.callee,
            "from_tag": f"{self._hex(10)}{LOOP.decode()}",
            "call_id": self.call_id,
            "source": ends[0],
            "sbc": ends[1],
            "icid": self._hex(32),
            "owner": str(chance.randrange(10**9)),
            "hop": number % 8 + 1,
            "via": f"{ends[0]}:{self._ports[0]}",
            "via_host": ends[0],
            "via_port": self._ports[0],
        }
        self._answering_tag = f";tag={self._hex(12)}{LOOP.decode()}"
        self._telephone = TELEPHONES[self.caller_number % len(TELEPHONES)]
        self._server = SERVERS[chance.randrange(len(SERVERS))]
        self._asserted = access and number % 2 == 0

    def _hex(self, digits: int) -> str:
        return f"{self._chance.getrandbits(4 * digits):0{digits}x}"

    def packets(self, start_us: int, pace: float = 1.0) -> Iterator[Timed]:
        """Its packets in order, to be asked for once; `pace` below 1 makes it last less long."""
        time_us, cseq, transaction = start_us, 0, ""
        for pause, calling, word, method, has_sdp in self.steps:
            pause += self.hold_s if word == "BYE" else 0
            time_us += int(pause * pace * 1_000_000) + 1
            if calling and word not in ("ACK", "CANCEL"):
                cseq, transaction = cseq + 1, f"z9hG4bK{self._hex(16)}{LOOP.decode()}"
            payload = self._payload(word, method, cseq, transaction, calling=calling, has_sdp=has_sdp)
            yield Timed(time_us, self._packet(payload, time_us, calling=calling))

    def _payload(
        self, word: str, method: str, cseq: int, branch: str, *, calling: bool, has_sdp: bool
    ) -> bytes:
        sender = self._telephone if calling else self._server
        words: dict[str, object] = {
            **self._shared,
            "method": method,
            "cseq": cseq,
            "branch": branch,
            "status": word,
        }
        early = word[:3] in ("100", "INV")
        words["to_tag"] = "" if early and cseq == 1 else self._answering_tag
        body = headers = contact = ""
        if has_sdp:
            port = 16_384 + 2 * self._chance.randrange(16_000)
            own = self.source if calling else self.destination
            session = sender.owner % words
            body = SDP % {"session": session, "media": own, "port": port, "rtcp": port + 1}
            headers = "Content-Type: application/sdp\r\n"
            if calling and self._asserted:
                headers += f"P-Asserted-Identity: <sip:+{self.caller}@{DOMAIN}>\r\n"
        routes = f"Record-Route: <sip:{self._shared['sbc']};lr>\r\n"
        if word in ("INVITE", "BYE", "200 OK") or has_sdp:
            headers = f"{sender.agent}\r\n{sender.lines % words}{headers}"
        elif word not in ("100 Trying", "ACK"):
            headers = f"{sender.agent}\r\n"
        if word in ("INVITE", "180 Ringing") or has_sdp:
            party, host = (self.caller, self.source) if calling else (self.callee, self.destination)
            contact = f"Contact: <sip:{party}@{host}:{self._ports[not calling]};transport=udp>\r\n"
        if word.startswith("407"):
            headers += (
                f'Proxy-Authenticate: Digest realm="{DOMAIN}", nonce="{self._hex(32)}", algorithm=MD5\r\n'
            )
        elif calling and method == "INVITE" and self.steps[1][2].startswith("407") and cseq == 2:
            headers += (
                f'Proxy-Authorization: Digest username="{self.caller}", realm="{DOMAIN}", '
                f'nonce="{self._hex(32)}", uri="sip:{self.callee}@{DOMAIN}", '
                f'response="{self._hex(32)}", algorithm=MD5\r\n'
            )
        if word not in ("100 Trying", "CANCEL"):
            headers = routes + headers
        words |= {
            "headers": headers,
            "contact": contact,
            "length": len(body),
            "target": f"{self.callee}@{DOMAIN}",
        }
        return ((REQUEST if calling else RESPONSE) % words + body).encode()

    def _packet(self, payload: bytes, time_us: int, *, calling: bool) -> bytes:
        ends, ports = (self.source, self.destination), self._ports
        if not calling:
            ends, ports = ends[::-1], ports[::-1]
        return hep_packet(payload, time_us, ends, ports, self.call_id.encode(), node=1 + self.number % 4)


def hep_packet(
    payload: bytes,
    time_us: int,
    ends: tuple[str, str],
    ports: tuple[int, int],
    correlation_id: bytes,
    *,
    node: int,
    protocol_type: int = 1,
) -> bytes:
    """HEP3 with the chunks that Kamailio's siptrace sends, and a node name; IPv4."""
    seconds, microseconds = divmod(time_us, 1_000_000)
    head = _HEAD.pack(
        *(0, 1, 7, 2, 0, 2, 7, 17),
        *(0, 3, 10, _packed(ends[0]), 0, 4, 10, _packed(ends[1])),
        *(0, 7, 8, ports[0], 0, 8, 8, ports[1]),
        *(0, 9, 10, seconds, 0, 10, 10, microseconds),
        *(0, 11, 7, protocol_type, 0, 12, 10, 2000 + node),
    )
    body = head + chunk(17, correlation_id) + chunk(19, b"edge-%02d" % node) + chunk(15, payload)
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


_HEAD = struct.Struct("!HHHB HHHB HHH4s HHH4s HHHH HHHH HHHI HHHI HHHB HHHI")


def _packed(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def calls(
    first: int, start_us: int, spacing_us: float, pace: float = 1.0, number: int | None = None
) -> Iterator[Timed]:
    """The packets of calls `first`, `first` + 1, … in the order of their times; `number` calls, or no end."""
    pending: list[tuple[int, int, Timed]] = []
    for place in count() if number is None else range(number):
        begins_us = start_us + int(place * spacing_us)
        while pending and pending[0][0] <= begins_us:
            yield heapq.heappop(pending)[2]
        for step, timed in enumerate(Call(first + place).packets(begins_us, pace)):
            heapq.heappush(pending, (timed.time_us, place * 32 + step, timed))
    while pending:
        yield heapq.heappop(pending)[2]
