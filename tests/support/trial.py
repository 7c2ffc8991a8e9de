"""A system on trial: one data directory through many lives under load, and all that must hold meanwhile.

An oracle keeps every journal segment, a witness looks at `/metrics` from a thread of its own, and packets are
numbered through, so that in the end the three can be held against what the database says.
"""

import logging
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

import httpx

from rhapsode.postgres import EmbeddedPostgres
from tests.support.content import lost_to_searches, stored_payloads
from tests.support.oracle import REPLAYED, SegmentKeeper, compare, payloads
from tests.support.rhapsode import Rhapsode, up_arguments
from tests.support.sender import Sender, number_of, packet, payload, payload_of

RATE = 2000
"""Packets a second."""
PATIENCE_S = 60.0
MOST_PATIENCE_S = 300.0
SOME_PACKETS = 300
"""More than a batch."""
STREAM_FIRST = 100_000_000
"""Numbers of the packets over TCP begin here."""
PORTS = 20_000, 32_000
SINGLE_FIRST = 200_000_000
"""Numbers of the packets sent one by one begin here."""
UNDER_FIRE = {
    # Segments end, and are deleted, three times a second.
    "RHAPSODE_JOURNAL__SEGMENT_BYTES": str(512 * 1024),
    # There is a commit under way almost always: what kills a process meets one.
    "RHAPSODE_STORAGE__BATCH_ROWS": "200",
}
RECEIVED = "rhapsode_packets_received_total"
KERNEL_DROPS = "rhapsode_kernel_drops_total"
CONNECTIONS = "rhapsode_tcp_connections"
DROPPED = 'rhapsode_packets_total{outcome="dropped"}'
FAILED = 'rhapsode_packets_total{outcome="failed"}'
WRITTEN = 'rhapsode_packets_total{outcome="written"}'
_OUTCOMES = "rhapsode_packets_total{"
_SAMPLE_S = 0.2
_POLL_S = 0.1
"""Figures are looked at: nothing tells of them."""
_FENCE_S = 2.0

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # ten lines a second would hide what a failure says


