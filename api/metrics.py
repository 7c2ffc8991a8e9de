"""What Prometheus is told: the figures of intake and workers on this machine, and of the answering process.

Source: the Prometheus text format, version 0.0.4, and its naming rules. Reads their files only, so it answers
while the database is away, and its counters go on across restarts.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from api.figures import Journal, latest_survey, read_journals
from api.filter_metrics import filter_metrics
from api.filters import read_filters
from capture.route import MessageClass
from capture.stats import Outcome

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
MALFORMED_REASONS = ("short", "magic", "length", "chunk", "inflate", "stream")
FILTERED_REASONS = ("expired", "keep_alive", "script")
MICRO = 1_000_000


class FigureCollector(Collector):
    """Every figure that intake and the workers keep below a data directory, and what filter scripts do."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def collect(self) -> Iterator[Metric]:
        journals = read_journals(self._data_dir)
        yield from _packets(journals)
        yield from _intake(journals)
        yield from _each_journal(journals)
        yield from _each_worker(journals)
        yield from _retention(journals)
        yield from filter_metrics(read_filters(self._data_dir))


def render_metrics(data_dir: Path | None) -> bytes:
    """The whole page, of type CONTENT_TYPE; None: only this process, as the figures are elsewhere."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    if data_dir is not None:
        registry.register(FigureCollector(data_dir))
    return generate_latest(registry)


def serve_metrics(host: str, port: int, data_dir: Path) -> ThreadingHTTPServer:
    """Serve `GET /metrics` from a thread of its own, for a role that runs without the API.

    OSError when the address is taken. Close it by `shutdown()` and `server_close()`, or just end.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            body = render_metrics(data_dir) if found else b"see /metrics\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", CONTENT_TYPE if found else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """No line per request."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _packets(journals: list[Journal]) -> Iterator[Metric]:
    received = CounterMetricFamily("rhapsode_packets_received", "Packets that came in, of whatever kind.")
    received.add_metric([], sum(journal.received for journal in journals))
    yield received
    packets = CounterMetricFamily(
        "rhapsode_packets", "Packets by what became of them, each counted once.", labels=["outcome"]
    )
    for outcome in Outcome:
        name = outcome.name.lower()
        packets.add_metric([name], sum(_outcome(journal, outcome) for journal in journals))
    yield packets
    malformed = CounterMetricFamily(
        "rhapsode_malformed",
        "Packets that were not HEP, by the reason.",
        labels=["reason"],
    )
    for reason in MALFORMED_REASONS:
        malformed.add_metric([reason], _sum_worker(journals, f"malformed_{reason}"))
    yield malformed
    filtered = CounterMetricFamily("rhapsode_filtered", "Filtered packets, by the reason.", labels=["reason"])
    for reason in FILTERED_REASONS:
        filtered.add_metric([reason], _sum_worker(journals, f"filtered_{reason}"))
    yield filtered


def _outcome(journal: Journal, outcome: Outcome) -> int:
    """`dropped` is intake's to count, the others are the worker's."""
    figures = journal.intake if outcome is Outcome.DROPPED else journal.worker
    return figures[outcome.name.lower()]


def _intake(journals: list[Journal]) -> Iterator[Metric]:
    """What is counted once for all journals stands in the first one's figures."""
    for name, figure, text in (
        ("kernel_drops", "kernel_drops", "Datagrams that the kernel dropped for want of buffer."),
        ("tcp_connections_accepted", "connections_total", "TCP connections since the first start."),
        ("tcp_connections_refused", "connections_refused", "TCP connections over a limit."),
        ("rubbish_bytes", "rubbish_bytes", "Bytes on TCP that were no frame."),
    ):
        yield CounterMetricFamily(f"rhapsode_{name}", text, value=_sum_intake(journals, figure))
    for name, figure, text in (
        ("receive_buffer_bytes", "receive_buffer_bytes", "Receive buffer that the kernel granted."),
        ("tcp_connections", "connections", "TCP connections now open."),
    ):
        # A left-over journal still says what its intake had when it was killed.
        written = [journal for journal in journals if journal.has_intake]
        yield GaugeMetricFamily(f"rhapsode_{name}", text, value=_sum_intake(written, figure))


