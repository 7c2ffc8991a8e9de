import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from capture.capture_time import capture_time
from capture.errors import ImportRefused, PcapError
from capture.hep.decode import decode_packet
from capture.imported import import_of, read_reports, reports_directory
from capture.imports.journal import open_import_journal
from capture.journal.log import JournalWriter
from capture.journal.record import Carrier
from capture.settings import ImportSettings, JournalSettings
from tests.support.frames import (
    TCP,
    ethernet,
    ipv4,
    ipv6,
    pcapng_interface,
    pcapng_packet,
    pcapng_section,
    tcp,
    udp,
)
from tests.support.hep_bytes import a_hep3, legacy
from tests.support.importing import (
    HOUR_US,
    NOW_US,
    a_file,
    a_message,
    import_file,
    packets_of,
    records_of,
    sip_frames,
)

TIME_US = 1_795_408_344_775_048
"""In the packets of `hep_bytes`."""


def test_sip_becomes_hep_with_the_time_of_its_frame(tmp_path: Path) -> None:
    result = import_file(tmp_path / "data", a_file(tmp_path / "calls.pcap", sip_frames(2)))

    first, second = packets_of(tmp_path / "data")
    assert first.payload == a_message(1)
    assert (first.seconds or 0) * 1_000_000 + (first.microseconds or 0) == NOW_US - HOUR_US
    assert (first.source_port, first.destination_port, first.ip_protocol) == (5060, 9060, 17)
    assert second.payload == a_message(2)
    assert (result.report.inserted, result.rejected, result.error) == (2, 0, "")
    assert (result.report.first_us, result.report.last_us) == (NOW_US - HOUR_US, NOW_US - HOUR_US + 1000)


def test_hep_is_imported_byte_for_byte(tmp_path: Path) -> None:
    packets = [a_hep3(payload=a_message()), legacy(2), legacy(1)]
    times = [TIME_US] * 3

    import_file(
        tmp_path / "data",
        a_file(tmp_path / "a.pcap", [ipv4(udp(packet)) for packet in packets], times),
        retention=dict.fromkeys(["call", "registration", "other", "rtcp", "reports", "logs"], "0"),
    )

    records = records_of(tmp_path / "data")
    assert [record.packet for record in records] == packets
    assert {record.carrier for record in records} == {Carrier.IMPORT}
    assert {import_of(record.peer)[1] for record in records} == {TIME_US}


def test_every_kind_of_link_and_carrier_is_imported(tmp_path: Path) -> None:
    frames = [
        ethernet(ipv4(udp(a_message(1))), 0x88A8, 0x8100),
        ethernet(ipv6(udp(a_message(2)))),
        ethernet(ipv4(tcp(a_message(3)[:40], 1), TCP)),
        ethernet(ipv4(tcp(a_message(3)[40:], 41), TCP)),
        ethernet(ipv4(udp(a_message(4))[:96], more=True)),
        ethernet(ipv4(udp(a_message(4))[96:], offset=96)),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames, link_type=1))

    found = packets_of(tmp_path / "data")
    assert [packet.payload for packet in found] == [a_message(number) for number in (1, 2, 3, 4)]
    assert [packet.ip_protocol for packet in found] == [17, 17, 6, 17]
    assert [len(packet.source or b"") for packet in found] == [4, 16, 4, 4]
    assert result.rejected == 0


def test_import_is_called_by_the_label_given_and_reported(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(3))

    result = import_file(tmp_path / "data", path, label="ticket-7", by="bob")

    (report,) = read_reports(reports_directory(tmp_path / "data"))
    assert report == result.report
    assert (report.label, report.file, report.by, report.inserted) == ("ticket-7", "calls.pcap", "bob", 3)
    assert report.last_record == 3
    assert report.ended_us > report.number
    assert {import_of(record.peer)[0] for record in records_of(tmp_path / "data")} == {report.number}


def test_import_without_a_label_is_called_by_its_file_and_the_moment(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls of today.pcap", sip_frames(1))

    assert import_file(tmp_path / "data", path).report.label.startswith("calls-of-today-20")


def test_label_that_is_none_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="a label has"):
        import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", sip_frames(1)), label="a b")

    assert not (tmp_path / "data" / "journal").exists()


