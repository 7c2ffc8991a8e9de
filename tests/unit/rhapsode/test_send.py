import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capture.hep.framing import Framer, Rubbish
from capture.hep.retime import packet_time_us
from capture.route import MessageClass
from capture.store.expiry import FOR_EVER
from rhapsode.errors import SendError
from rhapsode.send import Pace, send, survey
from tests.support.frames import TCP, ipv4, tcp, udp, write_pcap
from tests.support.hep_bytes import KAMAILIO, SIP, a_hep3, chunk, common_chunks, hep3, legacy

TIME_S = 1_795_408_344
TIME_US = TIME_S * 1_000_000 + 775_048
HOUR_US = 3_600_000_000


def capture_of(tmp_path: Path, *packets: bytes) -> Path:
    return write_pcap(tmp_path / "a.pcap", [ipv4(udp(packet)) for packet in packets])


def no_warning(text: str) -> None:
    raise AssertionError(text)


# ---- what a capture holds ----


def test_survey_counts_by_class_the_packets_that_are_no_longer_kept(tmp_path: Path) -> None:
    others = [a_hep3(seconds=TIME_S + minute * 60) for minute in range(10)]
    report = hep3(*common_chunks(KAMAILIO), chunk(0xB, b"\x05"), chunk(0xF, b"{}"))
    path = capture_of(tmp_path, *others, report, legacy(1))
    since = {**FOR_EVER, MessageClass.OTHER: TIME_US + 4 * 60_000_000, MessageClass.RTCP: TIME_US + 1}

    found = survey(path, no_warning, since)

    assert found.packets == 12
    assert found.older == {MessageClass.OTHER: 4, MessageClass.RTCP: 1}
    assert found.movable[-1] == TIME_US + 9 * 60_000_000


def test_times_that_are_none_are_neither_old_nor_the_newest(tmp_path: Path) -> None:
    swapped = int.from_bytes(TIME_S.to_bytes(4, "big"), "little")
    odd = [a_hep3(seconds=seconds) for seconds in (0, 59, swapped)]
    path = capture_of(tmp_path, *[a_hep3(), a_hep3(seconds=TIME_S + 1)] * 2, *odd)

    found = survey(path, no_warning, dict.fromkeys(MessageClass, TIME_US))

    assert not found.older
    assert found.movable[-1] == TIME_US + 1_000_000
    assert 59_775_048 not in found.movable


def test_capture_without_hep_is_refused(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "a.pcap", [ipv4(udp(SIP))])

    with pytest.raises(SendError, match=r"a\.pcap holds no HEP packet"):
        survey(path, no_warning)


# ---- sending ----


@contextmanager
def udp_receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        yield receiver


@contextmanager
def tcp_receiver() -> Iterator[tuple[int, list[bytes | Rubbish]]]:
    """Port, and what one connection brought, whole once the block is left."""
    found: list[bytes | Rubbish] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def receive() -> None:
            connection, _ = server.accept()
            framer = Framer()
            with connection:
                while data := connection.recv(65_536):
                    found.extend(framer.feed(data))
            found.extend(framer.finish())

        thread = threading.Thread(target=receive)
        thread.start()
        yield server.getsockname()[1], found
        thread.join(10)


def receive(receiver: socket.socket, count: int) -> list[bytes]:
    return [receiver.recv(65_536) for _ in range(count)]


def test_packets_arrive_by_udp_as_they_were_captured(tmp_path: Path) -> None:
    packets = [a_hep3(), legacy(1), legacy(2), gzip.compress(a_hep3(), mtime=0)]
    told: list[int] = []

    with udp_receiver() as receiver:
        report = send(
            capture_of(tmp_path, *packets),
            *receiver.getsockname(),
            loop=2,
            progress=told.append,
            warn=no_warning,
        )
        arrived = receive(receiver, 8)

    assert arrived == packets * 2
    assert (report.packets, report.left_out) == (8, 0)
    assert report.bytes == 2 * sum(map(len, packets))
    assert told[-1] == 8


def test_packets_arrive_by_tcp_and_those_it_cannot_carry_are_named(tmp_path: Path) -> None:
    longer = a_hep3() + b"beyond the length"
    path = capture_of(
        tmp_path, a_hep3(), legacy(1), legacy(2), longer, gzip.compress(a_hep3(), mtime=0), b"HEP3\xff\xff"
    )
    warnings: list[str] = []

    with tcp_receiver() as (port, found):
        report = send(path, "127.0.0.1", port, tcp=True, loop=300, warn=warnings.append)

    assert found == [a_hep3()] * 600
    assert (report.packets, report.left_out) == (600, 1200)
    assert warnings == ["1200 packets could not be sent in TCP, which takes whole HEP3 packets only"]


