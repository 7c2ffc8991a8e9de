"""Messages whose fields are known because they were written here, and their HEP packets.

Values longer than a key holds, bytes that are not UTF-8, NULs; every class. Knows nothing of `capture` and
`api`: what a field must be follows from how the message was written.
"""

import json
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from random import Random
from typing import Any

from tests.support.sender import chunk

LONG = "x" * 230
USERS = [
    *("alice", "bob", "4930123", "4930124", "49301230", "+4930123", "ALICE", "49_0%", "o'neil&co", ""),
    *("Grüße\\" + LONG, LONG + "tail-1" + "y" * 70, LONG + "tail-2" + "y" * 70, "caf\udce9", "nu\0l"),
]
DOMAINS = ["example.com", "example.org", "10.0.0.1", "sip.test", "a.b", "EXAMPLE.com", "h_st", "zzz"]
AGENTS = [
    "",
    "Acme/1.0",
    "acme/1.0",
    "x" * 199 + "AB",
    "x" * 199 + "AC",
    "SIP; phone",
    "UA 100%",
    "_",
    "Pho\udcffne",
]
SOURCES = {
    2: ["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.0.2.7", "10.0.0.11"],
    10: ["2001:db8::1", "2001:db8::2", "::5"],
}
PORTS = [5060, 5061, 5062, 5080, 50600, 1, 65535, None]
NODES = ["sbc-1", "sbc-2", "sbc_3", "2001", "7", "edge%", "SBC-1", "east", ""]
"""Digits are a capture id, "" is neither id nor name."""
CIDS = [None, None, None, "leg-1", "leg-2", "leg-%", "leg_3", "LEG-1", "leg-\udce9", "leg-" + LONG + "end"]
METHODS = {
    "1_call": ["INVITE", "ACK", "BYE", "CANCEL", "100", "180", "200", "486"],
    "1_registration": ["REGISTER", "REGISTER", "401", "200", "200", "403", "423", "503"],
    "1_default": ["OPTIONS", "MESSAGE", "SUBSCRIBE", "200", "202", "404", "481", "500"],
}
CSEQ = {"1_call": "INVITE", "1_registration": "REGISTER", "1_default": "OPTIONS"}
REPORT_TYPES = {5: "rtcp", 34: "rtpagent", 35: "rtcpxr", 53: "dns", 100: "log", 112: "112"}
"""Protocol types that are no SIP, and Homer's words for them; ISUP (54) has none."""
CLASS_OF_TYPE = {5: "5_default", 53: "53_default", 54: "54_default", 100: "100_default"}

Value = str | int | None


