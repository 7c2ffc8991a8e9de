"""The process in which the API imports and deletes: one task, read as a line of JSON, one answer.

Of its own, because reading a capture keeps a processor busy, and searches must not wait for that. It ends
when its parent does: by the end of its standard input.
"""

import asyncio
import os
import sys
import threading

from capture.errors import (
    CaptureError,
    ConfigError,
    DatabaseAway,
    ImportBusy,
    LabelRefused,
    NoSuchImport,
    PcapError,
)
from capture.imports.remove import remove_import
from capture.imports.run import ImportJob, run_import
from capture.imports.task import Answer, Failure, Removal, read_task, write_answer

_NICE = 10
"""Of lower priority than receiving, storing and searching."""


def main() -> int:
    """Read the task, do it, write the answer."""
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
    os.nice(_NICE)
    sys.stdout.buffer.write(write_answer(_answer(line)))
    sys.stdout.buffer.flush()
    return 0


def _end_with_parent() -> None:
    # Not by the buffer, whose lock the interpreter wants when it ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _answer(line: bytes) -> Answer:
    task = read_task(line)
    try:
        if isinstance(task, Removal):
            done = remove_import(task.database_url, task.data_dir_path, task.label, task.by)
            return Answer(removed=asyncio.run(done))
        with os.fdopen(task.descriptor, "rb") as file:
            return Answer(result=run_import(ImportJob.model_validate_json(task.job), file))
    except CaptureError as error:
        return Answer(failure=Failure(_kind(error), str(error)))


def _kind(error: CaptureError) -> str:
    match error:
        case PcapError():
            return "file"
        case LabelRefused():
            return "label"
        case NoSuchImport():
            return "unknown"
        case ImportBusy():
            return "conflict"
        case DatabaseAway() | ConfigError():
            return "database"
    return "journal"


if __name__ == "__main__":
    sys.exit(main())
