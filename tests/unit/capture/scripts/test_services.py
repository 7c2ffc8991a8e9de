"""What belongs to the worker outlives the scripts that use it, and is reported."""

from pathlib import Path

from capture.script_report import FolderProblem, MemoryReport, Series, WorkerReport
from capture.scripts.cache import OVERHEAD_BYTES
from capture.scripts.saying import MOST_LINES, Sayings
from capture.scripts.services import HASH_TABLE_BYTES, Services
from capture.settings import FilterSettings
from tests.support.filtering import Filter, tags_of

SCRIPT = """
local fresh = true
function on_sip(message)
    local before = cache.get("runs") or 0
    cache.set("runs", before + 1)
    count("calls", { trunk = "north" })
    observe("bytes", #message.payload)
    log.info("run %d", before)
    tag("fresh", fresh)
    tag("runs", before + 1)
    tag("trunk", lookup.file("trunks.csv", message.source))
    fresh = false
end
"""


def some_services(directory: Path | None = None, **settings: int) -> Services:
    return Services(directory, FilterSettings.model_validate(settings))


def test_what_scripts_keep_goes_on_when_they_are_loaded_again(tmp_path: Path) -> None:
    (tmp_path / "trunks.csv").write_text("address,trunk\n192.0.2.1,north\n")
    services = some_services(tmp_path)
    written: list[str] = []
    services.sayings = Sayings(lambda level, place, words: written.append(words))

    Filter(SCRIPT, services=services).run()
    again = Filter(SCRIPT + "-- edited\n", services=services)
    (tmp_path / "trunks.csv").unlink()
    draft = again.run()
    for _ in range(MOST_LINES):
        again.run()

    assert tags_of(draft) == {"fresh": "true", "runs": "2", "trunk": "north"}
    calls, sizes = services.metrics.snapshot()
    assert calls == Series("calls", {"script": "a.lua", "trunk": "north"}, 2 + MOST_LINES)
    assert sum(sizes.counts) == 2 + MOST_LINES
    assert written == [f"run {number}" for number in range(MOST_LINES)]


def test_what_is_kept_is_reported_with_what_earlier_lives_of_the_worker_counted() -> None:
    services = some_services(series=1)
    before = WorkerReport("0000", series_refused=3)
    before.cache.evicted, before.hash_table.evicted = 5, 7
    services.carry_on(before)
    services.cache.set(b"a", b"x")
    services.metrics.count("a.lua", b"calls", 1)
    services.metrics.count("a.lua", b"others", 1)

    report = WorkerReport("0000")
    services.report(report)

    size = OVERHEAD_BYTES + 2
    assert report.cache == MemoryReport(1, size, FilterSettings().cache_bytes, 5)
    assert report.hash_table == MemoryReport(0, 0, HASH_TABLE_BYTES, 7)
    assert report.series == [Series("calls", {"script": "a.lua"}, 1.0)]
    assert report.series_refused == 4


def test_tables_and_metrics_that_are_not_as_they_should_be_are_problems(tmp_path: Path) -> None:
    services = some_services(tmp_path, series=1)
    before = services.problems()

    services.tables.lookup(b"a.csv", b"1")
    (tmp_path / "b.csv").write_text("a,b\n1,x\n1,y\n")
    services.tables.want([b"a.csv", b"b.csv"])
    services.metrics.count("a.lua", b"calls", 1)
    services.metrics.count("a.lua", b"others", 1)

    odd, refused = services.problems()
    assert before == []
    assert odd == FolderProblem(
        "b.csv", "1 lines have a key of another line: the last one counts", is_left_out=False
    )
    assert refused.name == ""
    assert "1 series" in refused.words
