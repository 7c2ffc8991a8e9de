"""Filter scripts as an operator lives with them: dropped in, changed, broken and hung while packets flow.

Whatever happens to the scripts, each packet has its outcome.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.support.rhapsode import Rhapsode, metrics, rhapsode_up
from tests.support.sender import MESSAGES_PER_CALL, Sender, payload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

RATE = 1000
PATIENCE_S = 20.0
RELOAD_S = 2.0
"""Within this a saved file is in use."""
FILTERED = 'rhapsode_packets_total{outcome="filtered"}'
WRITTEN = 'rhapsode_packets_total{outcome="written"}'

OLD = """
local agents = { ["2001"] = "edge-1" }

function name_node()
    local node = agents[tostring(GetHEPNodeID())]
    if node then
        SetHEPField("NodeName", node)
    end
end

function mark_phone()
    local sip = GetSIPStruct()
    if sip == nil or sip == "" then return end
    SetSIPHeader("phone", sip.UserAgent)
end
"""
DROP_OPTIONS = """
function on_sip(message)
    if message.cseq_method == "OPTIONS" then
        drop("keep-alive")
    end
end
"""
TAG = """
function on_sip(message)
    tag("version", "%s")
end
"""
BOMB = """
function on_sip(message)
    if message.method == "BYE" then
        string.find(string.rep("a", 5000), ".-.-.-.-b")
    end
end
"""


@contextmanager
def up_with_scripts(**scripts: str) -> Iterator[tuple[Rhapsode, Path]]:
    with TemporaryDirectory(prefix="rhapsode-filters-") as directory:
        Path(directory).chmod(0o711)
        folder = Path(directory) / "scripts"
        folder.mkdir()
        for name, text in scripts.items():
            save(folder / f"{name}.lua", text)
        given = ["--lua-dir", folder]
        extra = {"RHAPSODE_FILTERS__WATCHDOG_S": "0.4"}
        with rhapsode_up(Path(directory) / "data", *given, extra=extra) as running:
            yield running, folder


def save(path: Path, text: str) -> None:
    """As an editor does: whole, under its name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def health(running: Rhapsode) -> dict[str, Any]:
    answer = httpx.get(f"{running.web}/health", timeout=10)
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


def until(what: Callable[[], bool], running: Rhapsode, patience_s: float = PATIENCE_S) -> float:
    """How long it took to become true, in seconds: nothing tells of it, so it is looked at."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < patience_s, running.output
        time.sleep(0.05)
    return time.monotonic() - began


def search(client: httpx.Client, field: str, value: str, limit: int = 1) -> list[dict[str, Any]]:
    now = int(time.time() * 1000)
    body = {
        "timestamp": {"from": now - 600_000, "to": now + 60_000},
        "param": {
            "search": {"1_call": [{"name": field, "value": value, "type": "string", "hepid": 1}]},
            "limit": limit,
        },
    }
    answer = client.post("/api/v3/search/call/data", json=body)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def options_among(sent: int) -> int:
    return sum(b" OPTIONS\r\n" in payload(number) for number in range(sent))


def test_scripts_are_changed_broken_and_hung_while_packets_flow_and_each_packet_has_its_outcome() -> None:
    with (
        up_with_scripts(a_old=OLD, b_drop=DROP_OPTIONS, c_tag=TAG % "one") as (running, folder),
        running.login() as client,
        Sender(running.hep, RATE) as sender,
    ):
        until(lambda: bool(search(client, "data_header.version", "one")), running)
        row = search(client, "data_header.phone", "Numbered/0")[0]
        assert (row["phone"], row["captureId"]) == ("Numbered/0", "edge-1")

        save(folder / "c_tag.lua", TAG % "two")
        took_s = until(lambda: bool(search(client, "data_header.version", "two")), running)
        assert took_s < RELOAD_S + 0.5, "what is stored is seen a little later"

        save(folder / "c_tag.lua", "function on_sip(message\n")
        until(lambda: any("c_tag.lua" in words for words in health(running)["warnings"]), running)
        was = metrics(running)[WRITTEN]
        until(lambda: metrics(running)[WRITTEN] > was + RATE / 2, running)

        save(folder / "c_tag.lua", TAG % "three")
        until(lambda: bool(search(client, "data_header.version", "three")), running)

        save(folder / "d_bomb.lua", BOMB)
        until(
            lambda: any(
                words.startswith("switched off: d_bomb.lua") for words in health(running)["warnings"]
            ),
            running,
            40,
        )
        was = metrics(running)[WRITTEN]
        until(lambda: metrics(running)[WRITTEN] > was + RATE / 2, running)

        sent = sender.stop()
        figures: dict[str, float] = {}

        def all_ended() -> bool:
            figures.update(metrics(running))
            ended = sum(
                count for name, count in figures.items() if name.startswith("rhapsode_packets_total{")
            )
            return ended == figures["rhapsode_packets_received_total"] == sent

        until(all_ended, running)
        assert figures[FILTERED] == options_among(sent)
        assert figures[WRITTEN] == sent - options_among(sent)
        kept = list((running.data_dir or Path()).glob("journal/filters/packets/*"))
        assert len(kept) == 1


def test_script_switched_off_by_a_person_runs_again_when_it_is_enabled() -> None:
    with (
        up_with_scripts(c_tag=TAG % "one") as (running, _),
        running.login() as client,
        Sender(running.hep, 200),
    ):
        until(lambda: bool(search(client, "data_header.version", "one")), running)

        assert client.post("/api/v3/rhapsode/filters/c_tag.lua/disable").is_success

        until(lambda: "one" not in newest_versions(client), running)
        assert client.post("/api/v3/rhapsode/filters/c_tag.lua/enable").is_success
        until(lambda: "one" in newest_versions(client), running)


def newest_versions(client: httpx.Client) -> set[str]:
    now = int(time.time() * 1000)
    body = {
        "timestamp": {"from": now - 400, "to": now + 60_000},
        "param": {"search": {"1_call": []}, "limit": 5},
    }
    rows = client.post("/api/v3/search/call/data", json=body).json()["data"]
    return {str(row.get("version")) for row in rows}


def test_folder_that_is_not_there_is_said_and_packets_are_stored(tmp_path: Path) -> None:
    with (
        TemporaryDirectory(prefix="rhapsode-filters-") as directory,
        rhapsode_up(Path(directory) / "data", "--lua-dir", tmp_path / "none") as running,
    ):
        Path(directory).chmod(0o711)
        sent = Sender(running.hep, RATE, count=MESSAGES_PER_CALL).start().join()

        until(lambda: metrics(running)[WRITTEN] == sent, running)

        assert any("none" in words for words in health(running)["warnings"])
