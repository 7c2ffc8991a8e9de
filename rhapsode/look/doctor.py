"""`rhapsode doctor`: from what was seen to what is wrong and what to do. Pure: looks at nothing itself."""

from collections.abc import Iterator, Sequence

from capture.stats import Outcome
from capture.store.senders import Sender
from rhapsode.look.database import OLDEST_MAJOR, DatabaseLook
from rhapsode.look.filters import examine_filters
from rhapsode.look.finding import Finding
from rhapsode.look.forecast import days_until_full
from rhapsode.look.machine import MachineLook
from rhapsode.look.nodes import NodeLook, examine_nodes
from rhapsode.look.status import growths
from rhapsode.look.words import days, duration, in_bytes
from rhapsode.settings import Settings

BEHIND_US = 5_000_000
SILENT_US = 3_600_000_000
"""A sender that has been silent for so long is worth a word,"""
GONE_US = 24 * SILENT_US
"""and for so long, whatever the time of day, has most likely lost its way to us."""
UNDELETED_US = 900_000_000
FEW_DAYS = 3
MOST_SENDERS = 5
"""Named one by one, of those that are well."""
MOST_SILENT = 30
"""Of those that somebody must see to."""

_UNREACHED = "see that the agents name this machine and port, and that no firewall is in between"
_TOO_OLD = (
    "set the clock of the agent that sends them (`rhapsode send` has --now for a capture), or keep longer"
    " (`[retention]`)"
)


def examine(
    settings: Settings,
    machine: MachineLook,
    database: DatabaseLook,
    ports: list[Finding],
    now_us: int,
    nodes: Sequence[NodeLook] = (),
) -> list[Finding]:
    """Every finding, in the order of a packet's way. `ports` are those of `examine_ports`."""
    return [
        Finding("settings", "ok", "the settings can be read"),
        _running(machine),
        *ports,
        *_drops(machine),
        *_journals(machine),
        *examine_filters(machine.filters, now_us),
        _aside(machine),
        *_database(machine, database),
        *examine_nodes(nodes),
        *_senders(machine, database, now_us),
        *_retention(machine, database, now_us),
        _disk(settings, machine, database, now_us),
    ]


def _running(machine: MachineLook) -> Finding:
    if machine.runs:
        first = min(pid for pid, _ in machine.processes)
        return Finding("running", "ok", f"{len(machine.processes)} processes run, the first is {first}")
    what = "no rhapsode runs" if machine.journals else "nothing was ever started"
    return Finding(
        "running",
        "problem",
        f"{what} on {machine.data_dir}",
        "start it: `rhapsode up` with the same --data-dir, or its service; if it ended by itself, its last"
        " lines in the log say why. If it runs elsewhere, name its directory by --data-dir",
    )


def _drops(machine: MachineLook) -> Iterator[Finding]:
    received = max(1, machine.received)
    if machine.rates.kernel_drops:
        yield Finding(
            "drops",
            "problem",
            f"the kernel drops datagrams now: {machine.rates.kernel_drops} within the last second",
            "packets come faster than intake reads, or in bursts beyond the buffer: raise"
            " intake.receive_buffer_bytes (with CAP_NET_ADMIN or net.core.rmem_max), or see what else keeps"
            " the processors busy",
        )
    elif drops := machine.kernel_drops:
        share = f"{100 * drops / (drops + received):.2g} %"
        yield Finding(
            "drops",
            "note",
            f"the kernel has dropped {drops:,} datagrams since the first start ({share}), none just now",
            "if it goes on, raise intake.receive_buffer_bytes",
        )
    if machine.rates.outcomes[Outcome.DROPPED]:
        yield Finding(
            "drops",
            "problem",
            "packets are dropped now, because the journal has no room",
            "see what is said about database, journal and disk",
        )
    elif dropped := machine.total(Outcome.DROPPED):
        yield Finding(
            "drops", "note", f"{dropped:,} packets were dropped for want of room at some time, none just now"
        )
    elif not machine.kernel_drops:
        yield Finding("drops", "ok", "no packet was ever dropped")


