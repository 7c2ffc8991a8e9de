"""Numbered HEP packets over UDP or TCP at a rate, from a thread: what the tests of kills and stops send.

Shares no code with `capture`. A packet's payload follows from its number alone, so that whoever finds it
later can tell that it is whole: `payload(number)` makes it again, `number_of(payload)` reads the number
back.
"""

import argparse
import socket
import struct
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address

NUMBER_HEADER = b"\r\nX-Number: "
MESSAGES_PER_CALL = 6

_STEPS = (
    ("INVITE sip:{callee}@{domain} SIP/2.0", "1 INVITE"),
    ("SIP/2.0 180 Ringing", "1 INVITE"),
    ("SIP/2.0 200 OK", "1 INVITE"),
    ("ACK sip:{callee}@{domain} SIP/2.0", "1 ACK"),
    ("BYE sip:{callee}@{domain} SIP/2.0", "2 BYE"),
    ("SIP/2.0 200 OK", "2 BYE"),
)
_REGISTRATION_STEPS = (
    ("REGISTER sip:{domain} SIP/2.0", "1 REGISTER"),
    ("SIP/2.0 401 Unauthorized", "1 REGISTER"),
    ("REGISTER sip:{domain} SIP/2.0", "2 REGISTER"),
    ("SIP/2.0 200 OK", "2 REGISTER"),
    ("OPTIONS sip:{callee}@{domain} SIP/2.0", "3 OPTIONS"),
    ("SIP/2.0 200 OK", "3 OPTIONS"),
)


def call_id(number: int) -> str:
    """Six numbers in a row share one."""
    return f"call-{number // MESSAGES_PER_CALL:08d}@sender.test"


