"""What the server counts about itself, for Prometheus.

Several worker processes keep their numbers in files of the folder PROMETHEUS_MULTIPROC_DIR, and each of them answers
for all: counts and durations are added up, what a process has now is shown for each one under the label `pid`.
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
# The environment variable that the library looks for.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "none"
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# When a number was first counted, a line for each of them.
disable_created_metrics()  # type: ignore[no-untyped-call]
_registry = CollectorRegistry()
_requests = Histogram(
    "llmlab_http_request_duration_seconds",
    "Requests, from the first byte of the head to the last one of the answer",
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
    "llmlab_commit_duration_seconds", "How long such a commit took", buckets=_DURATIONS, registry=_registry
)
_commit_failures = Counter("llmlab_commit_failures", "Commits of events that failed", registry=_registry)
_queue = Gauge(
    "llmlab_write_queue_events",
    "Events accepted and not yet committed",
    registry=_registry,
    multiprocess_mode="liveall",
)
_connections = Gauge(
    "llmlab_database_connections",
    "Connections of the pool to Postgres; none on the Supabase road",
    ("state",),
    registry=_registry,
    multiprocess_mode="liveall",
)
_database_up = Gauge(
    "llmlab_database_up", "Whether the database answers", registry=_registry, multiprocess_mode="mostrecent"
)
_outbox = Gauge(
    "llmlab_outbox_pending",
    "Alerts not yet delivered, one for each channel, in all workspaces; NaN while the database does not answer",
    registry=_registry,
    multiprocess_mode="mostrecent",
)
_process = ProcessCollector(registry=None)
_process_gauges = {
    name: Gauge(name, said, registry=_registry, multiprocess_mode="liveall")
    for name, said in (
        ("process_resident_memory_bytes", "Memory in use"),
        ("process_open_fds", "Open files and sockets"),
        ("process_max_fds", "How many of them there may be"),
        ("process_start_time_seconds", "When the process started, in seconds since 1970"),
    )
}
_processor_seconds = Counter("process_cpu_seconds", "Time on the processor", registry=_registry)
_processor_counted = 0.0

_answered: dict[tuple[str, str, int], Histogram] = {}


def count_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Counts an answer. `route` is the template of the path, None if the request was for no route or reached none."""
    key = (method, route or _NO_ROUTE, status)
    histogram = _answered.get(key)
    if histogram is None:
        # Whatever a caller sends, there are only so many labels.
        key = (method if method in _METHODS else "other", *key[1:])
        histogram = _answered[key] = _requests.labels(*key)
    histogram.observe(seconds)


@contextmanager
def count_commit(events: int) -> Iterator[None]:
    """Counts a write of so many events, as one that failed if it raises."""
    started = time.perf_counter()
    try:
        yield
    except Exception:
        _commit_failures.inc()
        raise
    _commit_seconds.observe(time.perf_counter() - started)
    _commit_events.observe(events)


def note_process(waiting: int, connections: dict[str, int]) -> None:
    """Notes what waits in this process to be written, its connections by state, and what it takes of the machine."""
    global _processor_counted
    _queue.set(waiting)
    for state, number in connections.items():
        _connections.labels(state).set(number)
    for metric in _process.collect():
        if metric.name in _process_gauges:
            _process_gauges[metric.name].set(metric.samples[0].value)
    spent = time.process_time()
    _processor_seconds.inc(spent - _processor_counted)
    _processor_counted = spent


def note_database(outbox: int | None) -> None:
    """Notes how many deliveries wait; None when the database does not answer."""
    _database_up.set(outbox is not None)
    _outbox.set(float("nan") if outbox is None else outbox)


def exposition() -> bytes:
    """All of it, in the text format of Prometheus. Takes some milliseconds: not for an event loop."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return generate_latest(_registry)
    _remove_gauges_of_ended_processes(Path(folder))
    workers = CollectorRegistry()
    workers.register(_Workers(Path(folder)))
    return generate_latest(workers)


class _Workers(Collector):
    """The metrics of all worker processes, read from their files.

    A file is empty while its worker starts, and can be cut short or damaged when its worker or the machine ends.
    Such a file is left out, and `llmlab_metrics_unreadable_files` counts the damaged ones.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        readable, damaged = [], 0
        for path in sorted(self._folder.glob("*.db")):
            # The library stops at the first file that it cannot read.
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
        # A file only grows, so one that was readable still is.
        return [*_merge(readable), unreadable]


def _merge(files: list[str]) -> Iterable[Metric]:
    merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return merged


def _remove_gauges_of_ended_processes(folder: Path) -> None:
    """Removes the current values of processes that no longer run; their counters and histograms stay."""
    for path in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(path.stem.rsplit("_", 1)[1]), 0)
        except (ProcessLookupError, PermissionError):
            # A process of another user has the number by now.
            path.unlink(missing_ok=True)