def _journals(machine: MachineLook) -> Iterator[Finding]:
    waiting = sum(journal.waiting for journal in machine.journals)
    oldest_us = max((journal.waiting_us for journal in machine.journals), default=0)
    for journal in machine.journals:
        if journal.has_intake and journal.intake["full"]:
            yield Finding(
                "journal",
                "problem",
                f"journal {journal.name} is full ({in_bytes(journal.bytes)}): UDP is dropped, TCP not read",
                "bring the database back or make room on the disk; the limits are journal.max_bytes and"
                " journal.min_free_bytes",
            )
        if journal.has_intake and not journal.has_worker:
            yield Finding(
                "worker",
                "problem",
                f"journal {journal.name} has no worker: what comes in is kept, but not stored",
                f"`rhapsode up` starts it again by itself within a second; otherwise start `rhapsode worker"
                f" --journal {journal.name}` and read its log",
            )
        elif journal.has_worker and journal.trouble:
            yield Finding(
                "worker",
                "problem",
                f"the worker of journal {journal.name} {journal.trouble}",
                "see what is said about the database; nothing is lost while the journal has room",
            )
        elif not machine.runs and journal.waiting:
            continue
        elif not journal.has_intake and not journal.has_worker and journal.waiting:
            yield Finding(
                "worker",
                "problem",
                f"journal {journal.name} is left over with {journal.waiting:,} packets, and nobody drains it",
                "`rhapsode up` does within seconds; with the roles alone:"
                f" `rhapsode worker --journal {journal.name} --until-drained`",
            )
    if not waiting:
        yield Finding("journal", "ok", "nothing waits to be stored")
    elif not machine.runs:
        yield Finding(
            "journal", "note", f"{waiting:,} packets wait in the journal and are stored at the next start"
        )
    elif oldest_us > BEHIND_US:
        yield Finding(
            "journal",
            "problem",
            f"storing is behind: {waiting:,} packets wait, the oldest for {duration(oldest_us / 1e6)}",
            "if the database is well and a worker keeps its processor busy, start more (`workers`)",
        )
    else:
        yield Finding(
            "journal", "ok", f"storing keeps up: the oldest packet waits {duration(oldest_us / 1e6)}"
        )


def _aside(machine: MachineLook) -> Finding:
    if not machine.aside:
        return Finding("aside", "ok", "no packet is set aside")
    return Finding(
        "aside",
        "problem",
        f"packets could not be stored and are set aside: {machine.aside:,}",
        "`rhapsode journal aside list` says why; `… replay` tries them again; to give them up, remove"
        f" {machine.data_dir / 'journal' / 'aside'}",
    )


def _database(machine: MachineLook, database: DatabaseLook) -> Iterator[Finding]:
    if database.error:
        if database.name == "embedded" and not machine.runs:
            words = "the embedded database is not asked: it runs only while rhapsode does"
            yield Finding("database", "note", words)
            return
        yield Finding(
            "database",
            "problem",
            f"the database ({database.name}) cannot be asked: {database.error}",
            "see that it runs and that database_url names it, with a user and password that it takes",
        )
        return
    if database.too_old:
        yield Finding(
            "database",
            "problem",
            f"the database is PostgreSQL {database.version_words}, too old",
            f"PostgreSQL {OLDEST_MAJOR} or later is needed: upgrade it, or leave database_url out",
        )
        return
    if database.read_only:
        yield Finding(
            "database",
            "problem",
            f"the database ({database.name}) takes no writes",
            "it is a standby or set to read only: name the primary in database_url",
        )
    else:
        version = f"PostgreSQL {database.version_words}, {in_bytes(database.bytes)}"
        yield Finding("database", "ok", f"the database ({database.name}) answers: {version}")
    if database.schema_error:
        yield Finding(
            "schema",
            "problem",
            database.schema_error,
            '`rhapsode up` migrates by itself; the order for the roles alone is in "Upgrading",'
            " docs/operations.md",
        )
    else:
        yield Finding("schema", "ok", "the schema is this version's")


