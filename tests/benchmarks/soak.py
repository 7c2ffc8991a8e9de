"""Two million packets through every filter script that comes along: is the memory flat?

    python -m tests.benchmarks.soak [--packets 2000000]

The worker's pipeline up to the encoded row, in this process, without socket, journal or database; packets of
the main mix, each call with ids and numbers of its own, so that what is kept by key grows on if it can.
Prints the resident set after each twentieth and, at the end, its growth since the first of them.
"""

import argparse
import os
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from capture.journal.figures import WorkerFigure
from capture.journal.record import Carrier, Record
from capture.pipeline import Rows
from capture.script_report_files import filters_directory, read_report
from capture.scripts.worker_filters import WorkerFilters
from capture.settings import FilterSettings, StorageSettings
from capture.store.codec import Dictionary, PayloadCodec, shipped_dictionary
from tests.benchmarks.other_mixes import main_mix
from tests.benchmarks.stages import a_pipeline

EXAMPLES = Path(__file__).parents[2] / "lua_filters" / "examples"
BATCH = 1000
PARTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--packets", type=int, default=2_000_000)
    given = parser.parse_args()
    names = sorted(path.stem for path in EXAMPLES.glob("*.lua") if not path.stem.endswith("_test"))
    with TemporaryDirectory(prefix="rhapsode-soak-") as made:
        journal = Path(made) / "journal" / "0000"
        journal.mkdir(parents=True)
        (Path(made) / "customers.csv").write_text("number,customer\n+49,one\n")
        settings = FilterSettings(examples=tuple(names))
        filters = WorkerFilters(Path(made), settings, journal, [0] * len(WorkerFigure))
        filters.start(None, lambda place: None)
        soak(filters, given.packets)
        filters.stop()
        report = read_report(filters_directory(journal), journal.name)
        for each in report.scripts if report is not None else []:
            failed = f", {each.failed} failed" if each.failed else ""
            print(f"  {each.name}: {each.calls:,} calls, {each.dropped:,} dropped{failed}")  # noqa: T201


def soak(filters: WorkerFilters, packets: int) -> None:
    pipeline = a_pipeline(PayloadCodec(Dictionary(1, shipped_dictionary()), StorageSettings()))
    pipeline.filter_with(filters.engine)
    process = psutil.Process(os.getpid())
    mix = iter(main_mix())
    first_mib = mib = 0.0
    started = time.perf_counter()
    for part in range(PARTS):
        for _ in range(packets // PARTS // BATCH):
            now_us = time.time_ns() // 1000
            records = [
                Record(number, 1, 64, now_us, Carrier.UDP, bytes(16), 5060, packet)
                for number, packet in enumerate(islice(mix, BATCH), 1)
            ]
            pipeline.process(records, 0, Rows())
            filters.turn()
        mib = process.memory_info().rss / 1024 / 1024
        first_mib = first_mib or mib
        done = packets * (part + 1) // PARTS
        each_us = (time.perf_counter() - started) / done * 1e6
        print(f"{done:10,} packets: {mib:7.1f} MiB, {each_us:.0f} µs each", flush=True)  # noqa: T201
    print(f"growth since the first part: {mib - first_mib:+.1f} MiB")  # noqa: T201


if __name__ == "__main__":
    main()
