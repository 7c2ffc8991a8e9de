"""What filter scripts cost: bursts through one running system, whose scripts are exchanged in between.

Case after case and all of them again, so that a machine that slows down slows down all cases alike.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from capture.script_report_files import read_reports
from tests.benchmarks.end_to_end import flood_once
from tests.benchmarks.flood import Flood
from tests.benchmarks.system import System

ROUNDS = 5
RATE = 100_000
_TAKEN_S = 10.0

_FIELDS = """
function on_sip(message)
    local told = message.method and message.from_user and message.to_user and message.ruri_user
        and message.call_id and message.source and message.destination and message.user_agent
    tag("X-Rule", "seen")
end
"""
_OLD_FIELDS = """
function mark()
    local sip = GetSIPStruct()
    if sip == nil or sip == "" then return end
    local told = sip.FirstMethod ~= "" and sip.FromUser ~= "" and sip.ToUser ~= "" and sip.URIUser ~= ""
        and sip.CallID ~= "" and GetHEPSrcIP() ~= "" and GetHEPDstIP() ~= "" and sip.UserAgent ~= ""
    SetSIPHeader("X-Rule", "seen")
end
"""
_RAW = """
function on_sip(message)
    local branch = message.payload:match("[Bb]ranch=([^;\\r\\n]+)")
    if branch then
        tag("X-Branch", branch)
    end
end
"""
_READING = """
function on_sip(message)
    if message.from_user == "nobody" and message.to_user == "nobody" and message.method == "NONE" then
        drop("nobody")
    end
end
"""
_NOT_REACHED = """
function on_log(line)
    tag("seen", line.text)
end
"""
CASES: Mapping[str, Mapping[str, str]] = {
    "no script": {},
    "eight fields, one header": {"a": _FIELDS},
    "the same for heplify-server": {"a": _OLD_FIELDS},
    "a pattern on the payload": {"a": _RAW},
    "a question": {"a": _READING},
    "ten questions": {f"a{number}": _READING for number in range(10)},
    "ten that are not reached": {f"a{number}": _NOT_REACHED for number in range(10)},
}


class Cost(NamedTuple):
    """Of one case, medians over the rounds."""

    stored_rate: float
    worker_us: float
    rate_share: float
    """Of the rate without scripts in the same round."""
    worker_ratio: float


def measure(
    running: System, folder: Path, flood: Flood, packets: Path, seconds: float
) -> Iterator[tuple[str, Cost]]:
    """Each case with its cost. `folder` is the one that the system takes its scripts from."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, scripts in CASES.items():
            exchange(running, folder, scripts)
            stored = flood_once(running, flood, packets, RATE, seconds)
            measured[name].append((stored.stored_rate, stored.cpu_us["worker"]))
    without = measured["no script"]
    for name, rounds in measured.items():
        pairs = list(zip(rounds, without, strict=True))
        yield (
            name,
            Cost(
                median(rate for rate, _ in rounds),
                median(us for _, us in rounds),
                median(rate / bare for (rate, _), (bare, _) in pairs),
                median(us / bare for (_, us), (_, bare) in pairs),
            ),
        )


def exchange(running: System, folder: Path, scripts: Mapping[str, str]) -> None:
    """Put these scripts in place of the ones before, and wait until the workers run them."""
    for path in folder.glob("*.lua"):
        path.unlink()
    for name, text in scripts.items():
        (folder / f"{name}.lua").write_text(text)
    wanted = {f"{name}.lua": text for name, text in scripts.items()}
    deadline = time.monotonic() + _TAKEN_S
    while not all(
        {script.name for script in each.worker.scripts if script.state == "running"} == set(wanted)
        for each in read_reports(running.data_dir / "journal")
    ):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{sorted(wanted)} do not run:\n{running.running.output}")
        time.sleep(0.1)
    # Files of the same names: until the report could have been written once more.
    time.sleep(1.5)
