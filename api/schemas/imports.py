"""What is said of imports: Homer's answer to one, and our own list of them."""

from typing import Final

import msgspec

from capture.imported import ImportReport
from capture.imports.task import ImportResult

SECRET: Final = frozenset(["segments of TLS", "segments of WebSocket"])
"""There may be SIP in them that the capture does not show."""


class ImportCounts(msgspec.Struct):
    """Homer's two numbers, and ours."""

    inserted: int
    """Packets that are imported."""
    rejected: int
    """Packets that were looked for and are not."""
    label: str = ""
    """What it is found and deleted by; empty when nothing was imported."""
    reasons: dict[str, int] = {}
    """Of the rejected, how many for what."""
    passed_over: dict[str, int] = {}
    """Frames and datagrams of what is not kept, such as RTP."""


class ImportAnswer(msgspec.Struct):
    """What has come of a capture file."""

    data: ImportCounts
    message: str
    """`All good` when every packet that was looked for is stored; else what is not, in words."""


class ImportRow(msgspec.Struct):
    """One import; times in milliseconds since the Unix epoch."""

    label: str
    file: str
    by: str
    begun: int
    ended: int | None
    """null: it goes on, or was broken off."""
    inserted: int
    rejected: dict[str, int]
    passed_over: dict[str, int]
    first: int | None
    """Capture time of its oldest packet."""
    last: int | None
    now: bool
    """Its times were moved to the present."""
    error: str
    """Why its file could not be read to the end."""


class ImportList(msgspec.Struct):
    """Every import that was not deleted, the newest first."""

    count: int
    data: list[ImportRow]


class RemovedCount(msgspec.Struct):
    """What has been deleted."""

    label: str
    removed: int
    """Messages that had the label."""


class RemovedAnswer(msgspec.Struct):
    """The answer to a deletion."""

    data: RemovedCount
    message: str


def import_answer(result: ImportResult) -> ImportAnswer:
    report = result.report
    counts = ImportCounts(
        report.inserted,
        result.rejected,
        report.label if report.last_record else "",
        report.rejected,
        report.passed_over,
    )
    return ImportAnswer(counts, _message(result))


def _message(result: ImportResult) -> str:
    if result.error:
        fault = "bad pcap data: " if result.is_file_broken else ""
        return f"{fault}{result.error}; the packets before that are imported"
    rejected = [f"{count} {reason}" for reason, count in sorted(result.report.rejected.items())]
    return f"not everything could be imported: {', '.join(rejected)}" if rejected else "All good"


def import_warnings(result: ImportResult) -> list[str]:
    """What the numbers do not say."""
    report = result.report
    warnings = []
    if not result.is_stored:
        warnings.append(f"{report.inserted} packets are safe in the journal and not stored yet")
    if any(reason.startswith("older than") for reason in report.rejected) and not report.to_now:
        warnings.append("import/data/pcap/now moves times to the present, so that nothing is too old")
    if result.untimed:
        warnings.append(f"{result.untimed} frames without a sensible time were taken for captured now")
    warnings += [
        f"{count} {kind} cannot be read" for kind, count in report.passed_over.items() if kind in SECRET
    ]
    return warnings


def import_row(report: ImportReport) -> ImportRow:
    return ImportRow(
        label=report.label,
        file=report.file,
        by=report.by,
        begun=report.number // 1000,
        ended=report.ended_us // 1000 or None,
        inserted=report.inserted,
        rejected=report.rejected,
        passed_over=report.passed_over,
        first=report.first_us // 1000 or None,
        last=report.last_us // 1000 or None,
        now=report.to_now,
        error=report.error,
    )