@pytest.mark.parametrize("content", [b"", b"not a capture at all, but a text of some length"])
def test_file_that_is_no_capture_is_refused_before_anything_is_done(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)

    with pytest.raises(PcapError, match=r"a\.txt is not a packet capture"):
        import_file(tmp_path / "data", path)

    assert not (tmp_path / "data" / "journal").exists()


def test_capture_without_anything_of_ours_is_an_import_of_nothing(tmp_path: Path) -> None:
    frames = [ipv4(udp(b"\x80\x00" + bytes(170))), ipv4(udp(b"DNS or so")), ipv4(udp(a_hep3(payload=b"")))]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert (result.report.inserted, result.rejected) == (0, 0)
    assert result.report.passed_over == {
        "datagrams of RTP": 1,
        "datagrams of other protocols": 1,
        "HEP keep-alives": 1,
    }
    assert list(read_reports(reports_directory(tmp_path / "data"))) == []


@pytest.mark.parametrize("missing", [1, 16, 100])
def test_what_was_before_the_end_of_a_cut_file_is_imported_and_the_packet_named(
    tmp_path: Path, missing: int
) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(5))
    path.write_bytes(path.read_bytes()[:-missing])

    result = import_file(tmp_path / "data", path)

    assert len(packets_of(tmp_path / "data")) == result.report.inserted == 4
    assert result.error == "a.pcap ends in the middle of packet 5"
    assert result.is_file_broken
    (report,) = read_reports(reports_directory(tmp_path / "data"))
    assert report.error == result.error
    assert report.ended_us


def test_rejected_packets_are_counted_by_their_reason(tmp_path: Path) -> None:
    frames = [
        ipv4(udp(b"HEP3 but broken")),
        ipv4(udp(a_hep3()))[:60],
        ipv4(udp(a_message())),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert result.report.inserted == 1
    assert result.report.rejected == {"malformed HEP (length)": 1, "frames that are not whole": 1}


def test_what_is_not_whole_on_tcp_is_counted(tmp_path: Path) -> None:
    hep = a_hep3(payload=a_message(9))
    message = a_message(1)
    frames = [
        ipv4(tcp(message + message[:50], 1, source_port=1), TCP),
        ipv4(tcp(hep + b"rubbish" + hep + hep[:30], 1, source_port=2), TCP),
        # A hole of a byte in the middle of the second message.
        ipv4(tcp(message + message[:60], 1, source_port=3), TCP),
        ipv4(tcp(message[61:] + message, len(message) + 62, source_port=3), TCP),
        ipv4(tcp(b"GET / HTTP/1.1\r\nHost: a", 1, source_port=4), TCP),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames), retention={"call": "0"})

    assert result.report.inserted == 5
    assert result.report.rejected == {
        "messages on TCP that are not whole": 2,
        "runs of bytes between HEP packets on TCP": 2,
    }


def test_messages_behind_a_hole_are_imported_though_the_file_is_cut(tmp_path: Path) -> None:
    first, second, third = a_message(1), a_message(2), a_message(3)
    frames = [
        ipv4(tcp(first, 1), TCP),
        ipv4(tcp(third, 1 + len(first) + len(second)), TCP),
        ipv4(udp(a_message(4))),
    ]
    path = a_file(tmp_path / "a.pcap", frames)
    path.write_bytes(path.read_bytes()[:-9])

    result = import_file(tmp_path / "data", path)

    assert [packet.payload for packet in packets_of(tmp_path / "data")] == [first, third]
    assert result.error == "a.pcap ends in the middle of packet 3"
    assert result.report.rejected == {"holes between messages on TCP": 1}


