"""Which filter scripts are switched off, by themselves or by a person, and why; beside the journals.

`off.json` names them, `strikes.json` those that have exceeded a limit, `packets/` holds what they failed at,
`switched.log` says who switched what.
Every worker reads these, and workers, API and command line write them, at once: under a lock, and whole or
not at all. For a worker nothing here is an error: what cannot be read is taken as it was last known, what
cannot be written holds in this process and is tried again, and `problem` says so. Knows no Lua.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from capture.errors import JournalError
from capture.journal.directory import lock, make_directory, write_whole
from capture.script_packets import keep_packet

log = logging.getLogger(__name__)

OFF_NAME = "off.json"
STRIKES_NAME = "strikes.json"
HISTORY_NAME = "switched.log"
PACKETS_DIR = "packets"
BROKEN_SUFFIX = ".broken"
"""What a worker found unreadable and had to write is kept under this."""
LOCK_NAME = "switches.lock"
STRIKE_US = 600_000_000
"""A second strike within so long switches a script off."""
BY_WORKER = "worker"

T = TypeVar("T")


class SwitchedOff(msgspec.Struct, frozen=True):
    """Why one script does not run."""

    reason: str
    since_us: int
    by: str
    """BY_WORKER, or the name of a person."""
    sha256: str | None = None
    """Of the file's bytes: another text of it runs. None: no text of it runs, until a person enables it."""
    packet: str | None = None
    """The file below `packets` with what it failed at."""

    def holds_for(self, sha256: str) -> bool:
        return self.sha256 is None or self.sha256 == sha256

    @property
    def is_by_person(self) -> bool:
        return self.sha256 is None

    def __str__(self) -> str:
        packet = f" (packet {PACKETS_DIR}/{self.packet})" if self.packet else ""
        return f"{self.reason}{packet}"


class _Strike(msgspec.Struct, frozen=True):
    sha256: str
    at_us: int
    reason: str


Off = dict[str, SwitchedOff]
_Strikes = dict[str, _Strike]
_OFF = msgspec.json.Decoder(Off)
_STRIKES = msgspec.json.Decoder(_Strikes)


