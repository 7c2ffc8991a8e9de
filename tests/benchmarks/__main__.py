"""`make bench`: every figure of docs/performance.md beside its target, from one run.

    python -m tests.benchmarks [--only intake,copy,end-to-end,freshness,memory,mixes,scripts,search] [--quick]
                               [--workers 2] [--soak 600] [--messages 2000000] [--json bench.json]

Everything happens on this machine, over the loopback, on free ports, in temporary directories that are
removed at the end. Needs a C compiler for the sender; takes about fifteen minutes.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks import (
    bare_copy,
    day,
    end_to_end,
    freshness,
    intake,
    mix,
    other_mixes,
    scripts,
    searches,
)
from tests.benchmarks.flood import Flood, NoCompiler, write_packets
from tests.benchmarks.report import Report, Target
from tests.benchmarks.system import System, system

POOL_PACKETS = 200_000
"""That the sender holds; the ids of each pass through them are new."""
ROLES = ("intake", "worker", "postgres")
CPU_TARGETS = {"intake": Target(6), "worker": Target(28), "postgres": Target(12)}


class Bench:
    """One run: its options, its sender and its report."""

    def __init__(self, given: argparse.Namespace, directory: Path, report: Report) -> None:
        self.given = given
        self.directory = directory
        self.report = report
        self.seconds = 3.0 if given.quick else 10.0
        self.pool_packets = POOL_PACKETS // 10 if given.quick else POOL_PACKETS
        self.flood = Flood(directory)
        self._pool: Path | None = None

    @property
    def pool(self) -> Path:
        """The main mix, ready to be sent."""
        if self._pool is None:
            self._pool = self.directory / "main"
            write_packets(self._pool, islice(other_mixes.main_mix(), self.pool_packets))
        return self._pool

    @contextmanager
    def system(self, workers: int) -> Iterator[System]:
        """A running system, warm."""
        with system(extra={"RHAPSODE_WORKERS": str(workers)}) as running:
            end_to_end.warm_up(running, self.flood, self.pool)
            yield running

    # The parts, in the order in which they run.

    def measure_intake(self) -> None:
        best = None
        for taken in intake.measure(self.directory, self.flood, self.pool, self.seconds / 2):
            self.report.note(
                f"{taken.rate:10,.0f} packets/s: {taken.kernel_drops} kernel drops, {taken.cpu_us:.1f} µs"
            )
            if not taken.kernel_drops:
                best = taken
        self.report.add(
            "intake alone, no kernel drop",
            best.rate if best else 0,
            "packets/s",
            Target(150_000, at_least=True),
        )
        if best:
            self.report.add("intake alone, processor time", best.cpu_us, "µs a packet", Target(6))

    def measure_copy(self) -> None:
        with system() as running:
            stretch = islice(mix.calls(0, time.time_ns() // 1000 - 60_000_000, 220, 0.02), self.pool_packets)
            copied = bare_copy.measure(running.database_url, stretch)
        self.report.add("bare COPY of the same rows", copied.messages_a_second, "messages/s")
        self.report.add("bare COPY, backend", copied.backend_us, "µs a message")
        self.report.add("bare COPY, client", copied.client_us, "µs a message")
        self.report.add("key rows", copied.key_rows, "a message")

    def measure_end_to_end(self) -> None:
        workers = self.given.workers
        with self.system(workers) as running:
            best = self._sustained(running, workers)
            self.report.note("a burst, sent as fast as a second at 100,000/s would be:")
            burst = end_to_end.flood_once(running, self.flood, self.pool, 100_000, self.seconds / 4)
            self._tell(burst)
            space = end_to_end.space(running.database_url)
        self.report.add("burst of 100,000/s, stored at", burst.stored_rate, "packets/s")
        self.report.add("burst, lost", burst.lost, "packets", Target(0))
        for role in ROLES:
            self.report.add(
                f"{role}, processor time", (best or burst).cpu_us[role], "µs a packet", CPU_TARGETS[role]
            )
        self.report.add("write-ahead log", (best or burst).wal_bytes, "B a message")
        self._space(space)
        with self.system(workers + 1) as running:
            self._sustained(running, workers + 1)

    def _sustained(self, running: System, workers: int) -> end_to_end.Stored | None:
        """The highest rate that is sustained, and what of bare COPY it is."""
        best: end_to_end.Stored | None = None
        for stored in end_to_end.rising(running, self.flood, self.pool, self.seconds):
            self._tell(stored)
            if stored.sustained:
                best = stored
        rate = best.sent_rate if best else 0.0
        with_them = f"workers: {workers}"
        self.report.add(
            f"stored end to end, sustained, {with_them}", rate, "packets/s", Target(35_000, at_least=True)
        )
        copied = self.report.value("bare COPY of the same rows")
        if copied:
            self.report.add(
                f"sustained / bare COPY, {with_them}", rate / copied, "", Target(0.35, at_least=True)
            )
        return best

    def _tell(self, stored: end_to_end.Stored) -> None:
        costs = ", ".join(f"{role} {stored.cpu_us[role]:.1f}" for role in ROLES)
        self.report.note(
            f"{stored.sent_rate:10,.0f} packets/s: {stored.lost} lost, drained {stored.drain_s:.1f} s later"
            f" ({stored.stored_rate:,.0f}/s in all); µs: {costs}"
        )

    def _space(self, space: end_to_end.Space) -> None:
        self.report.add("message rows", space.message_heap, "B a message")
        self.report.add("their indexes", space.message_indexes, "B a message")
        self.report.add("key rows on disk", space.key_heap, "B a message")
        self.report.add("their indexes on disk", space.key_indexes, "B a message")
        shipped, *trained = sorted(number for number in space.by_dictionary if number)
        targets = {shipped: ("shipped", 600), **dict.fromkeys(trained[-1:], ("trained", 450))}
        for number, (name, limit) in targets.items():
            total = space.with_dictionary(number)
            self.report.add(f"on disk, {name} dictionary", total, "B a message", Target(limit))

    def measure_freshness(self) -> None:
        with self.system(self.given.workers) as running:
            waited = freshness.measure(running, self.flood, self.pool, 20 if self.given.quick else 100)
        self.report.add(f"searchable after, p50 at {freshness.RATE}/s", waited[len(waited) // 2], "s")
        self.report.add(f"searchable after, p99 at {freshness.RATE}/s", waited[int(len(waited) * 0.99)], "s")

    def measure_memory(self) -> None:
        """Growth counts from a minute on, when caches and the memory of keys are full."""
        soak_s, rate = self.given.soak, 10_000
        with self.system(self.given.workers) as running:
            settled: dict[str, float] | None = None
            most = running.memory_mib()
            with self.flood.start(running.hep_port, self.pool, rate, int(rate * soak_s)) as flow:
                settles = time.monotonic() + min(60, soak_s / 2)
                while flow.running:
                    time.sleep(1)
                    now = running.memory_mib()
                    most = {role: max(most[role], now[role]) for role in most}
                    if settled is None and time.monotonic() > settles:
                        settled = most
            running.wait_until_drained(180)
        for role in (*ROLES, "api"):
            self.report.add(f"{role}, memory", most[role], "MiB", Target(200))
            self.report.add(f"{role}, growth since settled", most[role] - (settled or most)[role], "MiB")

    def measure_mixes(self) -> None:
        rate, seconds = 20_000, self.seconds / 2
        for name, (packets, held) in other_mixes.MIXES.items():
            pool = self.directory / "other"
            write_packets(pool, islice(packets(), held))
            self._one_mix(name, pool, rate, seconds, workers=1)
        for workers in (1, 2):
            self._one_mix(f"main mix, workers: {workers}", self.pool, rate, seconds, workers=workers)

    def _one_mix(self, name: str, pool: Path, rate: float, seconds: float, *, workers: int) -> None:
        with self.system(workers) as running:
            stored = end_to_end.flood_once(running, self.flood, pool, rate, seconds)
        self.report.add(f"{name}, stored at", stored.stored_rate, "packets/s")
        for role in ROLES:
            self.report.add(f"{name}, {role}", stored.cpu_us[role], "µs a packet")

    def measure_scripts(self) -> None:
        folder = self.directory / "scripts"
        folder.mkdir()
        targets = {"eight fields, one header": 0.9, "a pattern on the payload": 0.6}
        with system("--lua-dir", folder) as running:
            end_to_end.warm_up(running, self.flood, self.pool)
            for name, cost in scripts.measure(running, folder, self.flood, self.pool, self.seconds / 20):
                self.report.add(f"{name}, stored at", cost.stored_rate, "packets/s")
                share = targets.get(name)
                self.report.add(
                    f"{name}, of the rate without",
                    cost.rate_share,
                    "",
                    None if share is None else Target(share, at_least=True),
                )
                self.report.add(f"{name}, worker", cost.worker_us, "µs a packet")
                self.report.add(f"{name}, worker, of that without", cost.worker_ratio, "")

    def measure_search(self) -> None:
        messages = self.given.messages // 20 if self.given.quick else self.given.messages
        with system() as running:
            loaded = day.load(running.database_url, messages)
            self.report.note(
                f"{loaded.messages:,} messages over {day.HOURS} h, loaded in {loaded.seconds:.0f} s"
            )
            for name, latency in searches.measure_all(running, loaded):
                # What they are to reach stands in `make bench-api`.
                self.report.add(f"{name}, p50", latency.p50_ms, "ms")
                self.report.add(f"{name}, p99", latency.p99_ms, "ms")
                self.report.add(f"{name}, processor time", latency.cpu_ms, "ms a question")
                if latency.cut:
                    self.report.note(f"{latency.cut} of {latency.asked} answers were cut by the deadline")


PARTS: dict[str, Callable[[Bench], None]] = {
    "intake": Bench.measure_intake,
    "copy": Bench.measure_copy,
    "end-to-end": Bench.measure_end_to_end,
    "freshness": Bench.measure_freshness,
    "memory": Bench.measure_memory,
    "mixes": Bench.measure_mixes,
    "scripts": Bench.measure_scripts,
    "search": Bench.measure_search,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts, between commas: " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to see that it runs")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--soak",
        type=float,
        default=60.0,
        help="seconds at 10,000 packets/s for the memory; 600: ten minutes",
    )
    parser.add_argument(
        "--messages", type=int, default=2_000_000, help="messages of the day that is searched"
    )
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures go")
    given = parser.parse_args()
    parts = [part.strip() for part in given.only.split(",")]
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    report = Report(lambda text: print(text, flush=True))
    with TemporaryDirectory(prefix="rhapsode-bench-") as made:
        try:
            bench = Bench(given, Path(made), report)
        except NoCompiler as error:
            sys.exit(str(error))
        report.note(f"load average at the start: {os.getloadavg()[0]:.1f} (a quiet machine: below 0.3)")
        failed = [part for part in PARTS if part in parts and not _measured(part, bench)]
    print(report.summary())
    report.write(given.json, {name: str(value) for name, value in vars(given).items()})
    print(f"\nwritten to {given.json}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; see above")


def _measured(part: str, bench: Bench) -> bool:
    """Whether a part came to its end."""
    bench.report.begin(part)
    try:
        PARTS[part](bench)
    except Exception:
        traceback.print_exc()
        return False
    return True


if __name__ == "__main__":
    main()