def payload(number: int) -> bytes:
    """The SIP message of this number; every fifth call is a registration with a keep-alive."""
    call, step = divmod(number, MESSAGES_PER_CALL)
    steps = _REGISTRATION_STEPS if call % 5 == 4 else _STEPS
    line, cseq = steps[step]
    caller, callee = f"1{call % 90000:05d}", f"2{call % 70000:05d}"
    text = (
        f"{line.format(callee=callee, domain='sender.test')}\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number:016x}\r\n"
        f"From: <sip:{caller}@sender.test>;tag=f{call:x}\r\n"
        f"To: <sip:{callee}@sender.test>{f';tag=t{call:x}' if step else ''}\r\n"
        f"Call-ID: {call_id(number)}\r\n"
        f"CSeq: {cseq}\r\n"
        f"X-Number: {number}\r\n"
        f"User-Agent: Numbered/{call % 7}\r\n"
        f"X-Filler: {'.' * (number * 37 % 400)}\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    return text.encode()


def number_of(data: bytes) -> int:
    """The number in a payload or packet; ValueError if there is none."""
    start = data.index(NUMBER_HEADER) + len(NUMBER_HEADER)
    return int(data[start : data.index(b"\r", start)])


def payload_of(data: bytes) -> bytes:
    """The payload chunk of a HEP3 packet; ValueError if there is none."""
    at = 6
    while at + 6 <= len(data):
        vendor, kind, length = struct.unpack_from("!HHH", data, at)
        if (vendor, kind) == (0, 15):
            return data[at + 6 : at + length]
        at += max(length, 6)
    raise ValueError("a HEP3 packet without a payload")


def chunk(kind: int, body: bytes) -> bytes:
    return struct.pack("!HHH", 0, kind, 6 + len(body)) + body


def packet(number: int, time_us: int | None = None, capture_id: int = 2001) -> bytes:
    """HEP3 around `payload(number)`; the capture time is now where none is given."""
    return hep3(payload(number), time.time_ns() // 1000 if time_us is None else time_us, capture_id)


def hep3(body: bytes, time_us: int, capture_id: int = 2001, protocol_type: int = 1) -> bytes:
    seconds, microseconds = divmod(time_us, 1_000_000)
    chunks = (
        chunk(1, b"\x02")
        + chunk(2, b"\x11")
        + chunk(3, bytes((192, 0, 2, 1)))
        + chunk(4, bytes((198, 51, 100, 2)))
        + chunk(7, struct.pack("!H", 5060))
        + chunk(8, struct.pack("!H", 5080))
        + chunk(9, struct.pack("!I", seconds))
        + chunk(10, struct.pack("!I", microseconds))
        + chunk(11, bytes((protocol_type,)))
        + chunk(12, struct.pack("!I", capture_id))
        + chunk(15, body)
    )
    return b"HEP3" + struct.pack("!H", 6 + len(chunks)) + chunks


class Sender:
    """Sends packets number `first`, `first` + 1, … until it is stopped or has sent `count` of them.

    Over TCP a broken connection is made again and the packet that failed is sent once more, so that it can
    arrive twice or, like those the other end had not read yet, not at all: `attempts` counts the sends.
    """

    def __init__(
        self,
        address: tuple[str, int],
        rate: float,
        *,
        tcp: bool = False,
        first: int = 0,
        count: int | None = None,
    ) -> None:
        """`rate` in packets per second."""
        self.sent = 0
        """Packets handed to the kernel so far: numbers `first` to `first + sent - 1`."""
        self.attempts = 0
        self._address = address
        self._rate = rate
        self._tcp = tcp
        self._first = first
        self._count = count
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._socket: socket.socket | None = None

    def start(self) -> "Sender":
        self._thread.start()
        return self

    def stop(self) -> int:
        """Stop sending; how many were sent."""
        self._stopping.set()
        return self.join()

    def join(self) -> int:
        """Wait until `count` are sent."""
        self._thread.join()
        return self.sent

    def wait_for(self, sent: int, timeout_s: float = 30) -> None:
        """Wait until so many have been sent; TimeoutError otherwise."""
        with self._progress:
            if not self._progress.wait_for(lambda: self.sent >= sent, timeout_s):
                raise TimeoutError(f"{self.sent} of {sent} packets sent")

    def __enter__(self) -> "Sender":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            for number in self._paced():
                self._send(packet(number))
                with self._progress:
                    self.sent += 1
                    self._progress.notify_all()
        finally:
            self._close()

    def _paced(self) -> Iterator[int]:
        began = time.monotonic()
        done = 0
        while not self._stopping.is_set() and (self._count is None or done < self._count):
            due = int((time.monotonic() - began) * self._rate) + 1
            if self._count is not None:
                due = min(due, self._count)
            for number in range(done, due):
                if self._stopping.is_set():
                    return
                yield self._first + number
            done = due
            # Several packets a turn where the rate is high: a thread wakes up no more often than that.
            self._stopping.wait(max(0.002, began + done / self._rate - time.monotonic()))

    def _send(self, data: bytes) -> None:
        while not self._stopping.is_set():
            self.attempts += 1
            try:
                if self._socket is None:
                    self._socket = self._open()
                if self._tcp:
                    self._socket.sendall(data)
                else:
                    self._socket.sendto(data, self._address)
            except OSError:
                self._close()
                self._stopping.wait(0.02)
            else:
                return

    def _open(self) -> socket.socket:
        if self._tcp:
            return socket.create_connection(self._address, timeout=30)
        # Not connected: a connected UDP socket reports the closed port of a receiver that is being restarted.
        family = socket.AF_INET6 if ip_address(self._address[0]).version == 6 else socket.AF_INET
        return socket.socket(family, socket.SOCK_DGRAM)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def main() -> None:
    """`python -m tests.support.sender HOST PORT --rate N [--tcp] [--count N] [--first N]`."""
    parser = argparse.ArgumentParser(description="send numbered HEP3 packets")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=1000, help="packets per second")
    parser.add_argument("--count", type=int, default=None)
    parser.add_argument("--first", type=int, default=0, help="number of the first packet")
    parser.add_argument("--tcp", action="store_true")
    given = parser.parse_args()
    sender = Sender(
        (given.host, given.port), given.rate, tcp=given.tcp, first=given.first, count=given.count
    ).start()
    try:
        sender.join()
    except KeyboardInterrupt:
        sender.stop()
    print(sender.sent)  # noqa: T201 - its whole output


if __name__ == "__main__":
    main()