class Switches:
    """The switches in one directory, as one process sees and turns them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.problem = ""
        """Why they cannot be read or written, in words; empty when they can."""
        self._off_path = directory / OFF_NAME
        self._strikes_path = directory / STRIKES_NAME
        self._seen: object = None
        self._known: Off = {}
        self._unwritten: Off = {}
        """Switched off here, and not on disk yet."""
        self._unwritten_strikes: _Strikes = {}

    def changed(self) -> bool:
        """Whether `read` may give something else than the last time. One look at the file's name."""
        return self._is_unwritten or self._seen is None or self._signature() != self._seen

    @property
    def _is_unwritten(self) -> bool:
        return bool(self._unwritten or self._unwritten_strikes)

    def read(self) -> Off:
        """What is switched off, by the scripts' names."""
        if self._is_unwritten:
            self._write_what_is_not()
        # Before the content: what is written in between is read again.
        seen = self._signature()
        try:
            self._known = _load(self._off_path, _OFF)
        except _UnreadableError as error:
            self._complain(f"{error}; scripts are taken to be switched as they were")
            # A file that may not be read can become readable without being changed.
            seen = None if error.is_closed else seen
        else:
            if not self._is_unwritten:
                self.problem = ""
        self._seen = seen
        return _with(self._known, self._unwritten)

    def switch_off(
        self, name: str, sha256: str, reason: str, packet: bytes | None = None, now_us: int | None = None
    ) -> SwitchedOff:
        """A worker's: this text of a script runs no more, anywhere. Says so in the log."""
        now_us = _now_us() if now_us is None else now_us
        off = SwitchedOff(reason, now_us, BY_WORKER, sha256, self._keep(name, packet, now_us))
        log.error("switched off: %s: %s", name, off)
        self._unwritten[name] = off
        self._write_what_is_not()
        return off

    def strike(
        self, name: str, sha256: str, reason: str, packet: bytes | None = None, now_us: int | None = None
    ) -> bool:
        """A worker's: a script has exceeded a limit; whether it is switched off now.

        Also for the worker that was ended by it, by its next life.
        """
        now_us = _now_us() if now_us is None else now_us
        new = _Strike(sha256, now_us, reason)
        before = self._unwritten_strikes.get(name)
        try:
            with self._locked():
                strikes = self._strikes()
                before = before or strikes.get(name)
                self._save(self._strikes_path, {**strikes, name: new})
            self._unwritten_strikes.pop(name, None)
        except (OSError, JournalError) as error:
            self._complain(f"a strike against {name} cannot be kept: {error}")
            self._unwritten_strikes[name] = new
        if before is None or before.sha256 != sha256 or abs(now_us - before.at_us) > STRIKE_US:
            log.warning("%s: %s; a second time within ten minutes switches it off", name, reason)
            return False
        self.switch_off(name, sha256, f"{reason}, twice within ten minutes", packet, now_us)
        return True

    def disable(self, name: str, by: str, now_us: int | None = None) -> SwitchedOff:
        """A person's: no text of this script runs until one enables it.

        JournalError when that cannot be kept.
        """
        now_us = _now_us() if now_us is None else now_us
        off = SwitchedOff(f"disabled by {by}", now_us, by)
        self._by_person(lambda known: {**known, name: off}, f"{name} disabled by {by}")
        return off

    def enable(self, name: str, by: str) -> SwitchedOff | None:
        """A person's: this script runs again, and its strikes are forgotten; what is taken back, if anything.

        JournalError when it cannot be kept.
        """
        taken_back: SwitchedOff | None = None

        def without(known: Off) -> Off:
            nonlocal taken_back
            taken_back = known.pop(name, None)
            strikes = self._strikes()
            if strikes.pop(name, None) is not None:
                self._save(self._strikes_path, strikes)
            return known

        self._by_person(without, f"{name} enabled by {by}")
        return taken_back

    def _by_person(self, change: Callable[[Off], Off], words: str) -> None:
        try:
            with self._locked():
                # A file that cannot be read may switch off what a new one would let run.
                self._save(self._off_path, change(_load(self._off_path, _OFF)))
                self._note(words)
        except _UnreadableError as error:
            raise JournalError(f"{error}; correct it, or remove it to let all scripts run") from error
        except OSError as error:
            raise JournalError(f"{self._off_path} cannot be written: {error}") from error

    def _note(self, words: str) -> None:
        """For who asks later who it was: the command line has no other log."""
        path = self.directory / HISTORY_NAME
        try:
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {words}\n")
        except OSError as error:
            raise JournalError(f"{words}, but that cannot be noted in {path}: {error}") from error

    def _write_what_is_not(self) -> None:
        try:
            with self._locked():
                if self._unwritten:
                    known = _with(self._load_or_replace(), self._unwritten)
                    self._save(self._off_path, known)
                    self._known = known
                    self._unwritten.clear()
                if self._unwritten_strikes:
                    newest = sorted(
                        [*self._strikes().items(), *self._unwritten_strikes.items()],
                        key=lambda strike: strike[1].at_us,
                    )
                    self._save(self._strikes_path, dict(newest))
                    self._unwritten_strikes.clear()
        except (OSError, JournalError, _UnreadableError) as error:
            self._complain(f"{self.directory} cannot be written: {error}; until then only this worker knows")
        else:
            self.problem = ""

    def _load_or_replace(self) -> Off:
        """What the file says; what was last known when that is broken."""
        try:
            return _load(self._off_path, _OFF)
        except _UnreadableError as error:
            if error.is_closed:
                raise
            log.error("%s: it is kept as %s%s and written anew", error, OFF_NAME, BROKEN_SUFFIX)
            self._off_path.replace(self._off_path.with_name(OFF_NAME + BROKEN_SUFFIX))
            return self._known

    def _strikes(self) -> _Strikes:
        try:
            return _load(self._strikes_path, _STRIKES)
        except _UnreadableError as error:
            log.error("%s: strikes are counted anew", error)
            return {}

    def _keep(self, name: str, packet: bytes | None, now_us: int) -> str | None:
        if packet is None:
            return None
        try:
            return keep_packet(self.directory / PACKETS_DIR, name, packet, now_us)
        except OSError as error:
            self._complain(f"the packet that {name} failed at cannot be kept: {error}")
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_directory(self.directory)
        descriptor = lock(self.directory / LOCK_NAME, "process that writes the switches")
        try:
            yield
        finally:
            os.close(descriptor)

    def _save(self, path: Path, content: Off | _Strikes) -> None:
        write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")

    def _signature(self) -> object:
        try:
            found = self._off_path.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _complain(self, words: str) -> None:
        """Once, not twice a second."""
        if words != self.problem:
            log.error("%s", words)
        self.problem = words


def read_off(directory: Path) -> tuple[Off, str]:
    """What is switched off, for one who only looks, and why that cannot be read; empty when it can."""
    try:
        return _load(directory / OFF_NAME, _OFF), ""
    except _UnreadableError as error:
        return {}, str(error)


class _UnreadableError(Exception):
    """A file of ours that cannot be read or understood, in words."""

    def __init__(self, words: str, *, is_closed: bool) -> None:
        super().__init__(words)
        self.is_closed = is_closed
        """It is there, but this account may not read it."""


def _with(known: Off, switched_off: Off) -> Off:
    """What a person has disabled stays that, also for other texts of the script."""
    by_persons = {name: off for name, off in known.items() if off.is_by_person}
    return {**known, **switched_off, **by_persons}


def _load(path: Path, decoder: msgspec.json.Decoder[dict[str, T]]) -> dict[str, T]:
    try:
        return decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _UnreadableError(f"{path} cannot be read: {error.strerror}", is_closed=True) from error
    # RecursionError: nested deeper than the decoder's stack.
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _UnreadableError(f"{path} is broken: {error}", is_closed=False) from error


def _now_us() -> int:
    return time.time_ns() // 1000