def test_hole_before_the_first_message_of_a_connection_is_counted(tmp_path: Path) -> None:
    frames = [
        ipv4(tcp(b"", 0, flags=0x02), TCP),
        ipv4(tcp(a_message(2), 1 + len(a_message(1))), TCP),
        # Nothing is known to be missing before this one, whose beginning was not captured.
        ipv4(tcp(a_message(3), 7, source_port=7), TCP),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert result.report.inserted == 2
    assert result.report.rejected == {"holes between messages on TCP": 1}


def test_packets_of_which_a_filter_let_no_further_fragment_through_are_counted(tmp_path: Path) -> None:
    frames = [ipv4(udp(a_message(1))[:96], more=True), ipv4(udp(a_message(2)), identification=8)]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert result.report.inserted == 1
    assert result.report.rejected == {"packets of which fragments are missing": 1}


def test_what_goes_over_other_protocols_is_counted(tmp_path: Path) -> None:
    frames = [ipv4(bytes(12) + a_message(), 132), ipv4(udp(a_message()))]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert result.report.passed_over == {"packets of IP protocol 132": 1}
    assert result.rejected == 0


def test_hep_on_tcp_that_the_capture_joined_in_a_packet_is_read_as_hep(tmp_path: Path) -> None:
    packets = [a_hep3(payload=a_message(number)) for number in (1, 2, 3)]
    stream = packets[0][-100:] + packets[1] + packets[2]
    frames = [ipv4(tcp(stream[at : at + 90], 1 + at), TCP) for at in range(0, len(stream), 90)]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames), retention={"call": "0"})

    assert [record.packet for record in records_of(tmp_path / "data")] == packets[1:]
    assert result.report.rejected == {"runs of bytes between HEP packets on TCP": 1}


def test_byte_that_kept_a_new_connection_alive_does_not_tell_what_it_is_for(tmp_path: Path) -> None:
    frames = [
        ipv4(tcp(b"", 100, flags=0x02), TCP),
        # So some systems ask whether the other end is there: by a byte that it has confirmed.
        ipv4(tcp(b"\0", 100), TCP),
        ipv4(tcp(a_hep3(payload=a_message()), 101), TCP),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames), retention={"call": "0"})

    assert (result.report.inserted, result.rejected) == (1, 0)


def test_hole_in_a_connection_of_something_else_is_not_counted(tmp_path: Path) -> None:
    frames = [ipv4(tcp(b"GET / HTTP/1.1\r\n\r\n", at), TCP) for at in (1, 100)]

    assert import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames)).rejected == 0


def test_tls_and_websocket_are_counted_and_not_read(tmp_path: Path) -> None:
    upgrade = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    frames = [
        ipv4(tcp(b"\x16\x03\x01\x02\x00" + bytes(200), 1, source_port=1), TCP),
        ipv4(tcp(b"\x17\x03\x03" + a_message(), 206, source_port=1), TCP),
        ipv4(tcp(upgrade, 1, source_port=2), TCP),
        ipv4(tcp(b"\x81\x7e" + a_message(), 1 + len(upgrade), source_port=2), TCP),
    ]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert result.report.inserted == 0
    assert result.report.passed_over == {"segments of TLS": 2, "segments of WebSocket": 2}


def test_packets_older_than_they_are_kept_are_rejected_in_words(tmp_path: Path) -> None:
    times = [NOW_US - 15 * 24 * HOUR_US, NOW_US - 13 * 24 * HOUR_US]
    path = a_file(tmp_path / "a.pcap", sip_frames(2), times)

    result = import_file(tmp_path / "data", path)

    assert result.report.inserted == 1
    assert result.report.rejected == {"older than `retention.call` keeps it": 1}


def test_class_decides_what_is_too_old(tmp_path: Path) -> None:
    frames = [ipv4(udp(a_message(1))), ipv4(udp(a_message(2, b"REGISTER")))]
    path = a_file(tmp_path / "a.pcap", frames, [NOW_US - 3 * 24 * HOUR_US] * 2)

    result = import_file(tmp_path / "data", path, retention={"registration": "2d"})

    assert result.report.rejected == {"older than `retention.registration` keeps it": 1}


def test_now_moves_the_newest_packet_to_the_present_and_keeps_distances(tmp_path: Path) -> None:
    old_us = TIME_US - 400 * 24 * HOUR_US
    # The third one's own time makes no sense beside that of its frame, and would do so once that has moved.
    frames = [*sip_frames(2), ipv4(udp(a_hep3(payload=a_message(3)))), ipv4(udp(legacy(1)))]
    times = [old_us, old_us + 5_000_000, old_us + 6_000_000, old_us + 7_000_000]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames, times), to_now=True)

    now_us = time.time_ns() // 1000
    stored = [
        capture_time(packet.seconds, packet.microseconds, import_of(record.peer)[1])[0]
        for packet, record in zip(packets_of(tmp_path / "data"), records_of(tmp_path / "data"), strict=True)
    ]
    assert result.report.inserted == 4
    assert [time_us - stored[0] for time_us in stored] == [0, 5_000_000, 6_000_000, 7_000_000]
    assert 0 <= now_us - stored[3] < 60_000_000


