"""The page for Prometheus."""

from contextlib import closing
from pathlib import Path
from uuid import UUID

import httpx
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import render_metrics, serve_metrics
from capture.journal.figures import INTAKE_FIGURES, WORKER_FIGURES, FigureFile, IntakeFigure, WorkerFigure
from capture.journal.log import JournalWriter
from capture.settings import JournalSettings
from capture.stats import Outcome


def samples(page: bytes) -> dict[tuple[str, str], float]:
    """Values by series name and the value of its only label, "" without one."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def keep(
    data_dir: Path, journal: str, intake: dict[IntakeFigure, int], worker: dict[WorkerFigure, int]
) -> None:
    directory = data_dir / "journal" / journal
    files = (
        (FigureFile.open(directory / INTAKE_FIGURES, IntakeFigure, UUID(int=1)), intake),
        (FigureFile.open(directory / WORKER_FIGURES, WorkerFigure, UUID(int=1)), worker),
    )
    for file, words in files:
        for word, value in words.items():
            file.words[word] = value
        file.close()


def test_series_that_are_summed_start_at_zero(tmp_path: Path) -> None:
    found = samples(render_metrics(tmp_path))

    assert found["rhapsode_packets_received_total", ""] == 0
    assert found["rhapsode_kernel_drops_total", ""] == 0
    assert [found["rhapsode_packets_total", outcome.name.lower()] for outcome in Outcome] == [0] * 7
    for reason in ("short", "magic", "length", "chunk", "inflate", "stream"):
        assert found["rhapsode_malformed_total", reason] == 0


def test_what_is_stored_is_told_by_the_worker_that_looked_last(tmp_path: Path) -> None:
    old = {WorkerFigure.SURVEY_US: 5, WorkerFigure.STORED_CALL_BYTES: 1, WorkerFigure.OLDEST_DNS_US: 1}
    new = {
        WorkerFigure.SURVEY_US: 6,
        WorkerFigure.STORED_CALL_BYTES: 70,
        WorkerFigure.OLDEST_CALL_US: 2_500_000,
    }
    keep(tmp_path, "0000", {}, old | {WorkerFigure.LEAVES_DROPPED: 3})
    keep(tmp_path, "0001", {}, new | {WorkerFigure.LEAVES_DROPPED: 4, WorkerFigure.RETENTION_FAILING_US: 1})

    found = samples(render_metrics(tmp_path))

    assert found["rhapsode_stored_bytes", "call"] == 70
    assert found["rhapsode_stored_bytes", "registration"] == 0
    assert found["rhapsode_oldest_timestamp_seconds", "call"] == 2.5
    assert ("rhapsode_oldest_timestamp_seconds", "dns") not in found
    assert found["rhapsode_partitions_dropped_total", ""] == 7
    assert found["rhapsode_retention_failing", ""] == 1


def test_filtered_packets_are_told_apart_by_reason(tmp_path: Path) -> None:
    worker = {WorkerFigure.FILTERED: 5, WorkerFigure.FILTERED_EXPIRED: 3, WorkerFigure.FILTERED_KEEP_ALIVE: 2}
    keep(tmp_path, "0000", {}, worker)

    found = samples(render_metrics(tmp_path))

    assert found["rhapsode_packets_total", "filtered"] == 5
    assert (found["rhapsode_filtered_total", "expired"], found["rhapsode_filtered_total", "keep_alive"]) == (
        3,
        2,
    )


def test_outcomes_of_a_drained_journal_sum_to_received(tmp_path: Path) -> None:
    intake = {IntakeFigure.LAST_NUMBER: 21, IntakeFigure.DROPPED: 7}
    worker = {WorkerFigure.NUMBER: 22} | {
        WorkerFigure[outcome.name]: outcome + 1 for outcome in Outcome if outcome is not Outcome.DROPPED
    }
    keep(tmp_path, "0000", intake, worker)

    found = samples(render_metrics(tmp_path))

    assert found["rhapsode_packets_total", "written"] == 1
    assert found["rhapsode_packets_total", "failed"] == 6
    assert found["rhapsode_packets_total", "dropped"] == 7
    assert sum(value for (name, _), value in found.items() if name == "rhapsode_packets_total") == 28
    assert found["rhapsode_packets_received_total", ""] == 28


def test_journals_are_summed_where_packets_are_counted_and_told_apart_elsewhere(tmp_path: Path) -> None:
    batches = {WorkerFigure.BATCHES: 2, WorkerFigure.BATCH_ROWS: 30, WorkerFigure.BATCH_SECONDS_US: 500_000}
    keep(tmp_path, "0000", {IntakeFigure.LAST_NUMBER: 5}, {WorkerFigure.WRITTEN: 3, WorkerFigure.NUMBER: 4})
    keep(tmp_path, "0001", {IntakeFigure.LAST_NUMBER: 1}, {WorkerFigure.WRITTEN: 1, **batches})

    found = samples(render_metrics(tmp_path))

    assert found["rhapsode_packets_received_total", ""] == 6
    assert found["rhapsode_packets_total", "written"] == 4
    assert found["rhapsode_journal_lag_packets", "0000"] == 2
    assert found["rhapsode_journal_lag_packets", "0001"] == 1
    assert found["rhapsode_batch_rows_sum", "0001"] == 30
    assert found["rhapsode_batch_seconds_count", "0001"] == 2
    assert found["rhapsode_batch_seconds_sum", "0001"] == 0.5


def test_every_figure_of_the_sockets_is_told(tmp_path: Path) -> None:
    intake = {
        IntakeFigure.KERNEL_DROPS: 1,
        IntakeFigure.RECEIVE_BUFFER_BYTES: 2,
        IntakeFigure.CONNECTIONS: 3,
        IntakeFigure.CONNECTIONS_TOTAL: 4,
        IntakeFigure.CONNECTIONS_REFUSED: 5,
        IntakeFigure.RUBBISH_BYTES: 6,
    }
    keep(tmp_path, "0000", intake, {})

    with closing(JournalWriter.open(tmp_path / "journal" / "0000", JournalSettings(min_free_bytes=1))):
        found = samples(render_metrics(tmp_path))

    names = (
        "kernel_drops_total",
        "receive_buffer_bytes",
        "tcp_connections",
        "tcp_connections_accepted_total",
        "tcp_connections_refused_total",
        "rubbish_bytes_total",
    )
    assert [found[f"rhapsode_{name}", ""] for name in names] == [1, 2, 3, 4, 5, 6]


def test_sockets_of_a_dead_intake_are_not_open(tmp_path: Path) -> None:
    intake = {
        IntakeFigure.CONNECTIONS: 3,
        IntakeFigure.RECEIVE_BUFFER_BYTES: 2,
        IntakeFigure.RUBBISH_BYTES: 6,
    }
    keep(tmp_path, "0000", intake, {})

    found = samples(render_metrics(tmp_path))

    assert (found["rhapsode_tcp_connections", ""], found["rhapsode_receive_buffer_bytes", ""]) == (0, 0)
    assert found["rhapsode_rubbish_bytes_total", ""] == 6


def test_process_that_answers_is_measured_too() -> None:
    found = samples(render_metrics(None))

    assert found["process_resident_memory_bytes", ""] > 0
    assert not any(name.startswith("rhapsode_") for name, _ in found)


def test_role_alone_serves_its_figures(tmp_path: Path) -> None:
    keep(tmp_path, "0000", {IntakeFigure.LAST_NUMBER: 5}, {})
    server = serve_metrics("127.0.0.1", 0, tmp_path)
    address = f"http://127.0.0.1:{server.server_port}"

    page = httpx.get(f"{address}/metrics")
    other = httpx.get(f"{address}/other")

    server.shutdown()
    server.server_close()
    assert samples(page.content)["rhapsode_packets_received_total", ""] == 5
    assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert other.status_code == 404
