"""Importing capture files and deleting imports, in a process of its own that is started for each.

One at a time, as the journal they go through has one writer. What has been imported is told by the files
beside that journal. Knows nothing of HTTP.
"""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from api.errors import (
    DatabaseError,
    ImportConflict,
    ImportFailed,
    ImportsUnavailable,
    UnknownImport,
)
from api.settings import ApiOptions
from capture.imported import ImportReport, read_reports, reports_directory
from capture.imports.task import Answer, Failure, Import, ImportResult, Removal, write_task

log = logging.getLogger(__name__)

MOST_UPLOADS = 4
"""Capture files that come in, or lie there to be imported."""
MOST_WAITING = 8
"""Imports and deletions that wait for the one that is going on."""
_LONGEST_ANSWER = 1024 * 1024

_answers = msgspec.json.Decoder(Answer)


class Imports:
    """The imports of this machine, as one API process starts them."""

    def __init__(self, options: ApiOptions) -> None:
        self._options = options
        self._turn = asyncio.Lock()
        self._uploads = 0
        self._waiting = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def data_dir(self) -> Path:
        """Where the journal is; ImportsUnavailable when that is another machine's."""
        if self._options.data_dir is None:
            raise ImportsUnavailable("the journal of imports is on another machine: import there")
        return self._options.data_dir

    def list(self) -> list[ImportReport]:
        """Everything that was imported and not deleted, the newest first."""
        reports = [each for each in read_reports(reports_directory(self.data_dir)) if not each.deleted_us]
        return reports[::-1]

    @contextlib.contextmanager
    def uploading(self) -> Iterator[None]:
        """While a file comes in; ImportConflict when too many do, for each may fill much of a disk."""
        if self._uploads >= MOST_UPLOADS:
            raise ImportConflict("too many capture files are coming in: try again later")
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    async def bring(self, descriptor: int, name: str, label: str, by: str, *, to_now: bool) -> ImportResult:
        """Import a file that is open here as `descriptor`.

        ImportFailed when nothing of it can be imported. What ends an import early stands in the result.
        """
        options = self._options
        job = {
            "name": name,
            "label": label,
            "by": by,
            "to_now": to_now,
            "data_dir": str(self.data_dir),
            "journal": options.journal.model_dump(),
            "hep": options.hep.model_dump(),
            "retention": options.retention.model_dump(),
            "imports": options.imports.model_dump(),
        }
        answer = await self._ask(Import(descriptor, json.dumps(job)), [descriptor])
        if answer.result is None:
            raise ImportsUnavailable("the process that imports gave no answer: the log says why")
        return answer.result

    async def remove(self, label: str, by: str) -> int:
        """Delete all imports of a label; how many messages these were. UnknownImport, ImportConflict."""
        task = Removal(self._options.database_url, str(self.data_dir), label, by)
        answer = await self._ask(task, [])
        return answer.removed or 0

    async def close(self) -> None:
        """End what is going on; what it has brought stays."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _ask(self, task: Import | Removal, descriptors: Sequence[int]) -> Answer:
        if self._waiting >= MOST_WAITING:
            raise ImportConflict("too many imports are waiting: try again later")
        self._waiting += 1
        try:
            async with self._turn:
                answer = await self._run(task, descriptors)
        finally:
            self._waiting -= 1
        if answer.failure is not None:
            raise _error_of(answer.failure)
        return answer

    async def _run(self, task: Import | Removal, descriptors: Sequence[int]) -> Answer:
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "capture.imports"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=tuple(descriptors),
                limit=_LONGEST_ANSWER,
            )
        except OSError as error:
            log.error("the process that imports cannot be started: %s", error)
            raise ImportsUnavailable(
                "the process that imports cannot be started: the log says why"
            ) from error
        assert process.stdin is not None  # noqa: S101 (asked for above)
        assert process.stdout is not None  # noqa: S101
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(write_task(task))
                await process.stdin.drain()
            # Its standard input stays open: by its end it learns that nobody waits any more.
            line = await process.stdout.readline()
            return _answers.decode(line)
        except (msgspec.MsgspecError, ValueError) as error:
            log.error("the process that imports ended without an answer")
            raise ImportsUnavailable("the process that imports gave no answer: the log says why") from error
        finally:
            # Without an answer it is still at work, and ends by this too.
            process.stdin.close()
            await asyncio.shield(_end(process))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Until it is gone. Its pipe is read to the end before, or asyncio would wait for that for ever."""
    assert process.stdout is not None  # noqa: S101 (asked for at the start)
    while await process.stdout.read(_LONGEST_ANSWER):
        continue
    await process.wait()


def _error_of(
    failure: Failure,
) -> ImportFailed | UnknownImport | ImportConflict | ImportsUnavailable | DatabaseError:
    match failure.kind:
        case "file":
            return ImportFailed(f"bad pcap data: {failure.words}")
        case "label":
            return ImportFailed(failure.words)
        case "unknown":
            return UnknownImport(failure.words)
        case "conflict":
            return ImportConflict(failure.words)
        case "database":
            return DatabaseError(failure.words)
    return ImportsUnavailable(failure.words)