def _each_journal(journals: list[Journal]) -> Iterator[Metric]:
    labels = ["journal"]
    size = GaugeMetricFamily("rhapsode_journal_bytes", "Size of the segment files.", labels=labels)
    waiting = GaugeMetricFamily(
        "rhapsode_journal_lag_packets", "Packets appended and not yet stored.", labels=labels
    )
    seconds = GaugeMetricFamily(
        "rhapsode_journal_lag_seconds", "How long the oldest of them has been waiting.", labels=labels
    )
    full = GaugeMetricFamily("rhapsode_journal_full", "1 while there is no room.", labels=labels)
    appended = CounterMetricFamily("rhapsode_journal_appended_bytes", "Bytes appended.", labels=labels)
    gone = GaugeMetricFamily(
        "rhapsode_journal_gone_packets",
        "Packets stored, but lost from the journal with the machine's power; received counts them.",
        labels=labels,
    )
    for journal in journals:
        size.add_metric([journal.name], journal.bytes)
        waiting.add_metric([journal.name], journal.waiting)
        seconds.add_metric([journal.name], journal.waiting_us / MICRO)
        full.add_metric([journal.name], journal.intake["full"])
        appended.add_metric([journal.name], journal.intake["appended_bytes"])
        gone.add_metric([journal.name], max(0, journal.beyond))
    yield from (size, waiting, seconds, full, appended, gone)


def _each_worker(journals: list[Journal]) -> Iterator[Metric]:
    labels = ["journal"]
    rows = SummaryMetricFamily("rhapsode_batch_rows", "Messages of each committed batch.", labels=labels)
    seconds = SummaryMetricFamily(
        "rhapsode_batch_seconds", "From a batch's first statement to its commit.", labels=labels
    )
    rollbacks = CounterMetricFamily(
        "rhapsode_rollbacks", "Batches rolled back and begun anew.", labels=labels
    )
    away = GaugeMetricFamily(
        "rhapsode_database_away", "1 while the worker cannot reach the database.", labels=labels
    )
    delay = GaugeMetricFamily(
        "rhapsode_commit_delay_seconds", "Arrival to commit, of the last packet stored.", labels=labels
    )
    dictionary = GaugeMetricFamily(
        "rhapsode_payload_dictionary",
        "Id of the dictionary that payloads are compressed with.",
        labels=labels,
    )
    for journal in journals:
        name, worker = [journal.name], journal.worker
        dictionary.add_metric(name, worker["dictionary"])
        rows.add_metric(name, worker["batches"], worker["batch_rows"])
        seconds.add_metric(name, worker["batches"], worker["batch_seconds_us"] / MICRO)
        rollbacks.add_metric(name, worker["rollbacks"])
        away.add_metric(name, worker["database_away"])
        delay.add_metric(name, worker["lag_us"] / MICRO)
    yield from (rows, seconds, rollbacks, away, delay, dictionary)


def _retention(journals: list[Journal]) -> Iterator[Metric]:
    """What was deleted, and what is there, as the worker saw it that looked last."""
    yield CounterMetricFamily(
        "rhapsode_partitions_dropped",
        "Partitions deleted because their retention was over.",
        value=_sum_worker(journals, "leaves_dropped"),
    )
    failing = max((journal.worker["retention_failing_us"] for journal in journals), default=0)
    yield GaugeMetricFamily(
        "rhapsode_retention_failing", "1 while something that is to be deleted cannot be.", value=failing > 0
    )
    stored = latest_survey(journals)
    size = GaugeMetricFamily("rhapsode_stored_bytes", "On disk, keys and indexes included.", labels=["class"])
    oldest = GaugeMetricFamily(
        "rhapsode_oldest_timestamp_seconds", "Capture time of the oldest message.", labels=["class"]
    )
    for message_class in MessageClass:
        key = message_class.retention_key
        size.add_metric([key], stored.get(f"stored_{key}_bytes", 0))
        if oldest_us := stored.get(f"oldest_{key}_us", 0):
            oldest.add_metric([key], oldest_us / MICRO)
    yield from (size, oldest)


def _sum_intake(journals: list[Journal], figure: str) -> int:
    return sum(journal.intake[figure] for journal in journals)


def _sum_worker(journals: list[Journal], figure: str) -> int:
    return sum(journal.worker[figure] for journal in journals)
