"""Plays the HEP packets of a capture to a server, as they are or with their times moved to the present.

With `now` the newest packet gets the time at which its pass over the file begins, and all others keep their
distance to it, so that none lies in the future. Packets without a time that can be moved stay as they are:
HEPv1, time 0, and times more than a year off the median (a swapped byte order would else be the newest).
"""

import statistics
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from capture.errors import HepError
from capture.hep.decode import decode_packet
from capture.hep.retime import packet_time_us, rewrite_time
from capture.pcap.packets import read_hep
from capture.route import MessageClass, classify, route_sip
from capture.sip.parse import parse_message
from capture.store.expiry import FOR_EVER, KeptSince
from rhapsode.errors import SendError
from rhapsode.target import Target, connect

_EARLIEST_US: Final = 946_684_800_000_000
"""2000-01-01: what is older is no time, and is stored under its arrival."""
_YEAR_US: Final = 366 * 86_400_000_000
_PROGRESS_S: Final = 0.1


class Survey(NamedTuple):
    """What a capture holds; times in microseconds since the Unix epoch."""

    packets: int
    older: Counter[MessageClass]
    """Packets that are older than their class is kept."""
    movable: range
    """The times that `now` moves, up to the newest; empty when there is none."""


class SendReport(NamedTuple):
    """What was sent, over all passes."""

    packets: int
    bytes: int
    seconds: float
    left_out: int
    """Packets that this carrier cannot bring."""


def survey(path: Path, warn: Callable[[str], None], since: KeptSince = FOR_EVER) -> Survey:
    """Read a capture through once, counting packets whose time is before that from which their class is kept.

    SendError when the file is no capture or holds no HEP packet.
    """
    packets = 0
    times = array("Q")
    older: Counter[MessageClass] = Counter()
    youngest_us = max(since.values())
    for packet in read_hep(path, warn):
        packets += 1
        if time_us := packet_time_us(packet):
            times.append(time_us)
            if _EARLIEST_US <= time_us < youngest_us:
                message_class = _class_of(packet)
                older[message_class] += time_us < since[message_class]
    if packets == 0:
        raise SendError(f"{path} holds no HEP packet")
    return Survey(packets, +older, _movable(times))


def _class_of(packet: bytes) -> MessageClass:
    """What a receiver takes it for; what cannot be decoded is not stored anyway."""
    try:
        decoded = decode_packet(packet)
    except HepError:
        return MessageClass.OTHER
    _, message_class = classify(decoded.protocol_type, decoded.payload)
    return route_sip(parse_message(decoded.payload).cseq_method) if message_class is None else message_class


def _movable(times: Sequence[int]) -> range:
    if not times:
        return range(0)
    median = statistics.median_low(times)
    newest = max(time_us for time_us in times if time_us <= median + _YEAR_US)
    return range(max(1, median - _YEAR_US), newest + 1)


def send(
    path: Path,
    host: str,
    port: int,
    *,
    tcp: bool = False,
    rate: float | None = None,
    now: bool = False,
    loop: int = 1,
    progress: Callable[[int], None] | None = None,
    warn: Callable[[str], None],
) -> SendReport:
    """Send every HEP packet of a capture `loop` times, `rate` packets a second or as fast as it goes.

    `progress` is told the number of packets sent so far. SendError when file or target are not usable.
    """
    if loop < 1 or (rate is not None and rate <= 0):
        raise ValueError("loop and rate must be positive")
    contents = survey(path, warn)
    with closing(connect(host, port, tcp, warn)) as target:
        player = _Player(target, Pace(rate), progress)
        for _ in range(loop):
            player.play(path, contents.movable if now else range(0))
        report = player.finish()
    if report.left_out:
        carrier = "TCP, which takes whole HEP3 packets only" if tcp else "one UDP datagram"
        warn(f"{report.left_out} packets could not be sent in {carrier}")
    return report


def _moved(packet: bytes, shift_us: int, movable: range) -> bytes:
    time_us = packet_time_us(packet)
    return packet if time_us is None or time_us not in movable else rewrite_time(packet, shift_us)


class Pace:
    """When packets are due; a late one is made up for, so that the average is kept."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._start = clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first packet was due."""
        return self._clock() - self._start

    def delay_s(self, sent: int) -> float:
        """Seconds until the packet after `sent` others may go; 0 or less: now."""
        return 0.0 if self._rate is None else sent / self._rate - self.elapsed_s


class _Player:
    """Sends packets at a pace and counts them."""

    def __init__(self, target: Target, pace: Pace, progress: Callable[[int], None] | None) -> None:
        self._target = target
        self._pace = pace
        self._progress = progress
        self._told_s = 0.0
        self._sent = self._bytes = self._left_out = 0

    def play(self, path: Path, movable: range) -> None:
        """One pass over the file; the last of the movable times becomes the present."""
        shift_us = time.time_ns() // 1000 - movable[-1] if movable else 0
        for packet in read_hep(path, _say_nothing):
            self._send(_moved(packet, shift_us, movable) if movable else packet)

    def finish(self) -> SendReport:
        self._target.finish()
        if self._progress is not None:
            self._progress(self._sent)
        return SendReport(self._sent, self._bytes, self._pace.elapsed_s, self._left_out)

    def _send(self, packet: bytes) -> None:
        delay_s = self._pace.delay_s(self._sent)
        if delay_s > 0:
            self._target.flush()
            time.sleep(delay_s)
        if self._target.send(packet):
            self._sent += 1
            self._bytes += len(packet)
        else:
            self._left_out += 1
        if self._progress is not None and self._pace.elapsed_s - self._told_s >= _PROGRESS_S:
            self._told_s = self._pace.elapsed_s
            self._progress(self._sent)


def _say_nothing(_: str) -> None:
    """What is wrong with the file has been said by the survey."""
