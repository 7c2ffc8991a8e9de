"""Packets kept for study, as captures."""

import os
from pathlib import Path

import dpkt
import pytest

from capture.pcap.packets import read_hep
from capture.script_packets import MOST_KEPT, as_capture, keep_packet

NOW_US = 1_700_000_000_123_456
PACKET = b"HEP3\0\x0c\0\0\0\7\0\6"


def hep_of(path: Path) -> list[bytes]:
    warnings: list[str] = []
    found = list(read_hep(path, warnings.append))
    assert warnings == []
    return found


@pytest.mark.parametrize("length", [12, 65_507, 65_508, 65_535])
def test_packet_of_any_length_comes_out_of_the_capture_as_it_was(tmp_path: Path, length: int) -> None:
    packet = b"HEP3" + length.to_bytes(2, "big") + bytes(length - 6)

    name = keep_packet(tmp_path, "mask.lua", packet, NOW_US)

    assert hep_of(tmp_path / name) == [packet]


def test_capture_is_sound_to_others_too(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(as_capture(PACKET, NOW_US))

    with path.open("rb") as file:
        ((seconds, frame),) = list(dpkt.pcap.Reader(file))

    assert round(seconds * 1e6) == NOW_US
    header = dpkt.ip.IP(frame)
    as_sent = header.sum
    header.sum = 0
    header.data.sum = 0
    assert dpkt.in_cksum(bytes(frame[:10]) + b"\0\0" + bytes(frame[12:20])) == as_sent
    assert bytes(header.data.data) == PACKET


def test_packet_is_named_by_its_script_and_kept_once(tmp_path: Path) -> None:
    first = keep_packet(tmp_path / "packets", "mask.lua", PACKET, NOW_US)
    again = keep_packet(tmp_path / "packets", "mask.lua", PACKET, NOW_US)
    other = keep_packet(tmp_path / "packets", "mask.lua", PACKET + b"!", NOW_US)

    assert first == again != other
    assert first.startswith("mask-")
    assert len(list((tmp_path / "packets").iterdir())) == 2


def test_long_name_of_a_script_is_cut(tmp_path: Path) -> None:
    assert (tmp_path / keep_packet(tmp_path, "ü" * 120 + ".lua", PACKET, NOW_US)).is_file()


def test_oldest_packets_go(tmp_path: Path) -> None:
    for number in range(MOST_KEPT):
        path = tmp_path / f"old-{number}.pcap"
        path.touch()
        os.utime(path, (number, number))

    keep_packet(tmp_path, "mask.lua", PACKET, NOW_US)

    assert len(list(tmp_path.iterdir())) == MOST_KEPT
    assert not (tmp_path / "old-0.pcap").exists()
    assert (tmp_path / "old-1.pcap").exists()


def test_packet_that_another_worker_deletes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.pcap").symlink_to(tmp_path / "nowhere")

    name = keep_packet(tmp_path, "mask.lua", PACKET, NOW_US)

    assert hep_of(tmp_path / name) == [PACKET]
