"""Capture files for tests of imports, and what came of them."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from capture.imported import JOURNAL_NAME
from capture.imports.run import ImportJob, run_import
from capture.imports.task import ImportResult
from capture.journal.reader import JournalReader
from capture.journal.record import Record
from tests.support.frames import RAW_IP, ipv4, udp

NOW_US = time.time_ns() // 1000
"""Of the tests: what is imported is young enough to be kept."""
HOUR_US = 3_600_000_000

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: import-1@192.0.2.10\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def a_message(number: int = 1, method: bytes = b"INVITE") -> bytes:
    return INVITE.replace(b"import-1@", b"import-%d@" % number).replace(b"INVITE", method)


def a_file(
    path: Path, frames: Sequence[bytes], times_us: Sequence[int] = (), link_type: int = RAW_IP
) -> Path:
    """A pcap, its frames a millisecond apart and an hour old unless `times_us` say otherwise."""
    data = b"\xd4\xc3\xb2\xa1\2\0\4\0" + bytes(8) + b"\xff\xff\0\0" + link_type.to_bytes(4, "little")
    times = list(times_us) or [NOW_US - HOUR_US + 1000 * number for number in range(len(frames))]
    for time_us, frame in zip(times, frames, strict=True):
        seconds, microseconds = divmod(time_us, 1_000_000)
        for word in (seconds, microseconds, len(frame), len(frame)):
            data += word.to_bytes(4, "little")
        data += frame
    path.write_bytes(data)
    return path


def sip_frames(count: int) -> list[bytes]:
    return [ipv4(udp(a_message(number))) for number in range(1, count + 1)]


def import_file(
    data_dir: Path,
    path: Path,
    progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    **given: Any,
) -> ImportResult:
    """As the account that runs the test, without waiting for anything to be stored."""
    data_dir.mkdir(exist_ok=True)
    imports = {"wait_s": 0, "stalled_s": 0.3, **given.pop("imports", {})}
    job = {"name": path.name, "by": "admin", "data_dir": data_dir, "imports": imports}
    job["journal"] = {"min_free_bytes": 1}
    with path.open("rb") as file:
        return run_import(ImportJob.model_validate({**job, **given}), file, progress, stop)


def records_of(data_dir: Path) -> list[Record]:
    """What imports have put into the journal."""
    with closing(JournalReader.open(data_dir / "journal" / JOURNAL_NAME)) as reader:
        records: list[Record] = []
        while chunk := reader.read().records:
            records += chunk
        return records


def packets_of(data_dir: Path) -> list[Packet]:
    return [decode_packet(record.packet) for record in records_of(data_dir)]
