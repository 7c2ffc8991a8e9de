"""Intake as a process on inherited sockets: stopped, killed, out of room, under hostile senders."""

import contextlib
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.intake.sockets import Sockets, open_sockets
from capture.intake.spread import choose_journal
from capture.intake.udp import DATAGRAMS_PER_WAKE_UP
from capture.journal.record import Carrier
from capture.settings import IntakeSettings, JournalSettings
from tests.support.intake import Follower, IntakeProcess, figures_of
from tests.support.journals import a_journal
from tests.support.sender import MESSAGES_PER_CALL, Sender, number_of, packet

pytestmark = pytest.mark.slow

LOOPBACK = "127.0.0.1"
SEGMENT_BYTES = 64 * 1024


class Receiving:
    """The sockets, which outlive every intake, and the journals."""

    def __init__(self, directory: Path, sockets: Sockets, intake: IntakeSettings) -> None:
        self.directory = directory
        self.sockets = sockets
        self.address = (LOOPBACK, sockets.port)
        self._intake = intake

    def journals(self, count: int = 1) -> list[Path]:
        return [self.directory / f"{number:04}" for number in range(count)]

    @property
    def journal(self) -> Path:
        return self.journals()[0]

    def start(self, journal: JournalSettings | None = None, journals: int = 1) -> IntakeProcess:
        return IntakeProcess(self.sockets, self.journals(journals), self._intake, journal or a_journal())

    def send(self, *packets: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for data in packets:
                sender.sendto(data, self.address)


@contextlib.contextmanager
def receiving(
    directory: Path, host: str = LOOPBACK, settings: IntakeSettings | None = None
) -> Iterator[Receiving]:
    settings = settings or IntakeSettings()
    with contextlib.closing(open_sockets(f"{host}:0", settings)) as sockets:
        yield Receiving(directory, sockets, settings)


def numbered(first: int, stop: int) -> list[bytes]:
    return [packet(number, time_us=1_700_000_000_000_000 + number) for number in range(first, stop)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_reads_what_the_sockets_hold_and_ends_with_status_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    datagrams, frames = numbered(0, 3000), numbered(3000, 3500)
    with receiving(tmp_path) as at, at.start() as intake, Follower(at.journal) as follower:
        at.send(b"ready?")
        follower.read_until(1)

        with socket.create_connection(at.address) as stream:
            stream.sendall(b"".join(frames))
            at.send(*datagrams)
            status = intake.stop(number)

        records = follower.read_rest()[1:]

    assert status == 0, intake.errors
    assert [record.packet for record in records if record.carrier == Carrier.UDP] == datagrams
    assert [record.packet for record in records if record.carrier == Carrier.TCP] == frames
    assert len(records) == 3500
    assert intake.errors == ""


def test_stopped_process_reads_first_what_came_before_the_signal(tmp_path: Path) -> None:
    with receiving(tmp_path) as at, at.start() as intake, Follower(at.journal) as follower:
        at.send(b"ready?")
        follower.read_until(1)

        # So that all of it is in the kernel when the signal comes, and the connection is not accepted yet.
        intake.process.send_signal(signal.SIGSTOP)
        at.send(*numbered(0, 2000))
        with socket.create_connection(at.address) as stream:
            stream.sendall(b"".join(numbered(2000, 2100)))
            intake.process.send_signal(signal.SIGTERM)
            status = intake.stop(signal.SIGCONT)

        records = follower.read_rest()[1:]

    assert status == 0, intake.errors
    assert Counter(record.packet for record in records) == Counter(numbered(0, 2100))


def test_killed_intake_leaves_the_kernels_packets_to_its_successor_that_goes_on_numbering(
    tmp_path: Path,
) -> None:
    with receiving(tmp_path) as at, Follower(at.journal) as follower:
        at.send(*numbered(0, 100))
        with at.start() as first:
            follower.read_until(100)
            first.kill()
        at.send(*numbered(100, 1100))

        with at.start() as second:
            follower.read_until(1100)
            assert second.stop() == 0

        records = follower.read_rest()

    assert [record.packet for record in records] == numbered(0, 1100)
    assert [record.number for record in records] == list(range(1, 1101))
    assert figures_of(at.journal)["last_number"] == 1100


def test_intake_killed_under_load_loses_no_more_than_a_wake_up_read(tmp_path: Path) -> None:
    with receiving(tmp_path) as at, Follower(at.journal) as follower:
        # So slow that what comes while intake is started anew, on a busy machine too, fits into the buffer.
        with Sender(at.address, rate=1000) as sender:
            for _ in range(4):
                with at.start() as intake:
                    follower.read_until(len(follower.records) + 300)
                    intake.kill()
            sent = sender.stop()
        with at.start() as last:
            at.send(packet(sent))
            while not follower.records or number_of(follower.records[-1].packet) < sent:
                follower.read_until(len(follower.records) + 1)
            assert last.stop() == 0
        records = follower.read_rest()
        figures = figures_of(at.journal)

    numbers = [number_of(record.packet) for record in records]
    missing = set(range(sent)) - set(numbers)
    # Each of the four kills may take what had been read and not appended yet.
    assert len(missing) <= 4 * DATAGRAMS_PER_WAKE_UP
    assert numbers == sorted(set(numbers)), "none twice, in order"
    assert [record.number for record in records] == list(range(1, len(records) + 1))
    assert figures["kernel_drops"] == figures["dropped"] == 0


def test_full_journal_drops_udp_and_counts_it_over_restarts(tmp_path: Path) -> None:
    tiny = a_journal(segment_bytes=SEGMENT_BYTES, max_bytes=300_000, sync_s=0.05)
    with receiving(tmp_path) as at, Follower(at.journal) as follower:
        with at.start(tiny) as first:
            at.send(*numbered(0, 1000))
            follower.read_until(100)
            assert first.stop() == 0
        figures = figures_of(at.journal)
        kept = figures["last_number"]
        assert 100 < kept < 450, "300,000 bytes of some 680 each"
        assert figures["dropped"] == 1000 - kept
        assert "packets dropped" in first.errors

        at.send(*numbered(1000, 1010))
        with at.start(tiny) as second:
            # Nothing tells of a drop but the log's first line of it.
            assert second.process.stderr is not None
            assert b"packets dropped" in second.process.stderr.readline()
            assert second.stop() == 0
        records = follower.read_rest()
        after = figures_of(at.journal)

    assert after["last_number"] + after["dropped"] == 1010
    # Smaller packets may still have found a place.
    assert len(records) == after["last_number"]
    assert [number_of(record.packet) for record in records[:kept]] == sorted(
        number_of(record.packet) for record in records[:kept]
    )


def test_full_journal_stops_tcp_and_loses_nothing_once_there_is_room(tmp_path: Path) -> None:
    limit = 300_000
    tiny = a_journal(segment_bytes=SEGMENT_BYTES, max_bytes=limit, sync_s=0.05)
    frames = numbered(0, 2000)
    with receiving(tmp_path) as at, at.start(tiny) as intake, Follower(at.journal) as follower:
        with socket.create_connection(at.address) as stream:
            sending = threading.Thread(target=stream.sendall, args=(b"".join(frames),))
            sending.start()
            while len(follower.records) < len(frames):
                follower.read_until(len(follower.records) + 1)
                used = sum(path.stat().st_size for path in at.journal.glob("*.segment"))
                assert used <= limit + 2 * 8192, "and the headers of two segments made ahead of need"
                follower.make_room()
            sending.join()
        assert intake.stop() == 0

    assert follower.packets == frames
    assert {record.carrier for record in follower.records} == {Carrier.TCP}
    assert figures_of(at.journal)["dropped"] == 0


def test_kernel_drops_are_counted_over_restarts(tmp_path: Path) -> None:
    with receiving(tmp_path, settings=IntakeSettings(receive_buffer_bytes=4096)) as at:
        assert at.sockets.granted_bytes < 16384
        at.send(*numbered(0, 200))  # before any intake: few of them fit
        with at.start() as first, Follower(at.journal) as follower:
            follower.read_until(1)
            assert first.stop() == 0
        once = figures_of(at.journal)
        assert once["kernel_drops"] == 200 - once["last_number"] > 0

        at.send(*numbered(200, 400))
        with at.start() as second, Follower(at.journal) as follower:
            follower.read_until(once["last_number"] + 1)
            assert second.stop() == 0
        twice = figures_of(at.journal)

    assert twice["kernel_drops"] == 400 - twice["last_number"] > once["kernel_drops"]

    with receiving(tmp_path) as at, at.start() as third, Follower(at.journal) as follower:
        at.send(b"on new sockets")
        follower.read_until(twice["last_number"] + 1)
        assert third.stop() == 0
    assert figures_of(at.journal)["kernel_drops"] == twice["kernel_drops"]


def test_calls_keep_their_journal_over_restarts(tmp_path: Path) -> None:
    calls = 60
    with receiving(tmp_path) as at, contextlib.ExitStack() as stack:
        followers = [stack.enter_context(Follower(journal)) for journal in at.journals(3)]
        chosen = choose_journal(3)(packet(0), b"")
        # Half of each call's messages to one intake, the other half to its successor.
        for half in (range(3), range(3, MESSAGES_PER_CALL)):
            at.send(*(packet(call * MESSAGES_PER_CALL + step) for call in range(calls) for step in half))
            with at.start(journals=3) as intake:
                followers[chosen].read_until(len(followers[chosen].records) + 1)
                assert intake.stop() == 0
        for follower in followers:
            follower.read_rest()

    seen = [{number_of(data) // MESSAGES_PER_CALL for data in follower.packets} for follower in followers]
    assert sum(len(part) for part in seen) == calls, "no call in two journals"
    assert all(seen), "each has some"
    assert sum(len(follower.packets) for follower in followers) == calls * MESSAGES_PER_CALL


def test_hostile_connections_do_not_keep_honest_ones_from_being_heard(tmp_path: Path) -> None:
    hostile = [
        b"",
        b"HEP3",
        b"HEP3\xff\xff\0\0\0\x01\0\x07\x02",
        b"HEP3\0\x06" * 500,
        b"\x16\x03\x01\x02\x00\x01" * 2000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"EEP3\0\x0c\0\0\0\x01\0\x05" * 300,
        b"HEP" * 30_000,
    ]
    honest = numbered(0, 50)
    settings = IntakeSettings(
        tcp_connections=40,
        tcp_connections_per_address=30,
        tcp_first_packet_s=0.3,
        tcp_stalled_s=0.3,
        tcp_idle_s=0.6,
    )
    with (
        receiving(tmp_path, settings=settings) as at,
        at.start() as intake,
        Follower(at.journal) as follower,
        contextlib.ExitStack() as stack,
    ):
        crowd = [stack.enter_context(socket.create_connection(at.address)) for _ in range(60)]
        for number, sock in enumerate(crowd):
            with contextlib.suppress(ConnectionError):
                sock.sendall(hostile[number % len(hostile)])
        with socket.create_connection(at.address, source_address=("127.0.0.9", 0)) as stream:
            stream.sendall(b"".join(honest))
            at.send(b"and over UDP")
            while not set(honest) <= set(follower.packets) or b"and over UDP" not in follower.packets:
                follower.read_until(len(follower.records) + 1)
        for sock in crowd:
            sock.settimeout(10)
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1) == b"", "all of the crowd are closed, and told nothing"
        assert intake.stop() == 0
        figures = figures_of(at.journal)

    assert figures["connections"] == 0
    assert figures["connections_total"] == 31
    assert figures["connections_refused"] == 30
    assert "Traceback" not in intake.errors
    assert len(intake.errors.splitlines()) < 10, "the log is not flooded"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_both_families_are_heard_on_one_port(tmp_path: Path) -> None:
    with receiving(tmp_path, host="") as at, at.start() as intake, Follower(at.journal) as follower:
        for family, host in ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.sendto(host.encode(), (host, at.sockets.port))
            with socket.create_connection((host, at.sockets.port)) as stream:
                stream.sendall(packet(1))
                follower.read_until(len(follower.records) + 2)
        assert intake.stop() == 0

    mapped = bytes(10) + b"\xff\xff" + bytes((127, 0, 0, 1))
    six = bytes(15) + b"\1"
    assert sorted((record.peer, record.carrier) for record in follower.records) == sorted(
        (peer, carrier) for peer in (mapped, six) for carrier in (Carrier.UDP, Carrier.TCP)
    )


def test_second_signal_cuts_reading_short(tmp_path: Path) -> None:
    with receiving(tmp_path) as at, at.start() as intake, Follower(at.journal) as follower:
        at.send(b"ready?")
        follower.read_until(1)
        intake.process.send_signal(signal.SIGSTOP)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            intake.process.send_signal(number)

        assert intake.stop(signal.SIGCONT) == 0
        assert re.search("Traceback|KeyboardInterrupt", intake.errors) is None
