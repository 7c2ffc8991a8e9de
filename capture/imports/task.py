"""What the API tells the process that imports, and what that answers: JSON on its pipes.

Knows nothing of how either is done.
"""

from pathlib import Path

import msgspec

from capture.imported import ImportReport


class Import(msgspec.Struct, tag=True):
    """Import a file; `job` is `capture.imports.run.ImportJob` as JSON."""

    descriptor: int
    """Of the file, which the process has inherited."""
    job: str


class Removal(msgspec.Struct, tag=True):
    """Delete what was imported under a label."""

    database_url: str
    data_dir: str
    label: str
    by: str

    @property
    def data_dir_path(self) -> Path:
        return Path(self.data_dir)


class ImportResult(msgspec.Struct):
    """What an import has come to."""

    report: ImportReport
    is_stored: bool = False
    """What became of its packets is known; else they are safe in the journal, and will be stored."""
    untimed: int = 0
    """Frames without a sensible time, which were taken for captured now."""
    error: str = ""
    """Why it ended early, with what it had brought so far."""
    is_file_broken: bool = False
    """That is the file's fault; else it is the journal's."""

    @property
    def rejected(self) -> int:
        """Packets that were looked for and are not stored."""
        return sum(self.report.rejected.values())


class Failure(msgspec.Struct):
    """Nothing was done."""

    kind: str
    """`file`: it is no capture; `label`: it is none; `unknown`: no import has it; `conflict`: another import
    is going on; `database`: it is away; `journal`: it cannot be used."""
    words: str


class Answer(msgspec.Struct):
    """One of these."""

    result: ImportResult | None = None
    removed: int | None = None
    failure: Failure | None = None


def write_task(task: Import | Removal) -> bytes:
    """A task as one line."""
    return msgspec.json.encode(task) + b"\n"


def read_task(line: bytes) -> Import | Removal:
    """The task that a line says."""
    return msgspec.json.decode(line, type=Import | Removal)


def write_answer(answer: Answer) -> bytes:
    """An answer as one line."""
    return msgspec.json.encode(answer) + b"\n"