def test_now_moves_the_own_times_of_hep(tmp_path: Path) -> None:
    packets = [a_hep3(payload=a_message(1)), legacy(2)]
    frames = [ipv4(udp(packet)) for packet in packets]

    import_file(
        tmp_path / "data", a_file(tmp_path / "a.pcap", frames, [TIME_US, TIME_US + 1_000_000]), to_now=True
    )

    now_us = time.time_ns() // 1000
    for packet in packets_of(tmp_path / "data"):
        assert 0 <= now_us - (packet.seconds or 0) * 1_000_000 < 60_000_000


def test_frame_without_a_sensible_time_is_taken_for_captured_now(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(3), [0, NOW_US + 30 * 24 * HOUR_US, NOW_US])

    result = import_file(tmp_path / "data", path)

    assert (result.untimed, result.report.inserted) == (2, 3)
    assert all(import_of(record.peer)[1] >= NOW_US for record in records_of(tmp_path / "data"))


def test_now_leaves_frames_without_a_sensible_time_where_they_are(tmp_path: Path) -> None:
    old_us = NOW_US - 400 * 24 * HOUR_US
    path = a_file(tmp_path / "a.pcap", sip_frames(3), [old_us, 0, old_us + 5_000_000])

    result = import_file(tmp_path / "data", path, to_now=True)

    first, untimed, last = (import_of(record.peer)[1] for record in records_of(tmp_path / "data"))
    assert (result.report.inserted, result.untimed, result.rejected) == (3, 1, 0)
    assert last - first == 5_000_000
    assert untimed == last
    assert time.time_ns() // 1000 - last < 60_000_000


def test_now_moves_hep_by_its_own_time_where_its_frame_has_none(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", [ipv4(udp(a_hep3(payload=a_message())))], [0])

    result = import_file(tmp_path / "data", path, to_now=True)

    (record,) = records_of(tmp_path / "data")
    packet = decode_packet(record.packet)
    time_us, _, _ = capture_time(packet.seconds, packet.microseconds, import_of(record.peer)[1])
    assert (result.report.inserted, result.rejected) == (1, 0)
    assert 0 <= time.time_ns() // 1000 - time_us < 60_000_000


def test_message_longer_than_a_hep_packet_is_imported_compressed(tmp_path: Path) -> None:
    body = b"x" * 100_000
    message = a_message().replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body
    frames = [ipv4(tcp(message[at : at + 1400], 1 + at), TCP) for at in range(0, len(message), 1400)]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    (packet,) = packets_of(tmp_path / "data")
    assert packet.payload == message
    assert result.rejected == 0


def test_message_that_hep_cannot_carry_even_compressed_is_rejected(tmp_path: Path) -> None:
    body = os.urandom(100_000)
    message = a_message().replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body
    frames = [ipv4(tcp(message[at : at + 1400], 1 + at), TCP) for at in range(0, len(message), 1400)]

    result = import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", frames))

    assert (result.report.inserted, result.report.rejected) == (0, {"messages too large for HEP": 1})


def test_import_that_finds_no_room_keeps_what_it_brought_and_says_so(tmp_path: Path) -> None:
    message = a_message() + os.urandom(1000)
    frames = [ipv4(udp(message)) for _ in range(2000)]
    path = a_file(tmp_path / "a.pcap", frames, [NOW_US] * len(frames))

    result = import_file(tmp_path / "data", path, imports={"journal_bytes": 1024 * 1024})

    kept = len(records_of(tmp_path / "data"))
    assert 0 < result.report.inserted == kept < 2000
    assert "the journal of imports is full" in result.error
    assert not result.is_file_broken
    (report,) = read_reports(reports_directory(tmp_path / "data"))
    assert report.last_record == kept


def test_import_that_is_told_to_stop_keeps_what_it_brought_and_says_so(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(3000))
    read: list[int] = []

    result = import_file(tmp_path / "data", path, read.append, lambda: len(read) == 3)

    kept = len(records_of(tmp_path / "data"))
    # It is told of every 512th frame before it takes that.
    assert result.report.inserted == kept == 3 * 512 - 1
    assert (result.error, result.is_file_broken) == ("the import was stopped", False)
    (report,) = read_reports(reports_directory(tmp_path / "data"))
    assert (report.error, report.last_record) == (result.error, kept)


def test_import_that_waits_for_room_is_stopped(tmp_path: Path) -> None:
    message = a_message() + os.urandom(1000)
    path = a_file(tmp_path / "a.pcap", [ipv4(udp(message))] * 2000, [NOW_US] * 2000)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(records_of(tmp_path / "data")))
        return asked[-2:-1] == asked[-1:] and asked[-1] > 0

    imports = {"journal_bytes": 1024 * 1024, "stalled_s": 60}
    result = import_file(tmp_path / "data", path, stop=stop, imports=imports)

    assert result.error == "the import was stopped"
    assert result.report.inserted == asked[-1]


