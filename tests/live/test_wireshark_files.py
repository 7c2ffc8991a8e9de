"""Capture files as Wireshark's own tools write them, imported: the same packets whatever the format."""

import subprocess
from pathlib import Path

import pytest

from tests.support.frames import RAW_IP, TCP, ethernet, ipv4, tcp
from tests.support.importing import NOW_US, a_file, a_message, import_file, packets_of, records_of, sip_frames
from tests.support.programs import find_program


def run(name: str, *arguments: str | Path) -> None:
    subprocess.run([find_program(name), *map(str, arguments)], check=True, capture_output=True, timeout=60)


def payloads_of(data_dir: Path, path: Path) -> list[bytes]:
    result = import_file(data_dir, path)
    assert (result.error, result.rejected) == ("", 0)
    return [packet.payload for packet in packets_of(data_dir)]


@pytest.mark.parametrize("form", ["pcap", "nsecpcap", "pcapng"])
def test_file_in_every_format_gives_the_same_packets_and_times(tmp_path: Path, form: str) -> None:
    times = [NOW_US + 111 * number for number in range(5)]
    path = a_file(tmp_path / "a.pcap", sip_frames(5), times)
    run("editcap", "-F", form, path, tmp_path / "b")

    payloads = payloads_of(tmp_path / "data", tmp_path / "b")

    assert payloads == [a_message(number) for number in range(1, 6)]
    moments = [
        (packet.seconds or 0) * 1_000_000 + (packet.microseconds or 0)
        for packet in packets_of(tmp_path / "data")
    ]
    assert moments == times


def test_files_of_two_links_merged_into_one_are_read(tmp_path: Path) -> None:
    raw = a_file(tmp_path / "raw.pcap", sip_frames(2), [NOW_US, NOW_US + 2000], RAW_IP)
    wired = a_file(
        tmp_path / "eth.pcap", [ethernet(frame, 0x8100) for frame in sip_frames(3)[2:]], [NOW_US + 1000], 1
    )
    run("mergecap", "-F", "pcapng", "-w", tmp_path / "both", raw, wired)

    payloads = payloads_of(tmp_path / "data", tmp_path / "both")

    assert payloads == [a_message(1), a_message(3), a_message(2)]


def test_segments_that_a_reader_reordered_and_doubled_are_joined(tmp_path: Path) -> None:
    stream = b"".join(a_message(number) for number in range(1, 9))
    frames = [ipv4(tcp(stream[at : at + 100], 1 + at), TCP) for at in range(0, len(stream), 100)]
    path = a_file(tmp_path / "a.pcap", [ipv4(tcp(b"", 0, flags=2), TCP), *frames])
    run("mergecap", "-F", "pcap", "-a", "-w", tmp_path / "twice.pcap", path, path)

    payloads = payloads_of(tmp_path / "data", tmp_path / "twice.pcap")

    assert payloads == [a_message(number) for number in range(1, 9)]


def test_frames_cut_at_a_snap_length_are_counted(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(3))
    run("editcap", "-F", "pcap", "-s", "100", path, tmp_path / "cut.pcap")

    result = import_file(tmp_path / "data", tmp_path / "cut.pcap")

    assert (result.report.inserted, result.report.rejected) == (0, {"frames that are not whole": 3})
    assert records_of(tmp_path / "data") == []
