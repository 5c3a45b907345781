"""The server's metrics for Prometheus.

Worker processes store their values in files in PROMETHEUS_MULTIPROC_DIR, and each worker reports for all of them:
counters and histograms are summed, and gauges are reported per process with the label `pid`.
"""

import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
# The environment variable of the library.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "none"
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# No extra series with the creation time of each counter.
disable_created_metrics()  # type: ignore[no-untyped-call]
_registry = CollectorRegistry()
_requests = Histogram(
    "llmlab_http_request_duration_seconds",
    "Duration of requests, from the first byte of the head to the last byte of the response",
    ("method", "route", "status"),
    buckets=_DURATIONS,
    registry=_registry,
)
_commit_events = Histogram(
    "llmlab_commit_events",
    "Events written by one commit",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
    registry=_registry,
)
_commit_seconds = Histogram(
    "llmlab_commit_duration_seconds", "Duration of commits of events", buckets=_DURATIONS, registry=_registry
)
_commit_failures = Counter("llmlab_commit_failures", "Commits of events that failed", registry=_registry)
_refused = Counter(
    "llmlab_refused_requests", "Requests that a limit refused with status 429", ("limit",), registry=_registry
)
_queue = Gauge(
    "llmlab_write_queue_events",
    "Events accepted and not yet committed",
    registry=_registry,
    multiprocess_mode="liveall",
)
_connections = Gauge(
    "llmlab_database_connections",
    "Connections in the pools to Postgres; none for Supabase",
    ("state",),
    registry=_registry,
    multiprocess_mode="liveall",
)
_database_up = Gauge(
    "llmlab_database_up", "Whether the database answers", registry=_registry, multiprocess_mode="mostrecent"
)
_outbox = Gauge(
    "llmlab_outbox_pending",
    "Alerts not yet delivered, per channel, in all workspaces; NaN if the database does not answer",
    registry=_registry,
    multiprocess_mode="mostrecent",
)
_process = ProcessCollector(registry=None)
_process_gauges = {
    name: Gauge(name, description, registry=_registry, multiprocess_mode="liveall")
    for name, description in (
        ("process_resident_memory_bytes", "Memory in use"),
        ("process_open_fds", "Open files and sockets"),
        ("process_max_fds", "Maximum number of open files and sockets"),
        ("process_start_time_seconds", "Start time of the process, in seconds since 1970"),
    )
}
_cpu_seconds = Counter("process_cpu_seconds", "CPU time", registry=_registry)
_cpu_counted = 0.0

_histograms: dict[tuple[str, str, int], Histogram] = {}


def count_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Counts a request. `route` is the path template, or None if no route was reached."""
    key = (method, route or _NO_ROUTE, status)
    histogram = _histograms.get(key)
    if histogram is None:
        # Unknown methods share one label, so that callers cannot create any number of series.
        key = (method if method in _METHODS else "other", *key[1:])
        histogram = _histograms[key] = _requests.labels(*key)
    histogram.observe(seconds)


def count_refusal(limit: str) -> None:
    """Counts a request that a limit refused. `limit` is one of a few names."""
    _refused.labels(limit).inc()


@contextmanager
def count_commit(events: int) -> Iterator[None]:
    """Counts and times a commit of `events` events, as failed if it raises."""
    started = time.perf_counter()
    try:
        yield
    except Exception:
        _commit_failures.inc()
        raise
    _commit_seconds.observe(time.perf_counter() - started)
    _commit_events.observe(events)


def note_process(waiting: int, connections: dict[str, int]) -> None:
    """Sets the gauges of this process: items waiting for a commit, connections by state, memory, files and CPU time."""
    global _cpu_counted
    _queue.set(waiting)
    for state, number in connections.items():
        _connections.labels(state).set(number)
    for metric in _process.collect():
        if metric.name in _process_gauges:
            _process_gauges[metric.name].set(metric.samples[0].value)
    spent = time.process_time()
    _cpu_seconds.inc(spent - _cpu_counted)
    _cpu_counted = spent


def note_database(outbox: int | None) -> None:
    """Sets the number of pending deliveries; None if the database does not answer."""
    _database_up.set(outbox is not None)
    _outbox.set(float("nan") if outbox is None else outbox)


def exposition() -> bytes:
    """All metrics in the text format of Prometheus. Blocks for some milliseconds, so run it in a thread."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return generate_latest(_registry)
    _remove_gauges_of_ended_processes(Path(folder))
    workers = CollectorRegistry()
    workers.register(_Workers(Path(folder)))
    return generate_latest(workers)


class _Workers(Collector):
    """The metrics of all worker processes, read from their files.

    A file is empty while its worker starts, and can be truncated or damaged after a crash. Such files are skipped, and
    `llmlab_metrics_unreadable_files` counts the damaged ones.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        readable, damaged = [], 0
        for path in sorted(self._folder.glob("*.db")):
            # The library fails at the first unreadable file, so each file is tested first.
            try:
                if path.stat().st_size:
                    _merge([str(path)])
                    readable.append(str(path))
            except FileNotFoundError:
                continue
            except (OSError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, struct.error):
                damaged += 1
        unreadable = GaugeMetricFamily(
            "llmlab_metrics_unreadable_files", "Damaged metrics files of worker processes, left out of this scrape"
        )
        unreadable.add_metric((), damaged)
        # Files only grow, so a readable one stays readable.
        return [*_merge(readable), unreadable]


def _merge(files: list[str]) -> Iterable[Metric]:
    merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return merged


def _remove_gauges_of_ended_processes(folder: Path) -> None:
    """Removes the gauges of processes that have ended; their counters and histograms stay."""
    for path in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(path.stem.rsplit("_", 1)[1]), 0)
        except (ProcessLookupError, PermissionError):
            # PermissionError: a process of another user now has this pid.
            path.unlink(missing_ok=True)