@dataclass
class Sent:
    """A message as it was sent."""

    key: str
    """Homer's key of the class that it belongs to."""
    time_us: int
    payload: bytes
    protocol_type: int
    family: int
    source: str | None
    source_port: int | None
    destination: str | None
    destination_port: int | None
    node: str
    correlation_id: str | None
    fields: dict[str, Value] = field(repr=False)
    """By Homer's field id; None is a field that the message does not have."""
    round: int = 0
    """When it is sent."""
    changed: tuple[str, ...] = ()
    """Fields that a script has set or taken away."""

    def packet(self) -> bytes:
        """The HEP3 packet."""
        ends = (3, 4) if self.family == 2 else (5, 6)
        chunks = [
            chunk(1, bytes([self.family])),
            chunk(2, b"\x11"),
            *(
                chunk(kind, ip_address(address).packed)
                for kind, address in zip(ends, (self.source, self.destination), strict=True)
                if address is not None
            ),
            *_ports(self.source_port, self.destination_port),
            chunk(9, struct.pack("!I", self.time_us // 1_000_000)),
            chunk(10, struct.pack("!I", self.time_us % 1_000_000)),
            chunk(11, bytes([self.protocol_type])),
            chunk(15, self.payload),
        ]
        if self.node.isdigit():
            chunks.append(chunk(12, struct.pack("!I", int(self.node))))
        elif self.node:
            chunks += [chunk(12, struct.pack("!I", 99)), chunk(19, self.node.encode())]
        if self.correlation_id is not None:
            chunks.append(chunk(17, self.correlation_id.encode()))
        body = b"".join(chunks)
        return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


def _ports(source: int | None, destination: int | None) -> list[bytes]:
    given = ((7, source), (8, destination))
    return [chunk(kind, struct.pack("!H", port)) for kind, port in given if port is not None]


def to_bytes(text: str) -> bytes:
    """What is sent for a text in which lone surrogates stand for bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def shown(text: str) -> str:
    """How a text shows itself once it is stored: replacement characters for what is no UTF-8, and for NUL."""
    return to_bytes(text).decode("utf-8", "replace").replace("\0", "\ufffd")


def as_raw(payload: bytes) -> str:
    """How a payload shows itself."""
    return payload.rstrip(b"\0").decode("utf-8", "replace").replace("\0", "\ufffd")


def no_sip_fields() -> dict[str, Value]:
    """What is read of a payload that is no SIP though its packet says so."""
    fields: dict[str, Value] = dict.fromkeys(_SIP_FIELDS, "")
    return fields | dict.fromkeys(("data_header.protocol", "data_header.X-CID", "data_header.X-Late"))


def random_ends(random: Random) -> dict[str, Any]:
    family = random.choice([2, 2, 2, 10])
    return {
        "family": family,
        "source": random.choice(SOURCES[family]),
        "source_port": random.choice(PORTS),
        "destination": random.choice(SOURCES[family]),
        "destination_port": random.choice(PORTS),
        "node": random.choice(NODES),
    }


def random_values(random: Random) -> dict[str, str | None]:
    values: dict[str, str | None] = {
        f"{who}_{part}": random.choice(USERS if part == "user" else DOMAINS)
        for who in ("from", "to", "ruri")
        for part in ("user", "domain")
    }
    values |= {"agent": random.choice(AGENTS), "cid": random.choice(CIDS)}
    plain = [user for user in USERS if user.isalnum() and user.isascii()]
    for name in ("contact", "pid", "auth"):
        values[name] = random.choice([None, *plain])
    return values | {"late": random.choice([None, None, "Late", "late-" + LONG])}


def sip_message(
    random: Random,
    key: str,
    time_us: int,
    call_id: str,
    values: dict[str, str | None],
    ends: dict[str, Any],
    correlation_id: str | None,
) -> Sent:
    method = random.choice(METHODS[key])
    is_response = method.isdigit()
    sequence = random.randrange(8)
    cseq_method = CSEQ[key] if is_response else method
    if random.random() < 0.03:
        call_id = ""
    ruri_user, ruri_domain = ("", "") if is_response else (values["ruri_user"], values["ruri_domain"])
    expires = random.choice(["", "60", "3600"])
    rare = random.random() < 0.2
    headers = {
        "Via": f"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{sequence}",
        "From": f"<{_uri(values['from_user'], values['from_domain'])}>;tag=t{sequence}",
        "To": f"<{_uri(values['to_user'], values['to_domain'])}>",
        "Call-ID": call_id,
        "CSeq": f"{sequence} {cseq_method}",
        "User-Agent": values["agent"],
        "Contact": values["contact"] and f"<sip:{values['contact']}@10.1.1.1:5066>",
        "P-Asserted-Identity": values["pid"] and f"<sip:{values['pid']}@pid.test>",
        "Authorization": values["auth"] and f'Digest username="{values["auth"]}", realm="r"',
        "Expires": expires,
        "Server": "Proxy/9" if rare else None,
        "Reason": "Q.850;cause=16" if rare else None,
        "Diversion": "<sip:diverted@example.com>" if rare else None,
        "Content-Type": "application/sdp" if rare else None,
        "X-CID": values["cid"],
        "X-Late": values["late"],
        "Content-Length": "0",
    }
    first = (
        f"SIP/2.0 {method} What_ever" if is_response else f"{method} {_uri(ruri_user, ruri_domain)} SIP/2.0"
    )
    lines = [first, *(f"{name}: {value}" for name, value in headers.items() if value), "", ""]
    payload = to_bytes("\r\n".join(lines)) + bytes(random.choice([0, 0, 0, 2]))
    own = {
        "callid": call_id,
        "method": method,
        "cseq": headers["CSeq"],
        "cseq_method": cseq_method,
        "from_user": values["from_user"],
        "from_domain": values["from_domain"],
        "from_tag": f"t{sequence}",
        "to_user": values["to_user"],
        "to_domain": values["to_domain"],
        "to_tag": "",
        "ruri_user": ruri_user,
        "ruri_domain": ruri_domain,
        "user_agent": values["agent"],
        "via": headers["Via"],
        "via_branch": f"z9hG4bK{sequence}",
        "contact_user": values["contact"] or "",
        "contact_domain": "10.1.1.1" if values["contact"] else "",
        "contact_port": "5066" if values["contact"] else "",
        "pid_user": values["pid"] or "",
        "pid_domain": "pid.test" if values["pid"] else "",
        "auth_user": values["auth"] or "",
        "expires": expires,
        "server": headers["Server"] or "",
        "reason": headers["Reason"] or "",
        "reason_phrase": "What_ever" if is_response else "",
        "diversion": headers["Diversion"] or "",
        "content_type": headers["Content-Type"] or "",
        "protocol": None,
        "X-CID": values["cid"],
        "X-Late": values["late"],
    }
    fields = {f"data_header.{name}": None if text is None else shown(text) for name, text in own.items()}
    return _sent(key, time_us, payload, 1, ends, correlation_id, call_id or None, fields)


def _uri(user: str | None, domain: str | None) -> str:
    return f"sip:{user}@{domain}" if user else f"sip:{domain}"


def other_message(random: Random, time_us: int, number: int) -> Sent:
    """A report, a log line, a DNS answer, a circuit, or what is no SIP though it says so."""
    ends = random_ends(random)
    kind = random.choice([1, 54, 100, *REPORT_TYPES])
    call_id = f"call-{random.randrange(max(1, number))}{random.choice('abc')}@example.com"
    correlation_id = random.choice([None, call_id, "joined-1"])
    for end in ("source", "destination"):
        if random.random() < 0.1:
            ends[end] = None
    if kind == 100:
        return log_line(random, time_us, f"{random.choice(USERS[:4])} said {random.choice(AGENTS[1:3])}")
    if kind == 1:
        payload = to_bytes(f"no SIP at all {number} \udcff\0 end")
        return _sent("1_default", time_us, payload, 1, ends, correlation_id, None, no_sip_fields())
    if kind == 54:
        return isup_message(random, time_us, ends, correlation_id)
    named, payload = {
        5: (None, {"type": 200, "ssrc": number % 8, "report_count": 0}),
        34: (call_id, {"CORRELATION_ID": call_id, "MOS": 4}),
        35: (call_id, f"VQSessionReport: CallTerm\r\nCallID: {call_id}\r\n"),
        53: (None, {"id": number, "questions": [{"name": "example.com", "type": "A"}]}),
        112: (None, f"no JSON \udcff {number}"),
    }[kind]
    text = payload if isinstance(payload, str) else json.dumps(payload)
    key = CLASS_OF_TYPE.get(kind, "35_default")
    return _sent(
        key, time_us, to_bytes(text), kind, ends, correlation_id, None, _of_report(kind, ends), named
    )


def _of_report(kind: int, ends: dict[str, Any]) -> dict[str, Value]:
    return {"data_header.proto": REPORT_TYPES[kind], "data_header.node": ends["node"]}


def log_line(random: Random, time_us: int, text: str) -> Sent:
    ends = random_ends(random)
    return _sent("100_default", time_us, text.encode(), 100, ends, None, None, _of_report(100, ends))


def isup_message(random: Random, time_us: int, ends: dict[str, Any], correlation_id: str | None) -> Sent:
    opc, dpc, cic = random.randrange(4), random.randrange(4), random.randrange(30)
    users = random.choice(USERS[:3]), random.choice(USERS[:3])
    message = {"msg_name": random.choice(["IAM", "ACM"]), "opc": opc, "dpc": dpc, "cic": cic}
    payload = json.dumps(message | {"calling_number": {"num": users[0]}, "called_number": {"num": users[1]}})
    low, high = sorted((opc, dpc))
    circuit = f"{low}:{high}:{cic}"
    fields: dict[str, Value] = {f"data_header.{name}": value for name, value in message.items()}
    fields |= {"data_header.calling_number": users[0], "data_header.called_number": users[1]}
    fields["data_header.callid"] = circuit
    return _sent("54_default", time_us, payload.encode(), 54, ends, correlation_id, circuit, fields)


def _sent(
    key: str,
    time_us: int,
    payload: bytes,
    protocol_type: int,
    ends: dict[str, Any],
    correlation_id: str | None,
    said: str | None,
    own: dict[str, Value],
    named: str | None = None,
) -> Sent:
    """`said`: the session id that the payload says; `named`: the call that it is about."""
    pair = "|".join(sorted((ends["source"] or "", ends["destination"] or "")))
    sid = said or correlation_id or named or pair
    fields = {
        **own,
        "sid": sid,
        "create_date": time_us // 1000,
        "raw": as_raw(payload),
        "protocol_header.correlation_id": correlation_id or sid,
        "protocol_header.srcIp": ends["source"],
        "protocol_header.srcPort": ends["source_port"],
        "protocol_header.dstIp": ends["destination"],
        "protocol_header.dstPort": ends["destination_port"],
        "protocol_header.captureId": ends["node"],
        "protocol_header.capturePass": None,
        "protocol_header.payloadType": protocol_type,
        "protocol_header.protocol": 17,
        "protocol_header.protocolFamily": ends["family"] if ends["source"] or ends["destination"] else None,
        "protocol_header.timeSeconds": time_us // 1_000_000,
        "protocol_header.timeUseconds": time_us % 1_000_000,
    }
    return Sent(
        key,
        time_us,
        payload,
        protocol_type,
        ends["family"],
        ends["source"],
        ends["source_port"],
        ends["destination"],
        ends["destination_port"],
        ends["node"],
        correlation_id,
        fields,
    )


_SIP_FIELDS = [
    f"data_header.{name}"
    for name in (
        *("callid", "method", "cseq", "cseq_method", "from_user", "from_domain", "from_tag", "to_user"),
        *(
            "to_domain",
            "to_tag",
            "ruri_user",
            "ruri_domain",
            "user_agent",
            "via",
            "via_branch",
            "contact_user",
        ),
        *("contact_domain", "contact_port", "pid_user", "pid_domain", "auth_user", "expires", "server"),
        *("reason", "reason_phrase", "diversion", "content_type"),
    )
]
