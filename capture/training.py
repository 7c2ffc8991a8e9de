"""A worker's share in training payload dictionaries: when a trainer is started, and what becomes of its work.

The first is trained once enough SIP messages are stored; then, a day after each, whether another would be
better. The trainer is a process of its own (`capture.store.trainer`); here it is only started, looked at
between two batches, and its dictionary taken into use, as is one that another worker's trainer has made.
"""

import logging
import os
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from capture.settings import StorageSettings
from capture.store import trainer
from capture.store.bridge import LoopThread
from capture.store.codec import Dictionary
from capture.store.dictionaries import Standing
from capture.store.trainer import Order, Report
from capture.store.writer import Writer

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""How often the database is asked whether another worker has trained."""
RENEW_S = 86_400.0
"""Age at which a dictionary is compared with a new one. What is new in a day is little, and ids are few."""
RETRY_S = 3600.0
"""After a trainer that failed, or found too little."""

_NEVER = 1 << 63


class Store(NamedTuple):
    """A session's way to the database."""

    loop: LoopThread
    writer: Writer


class Training:
    """Belongs to a worker, not to one of its sessions, so that it knows when a trainer was last started."""

    def __init__(
        self,
        database_url: str,
        storage: StorageSettings,
        *,
        trains: bool = True,
        start: Callable[[Order], "subprocess.Popen[bytes]"] = trainer.start,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """With `trains` false, or by the settings, it only takes what others have trained."""
        self._url = database_url
        self._level = storage.zstd_level
        self._enough = storage.train_after_messages
        self._compresses = storage.payload == "zstd"
        self._trains = trains and storage.train_dictionary
        self._start_trainer = start
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._next_look_s = 0.0
        self._look_at_written = 0
        self._not_before_s = 0.0

    def turn(self, store: Store, in_use: Dictionary, written: int) -> Dictionary | None:
        """Another dictionary to compress with from now on, if there is one.

        `written` counts the messages that this worker has committed. Asks the database now and then; a
        StoreError of that is the session's.
        """
        if not self._compresses:
            return None
        ended = self._take_report()
        if not ended and self._clock() < self._next_look_s and written < self._look_at_written:
            return None
        standing = store.loop.call(store.writer.training_standing(self._enough))
        self._next_look_s = self._clock() + LOOK_S
        self._look_at_written = self._next_count(standing, written)
        if standing.newest is not None and standing.newest != in_use.id:
            return store.loop.call(store.writer.dictionary())
        if self._is_due(standing):
            self._start(standing)
        return None

    def stop(self) -> None:
        """End a trainer under way: nothing is lost but its work."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _next_count(self, standing: Standing, written: int) -> int:
        """The count of messages at which there may be enough for the first dictionary."""
        if standing.newest is not None or standing.sip_messages >= self._enough:
            return _NEVER
        return written + self._enough - standing.sip_messages

    def _is_due(self, standing: Standing) -> bool:
        if not self._trains or self._process is not None or self._clock() < self._not_before_s:
            return False
        if standing.newest is None:
            return standing.sip_messages >= self._enough
        return standing.age_s >= RENEW_S

    def _start(self, standing: Standing) -> None:
        self._not_before_s = self._clock() + RETRY_S
        order = Order(self._url, self._level, os.getpid(), standing.newest)
        try:
            self._process = self._start_trainer(order)
        except OSError as error:
            log.warning("no payload dictionary can be trained: %s", error)

    def _take_report(self) -> bool:
        """Whether a trainer has ended; what it says is logged."""
        process = self._process
        if process is None or process.poll() is None:
            return False
        self._process = None
        said, _ = process.communicate()
        try:
            report = msgspec.json.decode(said, type=Report)
        except msgspec.DecodeError:
            report = Report("failed", f"the trainer ended with status {process.returncode}")
        if report.outcome == "kept":
            self._not_before_s = self._clock() + RENEW_S
        _log(report)
        return True


def _log(report: Report) -> None:
    """One line; nobody need know that another worker was first."""
    match report.outcome:
        case "trained":
            log.info(
                "payload dictionary %d trained on %d messages: %s; in use from now on",
                report.dictionary,
                report.messages,
                figures(report),
            )
        case "kept":
            log.info(
                "no other payload dictionary is worth it: %s",
                report.words or figures(report),
            )
        case "failed":
            log.warning("no payload dictionary was trained: %s", report.words)
        case "few":
            log.info("no payload dictionary was trained: only %d different messages yet", report.messages)
        case "busy" | "changed":
            log.debug("another worker trains a payload dictionary, or has done so")


def figures(report: Report) -> str:
    """Bytes a message, plain and compressed, on messages that training did not see."""
    plain, before, after = (
        total / max(1, report.judged)
        for total in (report.plain_bytes, report.before_bytes, report.after_bytes)
    )
    return f"{plain:.0f} bytes a message become {after:.0f}, with the one before {before:.0f}"