def _senders(machine: MachineLook, database: DatabaseLook, now_us: int) -> Iterator[Finding]:
    if machine.rates.expired:
        words = (
            f"packets come that are older than they are kept: {machine.rates.expired} within the last second"
        )
        yield Finding("senders", "problem", f"{words}, none of them stored", _TOO_OLD)
    if not database.usable:
        return
    if not database.senders:
        yield _nobody(machine)
        return
    gone = [each for each in database.senders if now_us - each.before_us > GONE_US]
    silent = [each for each in database.senders if SILENT_US < now_us - each.before_us <= GONE_US]
    if gone:
        yield Finding(
            "senders",
            "problem",
            f"silent for more than a day: {_named(gone, now_us, MOST_SILENT)}",
            "see whether the agent runs, and what it is told to send to",
        )
    if silent:
        yield Finding(
            "senders", "note", f"silent for more than an hour: {_named(silent, now_us, MOST_SILENT)}"
        )
    heard = [each for each in database.senders if now_us - each.before_us <= SILENT_US]
    if heard:
        yield Finding("senders", "ok", f"heard within the hour: {_named(heard, now_us, MOST_SENDERS)}")


def _nobody(machine: MachineLook) -> Finding:
    if not machine.received:
        return Finding("senders", "note", "no packet has come yet", _UNREACHED)
    words = "no packet of the last days is stored"
    if not machine.expired:
        return Finding("senders", "problem", words, _UNREACHED)
    return Finding(
        "senders", "problem", f"{words}; {machine.expired:,} were older than they are kept", _TOO_OLD
    )


def _named(senders: list[Sender], now_us: int, most: int) -> str:
    words = []
    for sender in senders[:most]:
        least = duration(max(0, now_us - sender.before_us) / 1e6)
        ago = f"{least} ago" if sender.before_us == sender.after_us else f"at least {least} ago"
        words.append(f"{sender.name or 'without a name'} ({ago})")
    if len(senders) > most:
        words.append(f"and {len(senders) - most} more")
    return ", ".join(words)


def _retention(machine: MachineLook, database: DatabaseLook, now_us: int) -> Iterator[Finding]:
    for journal in machine.journals:
        failing_us = journal.worker["retention_failing_us"]
        if failing_us and now_us - failing_us > UNDELETED_US:
            yield Finding(
                "retention",
                "problem",
                "what has been kept long enough cannot be deleted, for"
                f" {duration((now_us - failing_us) / 1e6)}: {journal.retention_error}",
                "a transaction that stays open (a backup, a session left in psql) is the usual reason:"
                " pg_stat_activity shows it",
            )
            return
    if machine.runs and database.usable:
        yield Finding("retention", "ok", "nothing is kept longer than it is to be")


def _disk(settings: Settings, machine: MachineLook, database: DatabaseLook, now_us: int) -> Finding:
    disk = machine.disk
    free = f"{in_bytes(disk.free)} of {in_bytes(disk.total)} are free on the disk of {disk.path}"
    advice = "make room, or keep things shorter (`[retention]`)"
    if not disk.room:
        return Finding(
            "disk", "problem", f"{free}, less than the {in_bytes(disk.left_alone)} left alone", advice
        )
    known = growths(settings, database, now_us)
    if known is None:
        return Finding("disk", "ok", free)
    left = days_until_full(disk.room, known)
    if left == float("inf"):
        return Finding("disk", "ok", f"{free}; never full: retention comes first")
    return Finding(
        "disk",
        "problem" if left < FEW_DAYS else "ok",
        f"{free}; full in {days(left)}",
        advice if left < FEW_DAYS else "",
    )
