"""`make chaos [SEED=n] [LONG=1] [ONLY=pattern]`: every fault that can be made here, and what came of it."""

import argparse
import logging
import re
import secrets
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

from tests.chaos.fault import AWAY_S, Fault, Result, run, scene
from tests.chaos.plan import FAULTS

FIGURES = (
    "times",
    "sent",
    "appended",
    "dropped",
    "aside",
    "stored",
    "gone",
    "lost",
    "doubled",
    "uncounted",
    "kernel",
    "s",
)
LAST_LINES = 60
AWAY_LONG_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description="faults under load, everything counted")
    parser.add_argument("--seed", type=int, default=None, help="the moments of an earlier run")
    parser.add_argument("--long", action="store_true", help="a database that is away is so for two minutes")
    parser.add_argument("--only", default="", help="faults whose names match this pattern")
    parser.add_argument("--short", action="store_true", help="as often as the tests make them")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    logging.basicConfig(level=logging.WARNING)
    chosen = [
        fault for fault in FAULTS if re.search(given.only, fault.name) and (fault.short or not given.short)
    ]
    print(f"seed {seed}: make chaos SEED={seed}{' LONG=1' if given.long else ''}")
    for fault in chosen:
        why = fault.impossible()
        print(f"  {_times(fault, given.short):3d} × {fault.name}" + (f": SKIPPED, {why}" if why else ""))
    began = time.monotonic()
    done: list[Result] = []
    failed: list[str] = []
    possible = deque(fault for fault in chosen if not fault.impossible())
    while possible:
        try:
            for result in _made_in_one_scene(possible, given.short, seed, given.long):
                done.append(result)
                print(_row(result), flush=True)
        except Exception:
            # Whatever it is, it is this fault's: the others are made all the same.
            traceback.print_exc()
            failed.append(possible[0].name)
            possible.popleft()
    print()
    print(f"{'fault':34s}" + "".join(f"{name:>10s}" for name in FIGURES))
    for result in done:
        print(_row(result))
    for name in failed:
        print(f"FAILED  {name}")
    for fault in chosen:
        if why := fault.impossible():
            print(f"SKIPPED {fault.name}: {why}")
    print(f"seed {seed}, {time.monotonic() - began:.0f} s, {len(failed)} failed")
    return 1 if failed else 0


def _times(fault: Fault, short: bool) -> int:
    return fault.short if short else fault.times


def _made_in_one_scene(faults: deque[Fault], short: bool, seed: int, long: bool) -> Iterator[Result]:
    """Make the first fault, and those behind it that share its system in one life; each is taken away once
    made.
    """
    first = faults[0]
    with (
        scene(first.system, f"{seed} {first.name}", away_s=AWAY_LONG_S if long else AWAY_S) as made,
        ExitStack() as ends,
    ):
        try:
            if not first.lives:
                ends.enter_context(made.life(*first.system.arguments))
            while faults and (faults[0] is first or _shares(faults[0], first)):
                yield run(faults[0], _times(faults[0], short), made)
                faults.popleft()
        except BaseException:
            print(*made.said[-LAST_LINES:], sep="\n")
            raise


def _shares(fault: Fault, first: Fault) -> bool:
    return not fault.lives and not first.lives and fault.system == first.system


def _row(result: Result) -> str:
    tally = result.tally
    figures = (
        result.times,
        tally.sent,
        tally.appended,
        tally.dropped,
        tally.aside,
        tally.stored,
        tally.gone,
        tally.lost,
        tally.doubled,
        tally.uncounted,
        tally.kernel_drops,
    )
    return (
        f"{result.fault.name:34s}"
        + "".join(f"{figure:10d}" for figure in figures)
        + f"{result.seconds:10.0f}"
    )


if __name__ == "__main__":
    sys.exit(main())
