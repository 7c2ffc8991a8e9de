"""The exception tree of `capture`.

CaptureError
├── DecodeError (also ValueError)
│   ├── HepError
│   ├── SipError
│   └── MediaError
├── JournalError
│   └── JournalFull
├── StoreError
│   ├── DatabaseAway
│   ├── PositionMoved
│   ├── PartitionMissing
│   ├── BatchRefused
│   ├── SchemaMismatch
│   └── PayloadCorrupt
├── ScriptError
├── PcapError
├── ImportStopped
├── ImportRefused
│   ├── LabelRefused
│   ├── NoSuchImport
│   └── ImportBusy
└── ConfigError
"""


class CaptureError(Exception):
    """Base of all errors raised by `capture`."""


class DecodeError(CaptureError, ValueError):
    """Bytes that are not what they claim to be."""

    def __init__(self, reason: str, detail: str, offset: int = 0) -> None:
        super().__init__(f"{detail} (at byte {offset})")
        self.reason = reason
        """A short stable word: the label of a counter."""
        self.offset = offset
        """Bytes from the packet's start."""


class HepError(DecodeError):
    """Not a HEP packet."""


class SipError(DecodeError):
    """Not a SIP message."""


class MediaError(DecodeError):
    """Not the report that the protocol type promises."""


class JournalError(CaptureError):
    """The journal's files are not usable."""


class JournalFull(JournalError):
    """No room for more records: the byte limit or the free-space floor is reached."""


class StoreError(CaptureError):
    """Base of what goes wrong between a batch and PostgreSQL."""


class DatabaseAway(StoreError):
    """The database cannot be reached or is in trouble of its own.

    Roll back, wait, go on from the stored position.
    """


class PositionMoved(StoreError):
    """The stored position is not where this batch began: another worker has committed past it."""


class PartitionMissing(StoreError):
    """A leaf table has gone or does not take this time: read the partitions anew."""


class BatchRefused(StoreError):
    """More rows refused than data alone explains: our fault, nothing is given up."""


class SchemaMismatch(StoreError):
    """The database's schema is older than this code needs, or newer and closed to it."""


class PayloadCorrupt(StoreError):
    """A stored payload cannot be restored: one message's error."""


class ScriptError(CaptureError):
    """A filter script that went wrong, or was stopped."""

    def __init__(self, kind: str, words: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(words if file is None else f"{file}:{line}: {words}" if line else f"{file}: {words}")
        self.kind = kind
        """`error`, `instructions` or `memory`."""
        self.words = words
        self.file = file
        self.line = line
        """Counted from 1; None where it is not known."""


class PcapError(CaptureError):
    """A capture file that cannot be read, or not to its end."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        """`unreadable`, `foreign` (no capture at all), `cut` (in the middle of a packet) or `broken`."""


class ImportStopped(CaptureError):
    """An import was told to stop before its end."""


class ImportRefused(CaptureError):
    """An import, or the deletion of one, that cannot be; the text is for the one who asked."""


class LabelRefused(ImportRefused):
    """What an import is to be called is no label."""


class NoSuchImport(ImportRefused):
    """No import has this label, or it was deleted before."""


class ImportBusy(ImportRefused):
    """Another import is going on, or what is to be deleted is still to be stored: later it can be."""


class ConfigError(CaptureError):
    """A setting that cannot be."""