@dataclass(frozen=True)
class Tally:
    """What has become of all packets so far."""

    sent: int
    appended: int
    dropped: int
    aside: int
    """Set aside, each once."""
    stored: int
    gone: int
    """Stored, but taken from the journal by a loss of power."""
    lost: int
    """Appended more often than stored or set aside."""
    doubled: int
    """Stored or set aside more often than appended."""
    uncounted: int
    """Datagrams that a killed intake had in its hands, or that came while there was no socket."""
    kernel_drops: int

    def since(self, before: "Tally") -> "Tally":
        """What has come of the packets since then."""
        return Tally(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


def received(figures: Mapping[str, float]) -> float:
    """How many packets have come in."""
    return figures[RECEIVED]


def ended(figures: Mapping[str, float]) -> float:
    """How many packets have ended in an outcome."""
    return sum(value for series, value in figures.items() if series.startswith(_OUTCOMES))


def free_address(kind: socket.SocketKind) -> tuple[str, int]:
    """A port of the loopback that nobody has now, for whoever must come back to the same one.

    None of those that the system gives away: a sender that looks for a dead listener would be given it in the
    end, and be connected to itself.
    """
    while True:
        with closing(socket.socket(socket.AF_INET, kind)) as probe:
            address = ("127.0.0.1", random.randint(*PORTS))
            try:
                probe.bind(address)
            except OSError:
                continue
            return address


class Witness:
    """Looks at `/metrics` all the time, over all lives, and notes what must not be."""

    def __init__(self, url: str) -> None:
        # A connection of a life that has ended would be taken for one of the next.
        self._client = httpx.Client(
            base_url=url, timeout=10, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="witness", daemon=True)
        self._before: dict[str, float] = {}
        self.expected = threading.Event()
        """Set while there must be an answer."""
        self.samples = 0
        """Looks that were answered, since they were last asked for."""
        self.faults: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def figures(self) -> dict[str, float]:
        """Series with labels → value; httpx.HTTPError when there is no answer."""
        answer = self._client.get("/metrics")
        answer.raise_for_status()
        lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
        return {series: float(value) for series, _, value in lines}

    def health(self) -> httpx.Response:
        return self._client.get("/health")

    def forget(self) -> None:
        """The machine, or its database, is another one now: figures may begin anew."""
        self._before = {}

    def _look(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            before = self._before
            try:
                now = self.figures()
            except httpx.HTTPError as error:
                if self.expected.is_set():
                    self.faults.append(f"/metrics: {error!r}")
                continue
            self.samples += 1
            self.faults += fallen(before, now)
            if ended(now) > now[RECEIVED]:
                self.faults.append(f"{ended(now)} outcomes of {now[RECEIVED]} packets")
            before.update(now)


def fallen(before: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
    """The counters that are less than they were, or no more there at all."""
    for series, value in before.items():
        name = series.partition("{")[0]
        # Those of a single process begin anew with it.
        if name.startswith("rhapsode_") and name.endswith("_total") and now.get(series, 0) < value:
            yield f"{series} fell from {value} to {now.get(series, 'nothing')}"


class Trial:
    """The directory with its lives. The ports stay the same."""

    def __init__(
        self,
        directory: Path,
        database_url: str | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        seen_by_up: str | None = None,
    ) -> None:
        """`directory` must let PostgreSQL's account in; without a URL the embedded server is used.

        `seen_by_up`: the URL by which the system goes to the database, when that is not the oracle's.
        """
        self.directory = directory
        self.data = directory / "data"
        self.hep = free_address(socket.SOCK_DGRAM)
        self.sent = 0
        """Packets sent so far over UDP: the next one's number."""
        self.streamed = 0
        """Packets sent so far over TCP."""
        self.singles = 0
        """Packets sent one by one so far."""
        self.environment: dict[str, str] = {}
        """For the lives to come, beside the settings."""
        self._web = free_address(socket.SOCK_STREAM)
        self._settings = {**UNDER_FIRE, **(settings or {})}
        self._seen_by_up = seen_by_up or database_url
        self.database_url = database_url or EmbeddedPostgres(self.data / "postgres").url
        self.keeper = SegmentKeeper(self.data / "journal", directory / "kept")
        self.witness = Witness(f"http://{self._web[0]}:{self._web[1]}")

    def __enter__(self) -> Self:
        self.keeper.__enter__()
        self.witness.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.witness.__exit__(*error)
        self.keeper.__exit__(*error)

    @property
    def aside(self) -> list[Path]:
        """The files of packets set aside."""
        return sorted((self.data / "journal" / "aside").glob("*.packet"))

    @contextmanager
    def life(self, *arguments: str, ready: bool = True) -> Iterator[Rhapsode]:
        """`rhapsode up` on the directory; `/metrics` must answer from when it is ready to the end of this."""
        hep, web = (f"{host}:{port}" for host, port in (self.hep, self._web))
        given = [*up_arguments(self.data, hep=hep, http=web), *arguments]
        extra = {**self._settings, **self.environment}
        if self._seen_by_up is not None:
            given += ["--database-url", self._seen_by_up]
        with Rhapsode(*given, extra=extra) as running:
            try:
                if ready:
                    running.wait_until_ready()
                    self.witness.expected.set()
                yield running
            finally:
                self.witness.expected.clear()

    @contextmanager
    def load(self, rate: float = RATE) -> Iterator[Sender]:
        """Numbered packets over UDP, going on where the last ones ended."""
        with Sender(self.hep, rate, first=self.sent) as sender:
            yield sender
        self.sent += sender.sent

    @contextmanager
    def stream(self, rate: float) -> Iterator[Sender]:
        """Numbered packets over TCP, going on where the last ones ended."""
        with Sender(self.hep, rate, tcp=True, first=STREAM_FIRST + self.streamed) as sender:
            yield sender
        self.streamed += sender.sent

    def send_single(self, capture_id: int) -> None:
        """A packet of a capture agent that means something to the test."""
        self._send(packet(SINGLE_FIRST + self.singles, capture_id=capture_id))
        self.singles += 1

    def _send(self, data: bytes) -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            sender.sendto(data, self.hep)

    def figures(self) -> dict[str, float]:
        return self.witness.figures()

    def wait_until(self, holds: Callable[[dict[str, float]], bool], what: str) -> dict[str, float]:
        """Until the figures are so; they then.

        AssertionError that says `what` otherwise: while packets come to an end, there is hope.
        """
        deadline, before = time.monotonic() + PATIENCE_S, 0.0
        latest = time.monotonic() + MOST_PATIENCE_S
        while True:
            figures = self.figures()
            if holds(figures):
                return figures
            if received(figures) > ended(figures) > before:
                deadline, before = min(latest, time.monotonic() + PATIENCE_S), ended(figures)
            assert time.monotonic() < deadline, f"waited in vain until {what}: {figures}"
            time.sleep(_POLL_S)

    def wait_for_more(self, figure: Callable[[Mapping[str, float]], float] = ended) -> None:
        """Until a figure shows that there is work done again.

        So much that it is not only a successor's showing of what its predecessor had done.
        """
        before = figure(self.figures())
        self.wait_until(lambda now: figure(now) >= before + SOME_PACKETS, "there is work done again")

    def settle(self) -> Tally:
        """Once all that was sent has ended: what has become of it.

        AssertionError when it is not all stored once, cannot all be found by its keys, or when figures say
        otherwise, now or at any time so far.
        """
        if self.sent:
            self._wait_for_last()
        self.wait_until(lambda now: now[CONNECTIONS] == 0, "all connections have been read to their end")
        figures = self.wait_until(lambda now: ended(now) >= now[RECEIVED], "every packet has an outcome")
        records = self.keeper.appended()
        appended, aside, stored = payloads(records), self._set_aside(), stored_payloads(self.database_url)
        difference = compare(appended, stored + aside, self.keeper.gone)
        regained = (stored + aside - appended).total() - difference.surplus.total()
        datagrams = sum(count for data, count in appended.items() if number_of(data) < STREAM_FIRST)
        tally = Tally(
            sent=self.sent + self.streamed + self.singles,
            appended=len(records),
            dropped=int(figures[DROPPED]),
            aside=aside.total(),
            stored=stored.total(),
            gone=regained,
            lost=difference.missing.total(),
            doubled=difference.surplus.total(),
            uncounted=max(0, self.sent - datagrams - int(figures[DROPPED] + figures[KERNEL_DROPS])),
            kernel_drops=int(figures[KERNEL_DROPS]),
        )
        log.info("%s, %d samples", tally, self.witness.samples)
        assert not difference, str(difference)
        assert not (lost := lost_to_searches(self.database_url)), f"{len(lost)} without keys: {lost[:3]}"
        assert figures[RECEIVED] == ended(figures)
        assert figures[WRITTEN] == tally.stored
        if not self.keeper.gone:
            assert figures[RECEIVED] == tally.appended + tally.dropped
            replayed = sum(record.carrier == REPLAYED for record in records)
            assert figures[FAILED] == tally.aside + replayed
        assert self.witness.samples > 0, "nobody looked"
        self.witness.samples = 0
        faults, self.witness.faults = self.witness.faults, []
        assert not faults, faults
        return tally

    def _set_aside(self) -> Counter[bytes]:
        """Payloads of the packets set aside: after the first line of the file."""
        return Counter(payload_of(path.read_bytes().partition(b"\n")[2]) for path in self.aside)

    def _wait_for_last(self) -> None:
        """First in, first out: when a datagram sent now is in the journal, so are all that intake got."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            last = self.sent
            self._send(packet(last))
            self.sent += 1
            until = time.monotonic() + _FENCE_S
            while time.monotonic() < until:
                if self.keeper.holds(payload(last)):
                    return
                time.sleep(_POLL_S)
            assert time.monotonic() < deadline, f"packet {last} was not appended"
