"""What a capture file holds for us: HEP, SIP and RTCP, each as a HEP packet. The rest is counted by its kind.

Source: RFC 3550 5.1 and 6.1 for telling RTP and RTCP; RFC 8446 5.1 (TLS records) and RFC 6455 4.1 (WebSocket)
for what cannot be read. HEP stays byte for byte as it was captured, but for the times when these are to move.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

import msgspec

from capture.capture_time import DAY_US, EARLIEST_US, capture_time
from capture.errors import HepError, PcapError
from capture.hep.decode import decode_packet
from capture.hep.encode import encode_packet
from capture.hep.packet import Packet
from capture.hep.retime import packet_time_us, rewrite_time
from capture.imports.media import MediaEnds
from capture.journal.record import MAX_PACKET_BYTES
from capture.media.rtcp import is_binary_rtcp
from capture.pcap.dissect import Carried, Dissector, Wanted, is_hep
from capture.pcap.files import read_frames
from capture.pcap.links import LINK_TYPES
from capture.pcap.packets import as_packet, link_name
from capture.pcap.sip_framing import HepOrSipFramer, is_sip
from capture.pipeline import is_keep_alive
from capture.route import RTCP, SIP, MessageClass, classify, route_sip
from capture.sip.parse import parse_message
from capture.store.expiry import KeptSince

MOST_KINDS: Final = 50
"""Of reasons and of what is passed over; further ones are counted together."""

Progress = Callable[[int], None]
"""Told, now and then, how many bytes of the file have been read. What it raises ends the reading."""

PROGRESS_FRAMES: Final = 512
_UDP: Final = 17
_TLS_RECORDS: Final = frozenset([20, 21, 22, 23])
_NO_HEP: Final = "runs of bytes between HEP packets on TCP"
_LONGEST_PLAIN: Final = 65_000
"""Of a payload: a HEP packet has 65,535 bytes with its other chunks. A longer one is sent compressed."""


class Taken(NamedTuple):
    """One packet to be imported."""

    packet: bytes
    """HEP."""
    time_us: int
    """Under which it will be stored, microseconds since the Unix epoch."""
    frame_us: int
    """When its frame was captured, or what stands for that."""


class Kinds(Counter[str]):
    """How many of each kind; a file cannot make as many kinds as it likes."""

    def add(self, kind: str, count: int = 1) -> None:
        self[kind if kind in self or len(self) < MOST_KINDS else "others"] += count


class Traffic:
    """One reading of a file."""

    def __init__(self, now_us: int, since: KeptSince, max_payload_bytes: int, shift_us: int = 0) -> None:
        """`now_us` stands for frames without a sensible time; all others are moved by `shift_us`."""
        self.rejected = Kinds()
        """What was looked for and cannot be taken, by the reason."""
        self.passed_over = Kinds()
        """Frames and datagrams of other kinds."""
        self.untimed = 0
        """Frames without a sensible time."""
        self.frames = 0
        self._now_us = now_us
        self._since = since
        self._youngest_us = max(since.values())
        self._max_payload_bytes = max_payload_bytes
        self._shift_us = shift_us
        self._ends = MediaEnds()

    def packets(self, file: BinaryIO, name: str, progress: Progress | None = None) -> Iterator[Taken]:
        """All there is to be imported, in the order of the file, read from its beginning.

        PcapError as `read_frames`; what was before that place has been given then.
        """
        dissector = Dissector(Wanted(lambda datagram: True, self._framer))
        rewind(file, name)
        broken: PcapError | None = None
        try:
            for frame in read_frames(file, name):
                self.frames += 1
                if progress is not None and frame.number % PROGRESS_FRAMES == 0:
                    progress(file.tell())
                frame_us = self._sensible(frame.time_us)
                if frame.link_type in LINK_TYPES:
                    for found in dissector.feed(frame.link_type, frame.data, frame_us):
                        yield from self._take(found)
                else:
                    self.rejected.add(f"frames of {link_name(frame.link_type)}")
        except PcapError as error:
            broken = error
        for found in dissector.finish():
            yield from self._take(found)
        self._count(dissector)
        if broken is not None:
            raise broken

    def _count(self, dissector: Dissector) -> None:
        if dissector.cut:
            self.rejected.add("frames that are not whole", dissector.cut)
        if dissector.unjoined:
            self.rejected.add("packets of which fragments are missing", dissector.unjoined)
        for kind, count in dissector.others.items():
            self.passed_over.add(kind, count)

    def _framer(self, is_begun: bool) -> "StreamReader":
        return StreamReader(self.passed_over, self.rejected, is_begun)

    def _sensible(self, time_us: int) -> int:
        if EARLIEST_US <= time_us <= self._now_us + DAY_US:
            return time_us
        self.untimed += 1
        return self._now_us

    def _take(self, found: Carried) -> Iterator[Taken]:
        try:
            taken = self._read(found)
        except HepError as error:
            self.rejected.add(f"malformed HEP ({error.reason})")
            return
        if taken is None:
            return
        if len(taken.packet) > MAX_PACKET_BYTES:
            self.rejected.add("messages too large for HEP")
            return
        yield taken

    def _read(self, found: Carried) -> Taken | None:
        """HepError when it is HEP that is malformed."""
        body, frame_us = found.body, found.time_us
        if is_hep(body):
            packet = decode_packet(body, self._max_payload_bytes)
            if is_keep_alive(packet):
                self.passed_over.add("HEP keep-alives")
                return None
        elif is_sip(body):
            packet = as_packet(found, frame_us)
        elif found.ip_protocol == _UDP and is_binary_rtcp(body) and len(body) >= 8:
            packet = as_packet(found, frame_us, RTCP)
        else:
            self._pass_over(body)
            return None
        time_us, _, _ = capture_time(packet.seconds, packet.microseconds, frame_us)
        shift_us = 0 if time_us == self._now_us else self._shift_us
        moved_us = time_us + shift_us
        protocol_type, message_class = _class_of(packet)
        if protocol_type == SIP:
            self._ends.note(packet.payload)
        if moved_us < self._youngest_us:
            if message_class is None:
                message_class = route_sip(parse_message(packet.payload).cseq_method)
            if moved_us < self._since[message_class]:
                self.rejected.add(f"older than `retention.{message_class.retention_key}` keeps it")
                return None
        if not is_hep(body):
            data = self._encoded(found, _at(packet, moved_us))
        else:
            data = _moved(body, packet, moved_us) if shift_us else body
        return None if data is None else Taken(data, moved_us, frame_us + shift_us)

    def _pass_over(self, body: bytes) -> None:
        is_rtp = len(body) >= 12 and body[0] >> 6 == 2
        self.passed_over.add("datagrams of RTP" if is_rtp else "datagrams of other protocols")

    def _encoded(self, found: Carried, packet: Packet) -> bytes | None:
        """As an agent would have sent it."""
        if packet.protocol_type == RTCP:
            end = self._ends.of(found)
            if end is not None and end.is_secret:
                self.passed_over.add("datagrams of SRTCP")
                return None
            if end is not None:
                packet = msgspec.structs.replace(packet, correlation_id=end.call_id.encode())
        if len(packet.payload) > self._max_payload_bytes:
            self.rejected.add("messages too large for HEP")
            return None
        if len(packet.payload) > _LONGEST_PLAIN:
            packet = msgspec.structs.replace(packet, compressed_bytes=0)
        try:
            return encode_packet(packet)
        except HepError:
            self.rejected.add("messages too large for HEP")
            return None


def _class_of(packet: Packet) -> tuple[int, MessageClass | None]:
    return classify(packet.protocol_type, packet.payload)


def _moved(body: bytes, packet: Packet, moved_us: int) -> bytes:
    """HEP with another time, if it has one.

    One that makes no sense beside its frame's goes, or it might make sense beside that once it has moved.
    """
    if packet.seconds is None:
        return body
    own_us = packet_time_us(body)
    if own_us is not None:
        return rewrite_time(body, moved_us - own_us)
    # Compressed as a whole: its time cannot be moved in place.
    return encode_packet(_at(packet, moved_us))


def _at(packet: Packet, time_us: int) -> Packet:
    seconds, microseconds = divmod(time_us, 1_000_000)
    return msgspec.structs.replace(packet, seconds=seconds, microseconds=microseconds)


class StreamReader:
    """One direction of a TCP connection: HEP or SIP; of TLS and WebSocket only the segments are counted."""

    def __init__(self, passed_over: Kinds, rejected: Kinds, is_begun: bool) -> None:
        self._passed_over = passed_over
        self._rejected = rejected
        self._framer = HepOrSipFramer(is_begun)
        self._kind: str | None = None
        """Of what cannot be read; None: nothing has come yet."""
        self._is_behind_hole = False
        """And that is not told yet."""

    @property
    def pending(self) -> int:
        """Bytes held."""
        return self._framer.pending

    def feed(self, data: bytes) -> list[bytes]:
        """The packets or messages that are whole with these bytes."""
        if self._kind is None:
            self._kind = _unreadable(data)
        if self._kind:
            self._passed_over.add(self._kind)
            return []
        found = self._framer.feed(data)
        if self._is_behind_hole and self._framer.is_known:
            self._is_behind_hole = False
            self._rejected.add("holes between messages on TCP")
        packets = [item for item in found if isinstance(item, bytes)]
        if len(packets) < len(found):
            self._rejected.add(_NO_HEP, len(found) - len(packets))
        return packets

    def finish(self) -> None:
        """What comes next stands behind a hole, and may begin in the middle of a packet."""
        lost = self._framer.finish()
        if lost.hep_runs:
            self._rejected.add(_NO_HEP, lost.hep_runs)
        if lost.sip_messages:
            self._rejected.add("messages on TCP that are not whole", lost.sip_messages)
        self._is_behind_hole |= not any(lost)


def _unreadable(data: bytes) -> str:
    if len(data) >= 3 and data[0] in _TLS_RECORDS and data[1] == 3 and data[2] <= 4:
        return "segments of TLS"
    head = data[:4096].lower()
    if head.startswith((b"get ", b"http/1.1 101")) and b"upgrade: websocket" in head:
        return "segments of WebSocket"
    return ""


def rewind(file: BinaryIO, name: str) -> None:
    """To the beginning of a file; PcapError "unreadable" for a pipe."""
    try:
        file.seek(0)
    except OSError as error:
        raise PcapError("unreadable", f"cannot read {name}: {error.strerror or error}") from error


def first_error(file: BinaryIO, name: str) -> PcapError | None:
    """Why a file is no capture at all, before anything is done with it."""
    try:
        rewind(file, name)
        next(read_frames(file, name), None)
    except PcapError as error:
        return error if error.reason in ("foreign", "unreadable") else None
    return None