def test_rate_is_kept_also_by_tcp(tmp_path: Path) -> None:
    with tcp_receiver() as (port, found):
        report = send(
            capture_of(tmp_path, *[a_hep3()] * 10), "127.0.0.1", port, tcp=True, rate=100, warn=no_warning
        )

    assert found == [a_hep3()] * 10
    assert report.seconds >= 0.09


def test_now_moves_the_newest_to_the_present_and_keeps_distances(tmp_path: Path) -> None:
    path = capture_of(
        tmp_path, a_hep3(seconds=TIME_S - 90), a_hep3(), legacy(2, seconds=TIME_S - 30), legacy(1)
    )

    before_us = time.time_ns() // 1000
    with udp_receiver() as receiver:
        send(path, *receiver.getsockname(), now=True, warn=no_warning)
        arrived = receive(receiver, 4)

    times = [packet_time_us(packet) for packet in arrived]
    newest_us = times[1]
    assert newest_us is not None
    assert before_us <= newest_us <= time.time_ns() // 1000
    assert times == [newest_us - 90_000_000, newest_us, newest_us - 30_000_000, None]


def test_now_makes_each_pass_anew_and_none_lies_in_the_future(tmp_path: Path) -> None:
    with udp_receiver() as receiver:
        send(
            capture_of(tmp_path, a_hep3()),
            *receiver.getsockname(),
            now=True,
            loop=2,
            rate=100,
            warn=no_warning,
        )
        first, second = (packet_time_us(packet) for packet in receive(receiver, 2))

    assert first is not None
    assert second is not None
    assert first < second


def test_target_that_refuses_tcp_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(SendError, match=f"cannot connect to 127.0.0.1:{port} by TCP: Connection refused"):
        send(capture_of(tmp_path, a_hep3()), "127.0.0.1", port, tcp=True, warn=no_warning)


def test_udp_port_where_nobody_listens_is_named_once(tmp_path: Path) -> None:
    warnings: list[str] = []
    with udp_receiver() as receiver:
        host, port = receiver.getsockname()

    send(capture_of(tmp_path, *[a_hep3()] * 50), host, port, warn=warnings.append)

    assert warnings == [f"nothing listens at 127.0.0.1:{port} (UDP): datagrams are lost"]


@pytest.mark.parametrize("tcp", [False, True])
def test_name_without_an_address_is_refused_in_words(tmp_path: Path, tcp: bool) -> None:
    with pytest.raises(SendError, match=r"no\.such\.host\.invalid:9060 by"):
        send(capture_of(tmp_path, a_hep3()), "no.such.host.invalid", 9060, tcp=tcp, warn=no_warning)


def test_packet_larger_than_a_datagram_is_left_out_by_udp(tmp_path: Path) -> None:
    stream = hep3(chunk(0xF, bytes(65_523))) + a_hep3()
    parts = [tcp(stream[at : at + 60_000], 1 + at) for at in range(0, len(stream), 60_000)]
    path = write_pcap(tmp_path / "a.pcap", [ipv4(part, TCP) for part in parts])
    warnings: list[str] = []

    with udp_receiver() as receiver:
        report = send(path, *receiver.getsockname(), warn=warnings.append)
        arrived = receive(receiver, 1)

    assert arrived == [a_hep3()]
    assert (report.packets, report.left_out) == (1, 1)
    assert warnings == ["1 packets could not be sent in one UDP datagram"]


@pytest.mark.parametrize(("loop", "rate"), [(0, None), (-1, None), (1, 0), (1, -1)])
def test_loop_and_rate_must_be_positive(tmp_path: Path, loop: int, rate: float | None) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        send(capture_of(tmp_path, a_hep3()), "127.0.0.1", 9, loop=loop, rate=rate, warn=no_warning)


def test_pace_sleeps_only_when_ahead_and_makes_up_for_lost_time() -> None:
    clock = iter([100.0, 100.0, 100.05, 100.5]).__next__
    pace = Pace(10, clock)

    assert pace.delay_s(0) == 0
    assert pace.delay_s(1) == pytest.approx(0.05)
    assert pace.delay_s(2) == pytest.approx(-0.3)


def test_pace_without_a_rate_never_waits() -> None:
    assert Pace(None).delay_s(1_000_000) == 0
