"""What can be seen on this machine without the database: processes, journals, sockets, the disk."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from api.figures import Journal, read_journals
from api.filters import Filters, read_filters
from capture.journal.aside import list_aside
from capture.journal.room import Disk, Room
from capture.settings import JournalSettings
from capture.stats import Outcome
from rhapsode.errors import SettingsError
from rhapsode.lock import holders_of
from rhapsode.look.ports import Listener, listeners_of
from rhapsode.settings import Settings

LOOK_S = 1.0
"""Between the two looks that make rates of counters."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What went on between two looks, a second."""

    received: float
    outcomes: dict[Outcome, float]
    kernel_drops: int
    """Not a second, but in all that time: one is too many."""
    expired: int = 0
    """The same: packets older than they are kept, which are not stored."""


@dataclass(frozen=True, slots=True)
class DiskLook:
    """The disk of the data directory, in bytes."""

    path: Path
    """The directory, or what there is of it."""
    total: int
    free: int
    """To an unprivileged process."""
    left_alone: int
    """Below so much free, packets are dropped (`journal.min_free_bytes`)."""

    @property
    def room(self) -> int:
        return max(0, self.free - self.left_alone)


@dataclass(frozen=True, slots=True)
class MachineLook:
    """One look at a data directory and the processes that share it."""

    data_dir: Path
    processes: list[tuple[int, str]]
    """Pid and command line of every process of ours that lives."""
    listeners: list[Listener]
    """Where these listen."""
    journals: list[Journal]
    rates: Rates
    aside: int
    """Packets set aside."""
    disk: DiskLook
    filters: Filters = field(default_factory=Filters)
    """The filter scripts, as the workers report them."""

    @property
    def runs(self) -> bool:
        return bool(self.processes)

    def total(self, outcome: Outcome) -> int:
        """How many packets have ended so since the first start."""
        return sum(_outcome(journal, outcome) for journal in self.journals)

    @property
    def received(self) -> int:
        return sum(journal.received for journal in self.journals)

    @property
    def expired(self) -> int:
        """Packets that were older than they are kept, since the first start."""
        return sum(journal.worker["filtered_expired"] for journal in self.journals)

    @property
    def kernel_drops(self) -> int:
        return sum(journal.intake["kernel_drops"] for journal in self.journals)


def look_at_machine(settings: Settings, look_s: float = LOOK_S) -> MachineLook:
    """Two looks at the figures, `look_s` apart; SettingsError where this account may not look."""
    data_dir = settings.data_dir
    _refuse_closed(data_dir)
    began = time.monotonic()
    before = read_journals(data_dir)
    time.sleep(look_s)
    journals = read_journals(data_dir)
    seconds = time.monotonic() - began
    processes = holders_of(data_dir / "lock")
    return MachineLook(
        data_dir=data_dir,
        processes=processes,
        listeners=sorted(listeners_of([pid for pid, _ in processes])),
        journals=journals,
        rates=_rates(before, journals, seconds),
        aside=len(list_aside(data_dir / "journal" / "aside")),
        disk=_look_at_disk(data_dir, settings.journal),
        filters=read_filters(data_dir),
    )


def _refuse_closed(data_dir: Path) -> None:
    """What cannot be looked into must not pass for a directory where nothing was ever started."""
    for directory in (data_dir, data_dir / "journal"):
        try:
            os.scandir(directory).close()
        except FileNotFoundError:
            return
        except OSError as error:
            raise SettingsError(
                f"{directory} cannot be looked into ({error.strerror}): run this as the account of the"
                " service or as root"
            ) from error


def _rates(before: list[Journal], after: list[Journal], seconds: float) -> Rates:
    """A journal that was not there before, or whose figures began anew, tells nothing yet."""
    known = {journal.name: journal for journal in before}
    pairs = [(known[journal.name], journal) for journal in after if journal.name in known]
    return Rates(
        sum(max(0, new.received - old.received) for old, new in pairs) / seconds,
        {
            outcome: sum(max(0, _outcome(new, outcome) - _outcome(old, outcome)) for old, new in pairs)
            / seconds
            for outcome in Outcome
        },
        sum(max(0, new.intake["kernel_drops"] - old.intake["kernel_drops"]) for old, new in pairs),
        sum(max(0, new.worker["filtered_expired"] - old.worker["filtered_expired"]) for old, new in pairs),
    )


def _outcome(journal: Journal, outcome: Outcome) -> int:
    figures = journal.intake if outcome is Outcome.DROPPED else journal.worker
    return figures[outcome.name.lower()]


def _look_at_disk(data_dir: Path, journal: JournalSettings) -> DiskLook:
    path = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    space = os.statvfs(path)
    total, free = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    return DiskLook(path, total, free, Room(journal, Disk(0, free, total)).min_free_bytes)