def test_import_that_was_told_to_stop_before_it_began_is_one_of_nothing(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(3))

    for to_now in (False, True):
        result = import_file(tmp_path / "data", path, stop=lambda: True, to_now=to_now)

        assert (result.report.inserted, result.error) == (0, "the import was stopped")
    assert not list(read_reports(reports_directory(tmp_path / "data")))


def test_stop_after_the_last_packet_ends_only_the_waiting(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(3))
    told: list[int] = []

    result = import_file(
        tmp_path / "data",
        path,
        told.append,
        lambda: told[-1:] == [path.stat().st_size],
        imports={"wait_s": 600},
    )

    assert (result.report.inserted, result.error, result.is_stored) == (3, "", False)


@pytest.mark.parametrize("to_now", [False, True])
def test_progress_rises_from_the_beginning_to_the_size_of_the_file(tmp_path: Path, to_now: bool) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(4000))
    told: list[int] = []

    import_file(tmp_path / "data", path, told.append, to_now=to_now)

    size = path.stat().st_size
    assert told == sorted(told)
    assert told[0] < size // 2
    assert told[-1] == size
    assert len([each for each in told if each < size // 2]) > 2


def test_another_import_is_waited_for_by_whoever_asks(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(1))
    import_file(tmp_path / "data", path)
    journal = JournalSettings(min_free_bytes=1)

    with (
        open_import_journal(tmp_path / "data", journal, ImportSettings()),
        pytest.raises(ImportRefused, match="another import is going on"),
    ):
        import_file(tmp_path / "data", path)

    assert import_file(tmp_path / "data", path).report.inserted == 1


def test_numbers_of_imports_rise_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(1))
    first = import_file(tmp_path / "data", path).report
    ahead = first.number + 10 * HOUR_US
    reports = reports_directory(tmp_path / "data")
    (file,) = reports.glob("*.json")
    file.write_text(file.read_text().replace(str(first.number), str(ahead)))

    assert import_file(tmp_path / "data", path).report.number == ahead + 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_data_directory_of_another_account_is_refused_in_words(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    os.chown(data_dir, 12345, 12345)

    with pytest.raises(ImportRefused, match=r"belongs to another account \(user id 12345\)"):
        import_file(data_dir, a_file(tmp_path / "a.pcap", sip_frames(1)))


def test_journal_of_imports_is_one_like_any_other(tmp_path: Path) -> None:
    import_file(tmp_path / "data", a_file(tmp_path / "a.pcap", sip_frames(3)))

    directory = tmp_path / "data" / "journal" / "import"
    with closing(JournalWriter.open(directory, JournalSettings(min_free_bytes=1))) as writer:
        assert writer.last_number == 3
        assert writer.notes == []


def test_file_with_links_without_end_makes_no_reasons_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    interfaces = [pcapng_interface(link_type) for link_type in range(1000, 2000)]
    path.write_bytes(
        pcapng_section() + b"".join(interfaces) + b"".join(pcapng_packet(b"x", at) for at in range(1000))
    )

    result = import_file(tmp_path / "data", path)

    assert len(result.report.rejected) == 51
    assert result.rejected == 1000
